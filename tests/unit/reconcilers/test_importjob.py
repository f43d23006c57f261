"""An import from its beginning to its end: what it waits for, what stops it, what its status tells."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.house import secret_manifest
from tests.support.samples import connector_manifest, index_manifest
from tests.unit.reconcilers.import_house import FILMS, FIRST, FOOTAGE, ImportHouse
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import FileOutcome


@pytest.fixture
def house() -> ImportHouse:
    return ImportHouse()


async def test_the_life_of_an_import(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Pending", ("Unknown", "Pending"))
    assert house.job()["spec"]["suspend"] is False
    assert house.status(FIRST)["jobName"] == house.job_key.name
    house.job_status(active=1, ready=1)
    house.work(scan_done=False)
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Scanning", ("Unknown", "Scanning"))
    house.clock.pass_seconds(10)
    house.work(total=4, imported=2, failed=1)
    house.catalog.set_run(house.run_id, failed_files=(FileOutcome("in/b.mp4", "UnreadableMedia", "broken", 1),))
    await house.settle()
    progress = house.status(FIRST)["progress"]
    assert (house.phase(), progress["imported"], progress["failed"]) == ("Importing", 2, 1)
    assert (progress["filesPerSecond"], progress["eta"]) == ("0.3", "2026-05-01T12:00:13Z")
    assert house.status(FIRST)["failedFiles"][0]["reason"] == "UnreadableMedia"
    house.work(total=4, imported=3, failed=1)
    house.catalog.finish(house.run_id)
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Completed", ("True", "CompletedWithFailures"))
    assert house.conditions(FIRST) == {"Ready": "True", "Succeeded": "True"}
    assert house.status(FILMS)["lastImport"]["name"] == "first"
    assert house.jobs_made() == 1


def without_secret(house: ImportHouse) -> None:
    house.fake.delete(ObjectKey("Secret", "media", "keys"))


BLOCKED: dict[str, tuple[Callable[[ImportHouse], object], tuple[str, str], Callable[[ImportHouse], object]]] = {
    "there is no Connector": (
        lambda h: h.fake.delete(FOOTAGE),
        ("False", "ConnectorNotFound"),
        lambda h: h.fake.apply(connector_manifest()),
    ),
    "there is no Index": (
        lambda h: h.fake.delete(FILMS),
        ("False", "IndexNotFound"),
        lambda h: h.fake.apply(index_manifest()),
    ),
    "the Connector has the wrong scope": (
        lambda h: h.fake.edit(FOOTAGE, {"spec": {"scopes": ["export"]}}),
        ("False", "ScopeNotAllowed"),
        lambda h: h.fake.edit(FOOTAGE, {"spec": {"scopes": ["import"]}}),
    ),
    "the Connector lacks its Secret": (
        without_secret,
        ("Unknown", "ConnectorNotReady"),
        lambda h: h.fake.apply(secret_manifest()),
    ),
    "it is paused": (
        lambda h: h.annotate(FIRST, paused="true"),
        ("Unknown", "Paused"),
        lambda h: h.annotate(FIRST, paused=None),
    ),
}


@pytest.mark.parametrize("name", BLOCKED)
async def test_it_waits_until_the_obstacle_is_gone(house: ImportHouse, name: str) -> None:
    block, words, heal = BLOCKED[name]
    house.apply_all()
    block(house)
    await house.settle()
    assert house.words(FIRST) == words
    assert await house.catalog.observe_run(house.run_id) is None
    assert house.fake.find_all("Job") == []
    heal(house)
    await house.settle()
    assert house.words(FIRST) == ("Unknown", "Pending")
    assert house.jobs_made() == 1


async def test_cancelled_before_it_began_it_never_begins(house: ImportHouse) -> None:
    house.apply_all(cancel=True)
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Cancelled", ("False", "Cancelled"))
    house.clock.pass_seconds(600)
    await house.settle()
    assert house.fake.find_all("Job") == []
    assert house.status(FIRST)["completedAt"] == "2026-05-01T12:00:00Z"


async def test_a_running_import_is_cancelled_by_its_workers(house: ImportHouse) -> None:
    await house.begin()
    house.fake.edit(FIRST, {"spec": {"cancel": True}})
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Scanning", ("Unknown", "Cancelling"))
    run = await house.catalog.observe_run(house.run_id)
    assert run is not None
    assert run.cancel_requested
    house.catalog.set_run(house.run_id, scan_done=True)
    house.catalog.finish(house.run_id)
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Cancelled", ("False", "Cancelled"))


async def test_an_import_that_no_worker_has_begun_is_cancelled_at_once(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    house.fake.edit(FIRST, {"spec": {"cancel": True}})
    await house.settle()
    assert house.phase() == "Cancelled"


async def test_a_paused_import_is_suspended_and_goes_on(house: ImportHouse) -> None:
    await house.begin()
    house.annotate(FIRST, paused="true")
    await house.settle()
    assert (house.phase(), house.job()["spec"]["suspend"]) == ("Paused", True)
    house.job_status(active=None, ready=None)
    await house.settle()
    assert house.words(FIRST) == ("Unknown", "Paused")
    house.annotate(FIRST, paused=None)
    await house.settle()
    assert (house.phase(), house.job()["spec"]["suspend"]) == ("Scanning", False)


async def test_a_cancellation_goes_through_a_pause(house: ImportHouse) -> None:
    await house.begin()
    house.annotate(FIRST, paused="true")
    await house.settle()
    house.fake.edit(FIRST, {"spec": {"cancel": True}})
    await house.settle()
    assert house.words(FIRST) == ("Unknown", "Cancelling")
    assert house.job()["spec"]["suspend"] is False


async def test_an_import_outlives_its_connector(house: ImportHouse) -> None:
    await house.begin()
    house.fake.delete(FOOTAGE)
    await house.settle()
    assert house.phase() == "Scanning"
    await house.complete()
    assert house.phase() == "Completed"


async def test_an_import_that_goes_while_somebody_holds_it_is_cancelled(house: ImportHouse) -> None:
    await house.begin(meta={"finalizers": ["other/one"]})
    house.fake.delete(FIRST)
    await house.look(FIRST)
    run = await house.catalog.observe_run(house.run_id)
    assert run is not None
    assert run.cancel_requested


async def test_a_catalog_that_is_away_is_said_and_takes_nothing_back(house: ImportHouse) -> None:
    await house.begin()
    house.catalog.outage = "no database"
    assert (await house.look(FIRST)).label == "retry"
    assert house.words(FIRST) == ("False", "CatalogUnavailable")
    assert (house.phase(), house.conditions(FIRST)["Succeeded"]) == ("Scanning", "Unknown")
    house.catalog.outage = None
    await house.settle()
    assert house.words(FIRST) == ("Unknown", "Scanning")


async def test_looks_that_find_nothing_new_write_nothing(house: ImportHouse) -> None:
    await house.begin()
    writes = len(house.fake.writes)
    house.clock.pass_seconds(300)
    house.restart()
    await house.look(FIRST)
    assert len(house.fake.writes) == writes


async def test_a_running_import_is_looked_at_again_as_a_backup(house: ImportHouse) -> None:
    await house.begin()
    assert (await house.look(FIRST)).requeue_after == 15.0
    await house.complete()
    assert (await house.look(FIRST)).requeue_after is None


async def test_events_tell_the_story(house: ImportHouse) -> None:
    await house.begin()
    await house.complete()
    told = [notice.reason.value for key, notice in house.notices if key == FIRST]
    assert [word for word in told if word != "ConnectorNotReady"] == ["JobCreated", "Pending", "Completed"]


async def test_a_connector_that_an_older_crd_let_in_is_waited_for(house: ImportHouse) -> None:
    house.apply_all()
    endpoint = "https://storage.example.com?sv=1&sig=c2VjcmV0"
    house.fake.edit(FOOTAGE, {"spec": {"s3": {"endpoint": endpoint}}})
    await house.look(FOOTAGE)
    await house.look(FIRST)
    assert house.words(FOOTAGE) == ("False", "InvalidSpec")
    assert house.words(FIRST) == ("Unknown", "ConnectorNotReady")
    assert "Connector 'footage' cannot be read" in house.message(FIRST)
    assert "c2VjcmV0" not in str(house.statuses)
    house.fake.edit(FOOTAGE, {"spec": {"s3": {"endpoint": None}}})
    await house.settle()
    assert house.words(FIRST) == ("Unknown", "Pending")

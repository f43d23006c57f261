"""What becomes of imports while their Connector, Index or Secret is gone, or not there yet."""

from __future__ import annotations

import pytest

from tests.support.house import secret_manifest
from tests.support.samples import connector_manifest
from tests.unit.reconcilers.queue_house import FILMS, FOOTAGE, KEYS, QueueHouse, key
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import RunCounters


@pytest.fixture
def house() -> QueueHouse:
    return QueueHouse()


async def test_what_runs_goes_on_without_its_connector_and_says_so_once(house: QueueHouse) -> None:
    house.open("a", "b", limit=1)
    await house.settle()
    house.begin("a")
    await house.settle()
    house.fake.delete(FOOTAGE)
    await house.settle()
    assert house.words(key("a")) == ("Unknown", "Scanning")
    assert house.message(key("a")).endswith(
        ". Connector 'footage' is gone: the run goes on with the access it began with"
    )
    assert (house.words(key("b")), house.status(key("b")).get("queuePosition")) == (
        ("False", "ConnectorNotFound"),
        None,
    )
    house.catalog.set_run(house.run_id("a"), counters=RunCounters(total=3))
    await house.settle()
    assert house.told(key("a")).count(("Warning", "ConnectorDeleted")) == 1
    await house.complete("a")
    assert house.words(key("a"))[0] == "True"
    assert "is gone" not in house.message(key("a"))

    house.fake.apply(connector_manifest(maxConcurrentRuns=1))
    await house.settle()
    assert house.words(key("b")) == ("Unknown", "Pending")


async def test_a_run_that_needs_another_job_ends_without_its_connector(house: QueueHouse) -> None:
    house.open("a", limit=1)
    await house.settle()
    house.begin("a")
    house.fake.delete(FOOTAGE)
    house.fake.delete(house.job_key("a"))
    await house.settle()
    assert (house.status(key("a"))["phase"], house.words(key("a"))) == ("Failed", ("False", "ConnectorDeleted"))
    assert house.message(key("a")).startswith("its worker Job must be made again, but Connector 'footage' is gone")
    assert len(house.jobs_in_order()) == 1


async def test_a_connector_that_is_held_says_who_uses_it_and_lets_nobody_begin(house: QueueHouse) -> None:
    house.open("a", "b", limit=1)
    house.fake.edit(FOOTAGE, {"metadata": {"finalizers": ["other/one"]}})
    await house.settle()
    house.fake.delete(FOOTAGE)
    await house.settle()
    assert house.words(FOOTAGE) == ("Unknown", "ConnectorDeleted")
    assert "1 run uses it still and goes on to the end with the access that was given: a." in house.message(FOOTAGE)
    assert house.told(FOOTAGE)[-1] == ("Warning", "ConnectorDeleted")
    assert house.words(key("b")) == ("False", "ConnectorNotFound")
    await house.complete("a")
    assert house.message(FOOTAGE) == "being deleted; no run uses it any more"
    assert house.jobs_in_order() == ["a"]


async def test_queued_runs_go_on_in_their_order_with_a_connector_made_anew(house: QueueHouse) -> None:
    house.open("a", "b", "c", limit=1)
    await house.settle()
    await house.complete("a")
    house.fake.delete(FOOTAGE)
    house.fake.delete(house.job_key("b"))
    await house.settle()
    assert house.words(key("c")) == ("False", "ConnectorNotFound")
    house.fake.apply(connector_manifest(maxConcurrentRuns=1))
    await house.settle()
    assert house.words(key("c")) == ("Unknown", "Pending")


async def test_pods_that_wait_for_a_missing_secret_are_explained_and_go_on(house: QueueHouse) -> None:
    house.open("a")
    await house.settle()
    house.fake.edit_status(house.job_key("a"), {"active": 1})
    house.fake.delete(KEYS)
    result = await house.look(key("a"))
    assert house.words(key("a")) == ("Unknown", "WorkerNotStarting")
    assert house.message(key("a")) == (
        "no worker is running: Secret 'keys', which the pods need, is not there; create it again, and they start"
    )
    assert result.requeue_after == 3.0
    house.fake.apply(secret_manifest())
    await house.settle()
    assert house.words(key("a")) == ("Unknown", "Pending")


@pytest.mark.parametrize("missing", [FOOTAGE, FILMS])
async def test_an_import_may_be_a_little_ahead_of_what_it_names(house: QueueHouse, missing: ObjectKey) -> None:
    house.open("a")
    body = house.fake.find(missing)
    assert body is not None
    house.fake.delete(missing)
    created = (house.fake.find(key("a")) or {})["metadata"]["creationTimestamp"]
    house.clock.now = type(house.clock.now).fromisoformat(created)
    for found in (FOOTAGE, FILMS):
        await house.look(found)
    result = await house.look(key("a"))
    assert (house.words(key("a")), result.requeue_after) == (("Unknown", f"{missing.kind}NotFound"), 10.0)
    assert house.told(key("a")) == []

    house.clock.pass_seconds(10)
    await house.look(key("a"))
    assert house.words(key("a")) == ("False", f"{missing.kind}NotFound")
    assert house.told(key("a")) == [("Warning", f"{missing.kind}NotFound")]

"""Several imports of one Connector: which runs take up room, and which make room for the next."""

from __future__ import annotations

import pytest

from tests.support.samples import import_manifest, make_connector, make_import
from tests.unit.reconcilers.queue_house import FILMS, FOOTAGE, QueueHouse, key
from videovector_operator.core.importjob import build_run_spec
from videovector_operator.core.records import RunCounters, RunState
from videovector_operator.errors import ClusterError


@pytest.fixture
def house() -> QueueHouse:
    return QueueHouse()


async def test_a_deleted_job_makes_room_too(house: QueueHouse) -> None:
    house.open("a", "b", limit=1)
    await house.settle()
    house.finish("a")
    house.fake.delete(house.job_key("a"))
    await house.settle()
    assert house.reasons()["b"] == "Pending"


async def test_a_paused_run_keeps_its_room(house: QueueHouse) -> None:
    house.open("a", "b", limit=1)
    await house.settle()
    house.begin("a")
    house.annotate(key("a"), paused="true")
    await house.settle()
    assert house.reasons() == {"a": "Paused", "b": "Queued"}


async def test_runs_that_another_operator_has_admitted_count(house: QueueHouse) -> None:
    """The catalog knows of runs that this process has not looked at."""
    house.open("a", "b", limit=1)
    await house.settle()
    house.restart()
    await house.look(FOOTAGE)
    await house.look(key("b"))
    assert house.jobs_in_order() == ["a"]
    assert house.words(key("b")) == ("Unknown", "Queued")


async def test_a_failing_job_api_keeps_the_order(house: QueueHouse) -> None:
    house.open("a", "b", "c")
    for found in (FOOTAGE, FILMS):
        await house.look(found)
    house.fake.fail("create", ClusterError("quota exceeded", 403), kind="Job")
    await house.look(key("a"))
    assert house.words(key("a")) == ("False", "Forbidden")
    await house.settle()
    assert sorted(house.jobs_in_order()) == ["a", "b"], "admitted once, it has its room: nobody waits behind it"
    assert house.positions() == {"c": 1}


async def test_a_run_whose_job_is_refused_keeps_its_place_until_it_is_cancelled(house: QueueHouse) -> None:
    house.open("a", "b", limit=1)
    quota = 'jobs.batch "x" is forbidden: exceeded quota: few, requested: count/jobs.batch=1'
    house.fake.fail("create", ClusterError(quota, 403, "Forbidden"), kind="Job", times=None)
    await house.settle()
    assert house.reasons() == {"a": "Forbidden", "b": "Queued"}
    assert house.message(key("a")).startswith(f"{quota}. A quota or an admission policy of the namespace refuses it")
    house.clock.pass_seconds(3600)
    await house.settle()
    assert house.reasons() == {"a": "Forbidden", "b": "Queued"}

    house.fake.edit(key("a"), {"spec": {"cancel": True}})
    house.fake.heal()
    await house.settle()
    assert (house.reasons(), house.jobs_in_order()) == ({"a": "Cancelled", "b": "Pending"}, ["b"])


async def test_runs_of_imports_that_were_deleted_unseen_make_room(house: QueueHouse) -> None:
    house.open("a", limit=1)
    gone = build_run_spec(make_import(), make_connector())
    await house.catalog.admit_run(gone)
    await house.settle()
    assert house.reasons() == {"a": "Queued"}, "it may be about to show itself"
    house.clock.pass_seconds(61)
    await house.settle()
    assert house.reasons() == {"a": "Pending"}
    run = await house.catalog.observe_run(gone.run_id)
    assert run is not None
    assert (run.state, run.message) == (RunState.CANCELLED, "its ImportJob was deleted; what was imported stays")


def restore_catalog(house: QueueHouse, name: str) -> None:
    """Bring back a state in which the run was still at work."""
    house.catalog.set_run(house.run_id(name), state=RunState.IMPORTING, completed_at=None)


PHASES = {RunState.COMPLETED: "Completed", RunState.FAILED: "Failed", RunState.CANCELLED: "Cancelled"}


@pytest.mark.parametrize("state", PHASES)
async def test_runs_that_a_restored_catalog_has_open_again_make_room(house: QueueHouse, state: RunState) -> None:
    house.open("a", limit=1)
    await house.settle()
    house.finish("a")
    house.catalog.set_run(house.run_id("a"), state=state, reason="SourceUnusable", message="last words")
    house.end_job("a")
    await house.settle()
    ended = house.status(key("a"))
    assert ended["phase"] == PHASES[state]

    restore_catalog(house, "a")
    house.fake.apply(import_manifest("b"))
    await house.settle()
    assert house.reasons()["b"] == "Queued", "nobody knows yet whether its workers are there"
    house.clock.pass_seconds(61)
    await house.settle()
    assert house.reasons()["b"] == "Pending"
    run = await house.catalog.observe_run(house.run_id("a"))
    assert run is not None
    assert (run.state, run.reason) == (RunState.CANCELLED, "Cancelled")
    assert run.message.startswith(f"its ImportJob had ended as {PHASES[state]}, and the catalog had the run open again")
    assert house.status(key("a")) == ended

    house.annotate(key("a"), requestedAt="again")
    await house.settle()
    assert (house.status(key("a"))["phase"], house.reasons()["a"]) == (PHASES[state], ended["conditions"][0]["reason"])
    assert house.jobs_in_order() == ["a", "b"]


async def test_an_open_run_is_left_alone_while_a_worker_is_heard_of(house: QueueHouse) -> None:
    house.open("a", limit=1)
    await house.settle()
    await house.complete("a")
    restore_catalog(house, "a")
    house.fake.apply(import_manifest("b"))
    for _ in range(4):
        house.clock.pass_seconds(50)
        house.catalog.set_run(house.run_id("a"), counters=RunCounters(total=9, imported=1))
        await house.settle()
        assert house.reasons()["b"] == "Queued"


async def test_a_run_that_another_operator_has_just_admitted_is_left_alone(house: QueueHouse) -> None:
    """That one did not know yet that the run was cancelled before it began; this one has said so already."""
    house.open("a", "b", limit=1)
    house.annotate(key("b"), paused="true")
    house.fake.edit(key("a"), {"spec": {"cancel": True}})
    await house.settle()
    assert house.status(key("a"))["phase"] == "Cancelled"
    admitted = build_run_spec(make_import(name="a", meta={"uid": house.uid("a")}), make_connector())
    assert await house.catalog.admit_run(admitted)
    house.annotate(key("b"), paused=None)
    await house.settle()
    run = await house.catalog.observe_run(house.run_id("a"))
    assert run is not None
    assert (run.state, house.reasons()["b"]) == (RunState.PENDING, "Queued")
    house.clock.pass_seconds(61)
    await house.settle()
    assert house.reasons()["b"] == "Pending"


async def test_a_quiet_run_whose_import_has_not_ended_is_left_alone(house: QueueHouse) -> None:
    """Its pods may wait for a node for hours."""
    house.open("a", "b", limit=1)
    await house.settle()
    house.restart()
    house.clock.pass_seconds(3600)
    await house.look(FOOTAGE)
    await house.look(key("b"))
    await house.settle()
    assert house.reasons() == {"a": "Pending", "b": "Queued"}


@pytest.mark.parametrize("when", ["before", "in the middle"])
async def test_a_job_of_somebody_else_under_our_name_is_named_and_waited_for(house: QueueHouse, when: str) -> None:
    house.open("a", "b", limit=1)
    foreign = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": house.job_key("a").name, "namespace": "media"},
    }
    if when == "in the middle":
        await house.settle()
        house.fake.delete(house.job_key("a"))
    house.fake.apply(foreign)
    await house.settle()
    assert house.words(key("a")) == ("False", "WorkerNotStarting")
    assert f"delete it: kubectl -n media delete job {house.job_key('a').name}" in house.message(key("a"))
    assert (await house.look(key("a"))).requeue_after == 15.0
    assert house.reasons()["b"] == ("Pending" if when == "before" else "Queued"), "one that has begun keeps its room"
    house.fake.delete(house.job_key("a"))
    if when == "before":
        await house.complete("b")
    await house.settle()
    assert house.words(key("a")) == ("Unknown", "Pending")

"""Several imports of one Connector: their turns, and what becomes of them when it goes."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from tests.support.house import House, secret_manifest
from tests.support.samples import connector_manifest, import_manifest, index_manifest, make_connector, make_import
from videovector_operator.core import names
from videovector_operator.core.importjob import build_run_spec
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import RunCounters, RunState
from videovector_operator.errors import ClusterError

Json = dict[str, Any]
FOOTAGE = ObjectKey("Connector", "media", "footage")
FILMS = ObjectKey("Index", "media", "films")
KEYS = ObjectKey("Secret", "media", "keys")


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


def key(name: str) -> ObjectKey:
    return ObjectKey("ImportJob", "media", name)


class QueueHouse(House):
    """A House with a Connector that allows two runs, and what happens to runs and their Jobs."""

    def open(self, *imports: str, limit: int | None = 2, **meta: Any) -> None:
        more: Json = {} if limit is None else {"maxConcurrentRuns": limit}
        for manifest in (secret_manifest(), connector_manifest(**more), index_manifest()):
            self.fake.apply(manifest)
        for name in imports:
            self.fake.apply(import_manifest(name, meta=meta))

    def uid(self, name: str) -> str:
        return str((self.fake.find(key(name)) or {})["metadata"]["uid"])

    def job_key(self, name: str) -> ObjectKey:
        return ObjectKey("Job", "media", names.import_job_name(self.uid(name), 1))

    def run_id(self, name: str) -> str:
        return names.import_run_id(self.uid(name))

    def begin(self, name: str) -> None:
        """A worker runs."""
        self.fake.edit_status(self.job_key(name), {"active": 1, "ready": 1})
        self.catalog.start(self.run_id(name))

    def finish(self, name: str) -> None:
        """The run has ended, its pod not yet."""
        self.catalog.start(self.run_id(name))
        self.catalog.set_run(self.run_id(name), state=RunState.IMPORTING, scan_done=True, counters=RunCounters())
        self.catalog.finish(self.run_id(name))

    def end_job(self, name: str) -> None:
        complete = {"type": "Complete", "status": "True"}
        self.fake.edit_status(self.job_key(name), {"active": None, "ready": None, "conditions": [complete]})

    async def complete(self, name: str) -> None:
        self.finish(name)
        self.end_job(name)
        await self.settle()

    def limit(self, limit: int | None) -> None:
        self.fake.edit(FOOTAGE, {"spec": {"maxConcurrentRuns": limit}})

    def reasons(self) -> dict[str, str]:
        return {body["metadata"]["name"]: self.words(key(body["metadata"]["name"]))[1] for body in self.imports()}

    def imports(self) -> list[Json]:
        return self.fake.find_all("ImportJob")

    def positions(self) -> dict[str, int]:
        found = {body["metadata"]["name"]: body["status"].get("queuePosition") for body in self.imports()}
        return {name: position for name, position in found.items() if position is not None}

    def jobs_in_order(self) -> list[str]:
        """Names of the imports in the order in which their Jobs were made."""
        owners = [
            write.body["metadata"]["ownerReferences"][0]["name"]
            for write in self.writes_of("Job")
            if write.verb == "create"
        ]
        return [str(owner) for owner in owners]

    def unfinished(self) -> int:
        return sum(not (job.get("status") or {}).get("conditions") for job in self.fake.find_all("Job"))

    def told(self, about: ObjectKey) -> list[tuple[str, str]]:
        return [(notice.type, notice.reason.value) for found, notice in self.notices if found == about]


@pytest.fixture
def house() -> QueueHouse:
    return QueueHouse()


async def test_no_more_than_allowed_run_and_the_others_know_their_place(house: QueueHouse) -> None:
    house.open("a", "b", "c", "d", "e")
    await house.settle()
    assert house.reasons() == {"a": "Pending", "b": "Pending", "c": "Queued", "d": "Queued", "e": "Queued"}
    assert house.positions() == {"c": 1, "d": 2, "e": 3}
    assert house.jobs_in_order() == ["a", "b"]
    assert (house.words(key("c"))[0], house.status(key("c"))["phase"]) == ("Unknown", "Pending")
    assert house.message(key("e")).startswith("3rd in the queue of Connector 'footage' (maxConcurrentRuns 2): ")
    assert house.told(key("e"))[-1] == ("Normal", "Queued")


async def test_the_next_begins_when_a_run_and_its_job_have_ended(house: QueueHouse) -> None:
    house.open("a", "b", "c", "d")
    await house.settle()
    house.finish("b")
    await house.settle()
    assert (house.reasons()["b"], house.reasons()["c"]) == ("NoMatchingFiles", "Queued"), "its pod may still be there"
    house.end_job("b")
    await house.settle()
    assert (house.reasons()["c"], house.positions()) == ("Pending", {"d": 1})


async def test_a_deleted_job_makes_room_too(house: QueueHouse) -> None:
    house.open("a", "b", limit=1)
    await house.settle()
    house.finish("a")
    house.fake.delete(house.job_key("a"))
    await house.settle()
    assert house.reasons()["b"] == "Pending"


async def test_all_begin_in_the_order_in_which_they_came(house: QueueHouse) -> None:
    imports = ["m", "c", "x", "a", "k", "b"]
    house.open(*imports)
    await house.settle()
    for name in imports:
        await house.complete(name)
    assert house.jobs_in_order() == imports
    assert set(house.reasons().values()) == {"NoMatchingFiles"}


async def test_without_a_limit_nobody_waits(house: QueueHouse) -> None:
    house.open("a", "b", "c", limit=None)
    await house.settle()
    assert len(house.jobs_in_order()) == 3


async def test_another_limit_works_at_once(house: QueueHouse) -> None:
    house.open("a", "b", "c", "d", "e", "f")
    await house.settle()
    house.limit(3)
    await house.settle()
    assert house.jobs_in_order() == ["a", "b", "c"]
    assert "maxConcurrentRuns 3" in house.message(key("d"))
    house.limit(1)
    await house.settle()
    await house.complete("a")
    assert house.positions() == {"d": 1, "e": 2, "f": 3}, "two are more than one"
    house.limit(None)
    await house.settle()
    assert house.jobs_in_order() == ["a", "b", "c", "d", "e", "f"]


OBSTACLES = {
    "it is paused": lambda h: h.annotate(key("b"), paused="true"),
    "it is cancelled": lambda h: h.fake.edit(key("b"), {"spec": {"cancel": True}}),
    "it is deleted": lambda h: h.fake.delete(key("b")),
    "it is going, and somebody holds it": lambda h: (
        h.fake.edit(key("b"), {"metadata": {"finalizers": ["other/one"]}}),
        h.fake.delete(key("b")),
    ),
}


@pytest.mark.parametrize("name", OBSTACLES)
async def test_the_queue_goes_past_one_when(house: QueueHouse, name: str) -> None:
    house.open("a", "b", "c", limit=1)
    await house.settle()
    assert house.positions() == {"b": 1, "c": 2}
    OBSTACLES[name](house)
    await house.settle()
    assert house.positions()["c"] == 1
    await house.complete("a")
    assert house.jobs_in_order() == ["a", "c"]


STALLED: dict[str, Json] = {
    "its Index is not there": {"indexRef": {"name": "nowhere"}},
    "its pattern cannot be read": {"filePattern": "{a,b}" * 30},
}


@pytest.mark.parametrize("name", STALLED)
async def test_one_that_cannot_begin_holds_up_nobody(house: QueueHouse, name: str) -> None:
    house.open()
    house.limit(1)
    house.fake.apply(import_manifest("broken", **STALLED[name]))
    house.fake.apply(import_manifest("fine"))
    await house.settle()
    assert (house.jobs_in_order(), house.words(key("broken"))[0]) == (["fine"], "False")


async def test_one_that_goes_on_takes_the_place_of_its_age(house: QueueHouse) -> None:
    house.open("a", "b", "c", limit=1)
    house.annotate(key("b"), paused="true")
    await house.settle()
    assert house.positions() == {"c": 1}
    house.annotate(key("b"), paused=None)
    await house.settle()
    assert house.positions() == {"b": 1, "c": 2}


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


async def test_a_limit_of_many_runs_is_filled_by_one_look_each(house: QueueHouse) -> None:
    house.open(*(f"run-{number:02}" for number in range(20)), limit=10)
    await house.settle(rounds=12)
    assert house.jobs_in_order() == [f"run-{number:02}" for number in range(10)]


async def test_who_is_known_to_wait_costs_no_question_to_catalog_or_api(house: QueueHouse) -> None:
    house.open("a", "b", "c", limit=1)
    await house.settle()
    house.catalog.outage = "no database"
    calls = len(house.fake.calls)
    assert (await house.look(key("c"))).label == "ok"
    assert len(house.fake.calls) == calls
    assert (await house.look(key("b"))).label == "retry", "the first asks"


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


async def test_a_connector_shows_who_uses_it(house: QueueHouse) -> None:
    house.open("a", "b", "c", "d", "e")
    await house.settle()
    status = house.status(FOOTAGE)
    assert (status["activeRuns"], status["queuedRuns"]) == (2, 3)
    assert house.words(FOOTAGE) == ("True", "ConnectionTested")
    assert len(house.storages) == 1, "a count is no reason for a test"


# When the Connector goes.


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
        "no worker is running: Secret 'keys', which the pods mount, is not there; create it again, and they start"
    )
    assert result.requeue_after == 3.0
    house.fake.apply(secret_manifest())
    await house.settle()
    assert house.words(key("a")) == ("Unknown", "Pending")


# What is not ours, and what is ahead.


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


# Deaths.


class Killed(BaseException):
    """The process is gone: nothing catches it."""


async def live(house: QueueHouse) -> list[str]:
    """Four imports, one at a time, whatever happens on the way; the order in which their Jobs were made."""
    imports = ["d", "a", "c", "b"]
    house.open(*imports, limit=1)
    most = 0
    for _ in range(60):
        for found in (FOOTAGE, FILMS, *(key(name) for name in ("a", "b", "c", "d"))):
            try:
                await house.look(found)
            except Killed:
                house.restart()
            most = max(most, house.unfinished())
        for job in house.fake.find_all("Job"):
            name = job["metadata"]["ownerReferences"][0]["name"]
            if not job["spec"]["suspend"] and not (job.get("status") or {}).get("conditions"):
                house.finish(name)
                house.end_job(name)
        if all((body.get("status") or {}).get("phase") == "Completed" for body in house.imports()):
            break
    assert most == 1
    assert set(house.reasons().values()) == {"NoMatchingFiles"}
    return house.jobs_in_order()


async def test_the_order_and_the_limit_outlive_a_death_after_any_write(house: QueueHouse) -> None:
    imports = await live(house)
    writes = len(house.fake.writes)
    assert imports == ["d", "a", "c", "b"]
    assert writes > 20
    for number in range(1, writes + 1):
        other = QueueHouse()

        def strike(_: object, house: QueueHouse = other, number: int = number) -> None:
            if len(house.fake.writes) == number:
                raise Killed

        other.fake.after_write = strike
        assert await live(other) == imports, f"died after write {number}"

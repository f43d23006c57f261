from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from tests.support.kstatus import check_status, check_step
from tests.support.samples import FrozenClock, import_manifest, index_manifest
from tests.support.watching import watch
from videovector_operator.api.v1alpha1.index import IndexStatus
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.control.process import Processor, Result
from videovector_operator.core import conditions
from videovector_operator.core.conditions import Verdict
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.notices import Notice
from videovector_operator.errors import (
    CatalogUnavailable,
    ClusterError,
    Conflict,
    Stalled,
    Throttled,
    Unavailable,
    Waiting,
)
from videovector_operator.reconcilers.outcome import Outcome

Json = dict[str, Any]
FILMS = ObjectKey("Index", "media", "films")
FIRST = ObjectKey("ImportJob", "media", "first")
Reconcile = Callable[[Any], Awaitable[Outcome]]


class World:
    """A processor over a fake cluster, with a reconciler that a test scripts."""

    def __init__(self) -> None:
        self.fake = FakeCluster()
        self.cache = watch(self.fake)
        self.clock = FrozenClock()
        self.recorded: list[tuple[ObjectKey, Notice]] = []
        self.seen: list[Any] = []
        self.script: list[Outcome | Exception | Reconcile] = []
        self.processor = Processor(
            cluster=self.cache,
            reconcilers={"Index": self._reconcile, "ImportJob": self._reconcile},
            record=lambda key, _, notice: self.recorded.append((key, notice)),
            clock=self.clock,
            random_unit=lambda: 0.5,
        )
        self.fake.apply(index_manifest())

    async def _reconcile(self, resource: Any) -> Outcome:
        self.seen.append(resource)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, Outcome) else await step(resource)

    async def look(self, *script: Outcome | Exception | Reconcile, key: ObjectKey = FILMS) -> Result:
        if script:
            self.script = list(script)
        before = self.fake.find(key)
        result = await self.processor.process(key)
        after = self.fake.find(key)
        if after is not None:
            assert check_status(after, end_of_pass=True) == []
            assert check_step(before, after) == []
        return result

    def status(self, key: ObjectKey = FILMS) -> Json:
        found = self.fake.find(key)
        assert found is not None
        status: Json = found["status"]
        return status

    def ready(self, key: ObjectKey = FILMS) -> tuple[str, str, str]:
        condition = next(c for c in self.status(key)["conditions"] if c["type"] == "Ready")
        return condition["status"], condition["reason"], condition["message"]


@pytest.fixture
def world() -> World:
    return World()


def outcome(verdict: Verdict, **more: Any) -> Outcome:
    built = conditions.build_conditions(verdict, previous=(), generation=1, now=FrozenClock().now)
    seen = conditions.observed_generation(verdict, previous=-1, generation=1)
    return Outcome(IndexStatus(observed_generation=seen, conditions=built), **more)


READY = outcome(conditions.ready(Reason.INDEX_READY, "3 media"))


async def test_a_good_look_publishes_and_comes_back_when_asked(world: World) -> None:
    assert await world.look(Outcome(READY.status, requeue_after=30.0)) == Result("ok", 30.0, wrote=True)
    assert world.ready() == ("True", "IndexReady", "3 media")
    assert await world.look() == Result("ok", 30.0, wrote=False)
    assert len(world.fake.writes) == 1


async def test_an_object_that_is_gone_is_not_reconciled(world: World) -> None:
    world.fake.delete(FILMS)
    assert await world.look(READY) == Result("gone")
    assert world.seen == []


async def test_an_object_that_goes_away_gets_no_status(world: World) -> None:
    assert await world.look(Outcome(None)) == Result("ok", None, wrote=False)
    assert world.fake.writes == []


async def test_notices_of_the_reconciler_and_of_the_change_are_recorded_once(world: World) -> None:
    done = Notice("Normal", Reason.JOB_CREATED, "created")
    denied = outcome(conditions.stalled(Reason.ACCESS_DENIED, "denied"))
    await world.look(Outcome(denied.status, notices=(done,)))
    await world.look(denied)
    assert [(key, n.type, n.reason) for key, n in world.recorded] == [
        (FILMS, "Normal", "JobCreated"),
        (FILMS, "Warning", "AccessDenied"),
    ]


FAILURES: dict[str, tuple[Exception, Result, tuple[str, str]]] = {
    "what only the user can fix waits for the user": (
        Stalled(Reason.SECRET_NOT_FOUND, "no Secret"),
        Result("stalled", None, wrote=True),
        ("False", "SecretNotFound"),
    ),
    "a dependency that is not there is looked for again": (
        Waiting(Reason.CONNECTOR_NOT_READY, "soon", 12.0),
        Result("retry", 12.0, wrote=True),
        ("Unknown", "ConnectorNotReady"),
    ),
    "what may pass is tried again": (
        CatalogUnavailable("no database"),
        Result("retry", 1.0, wrote=True),
        ("False", "CatalogUnavailable"),
    ),
    "a provider that says when is obeyed": (
        Throttled("slow", retry_after=40.0),
        Result("retry", 40.0, wrote=True),
        ("False", "StorageThrottled"),
    ),
    "a bug is tried again": (
        KeyError("dsn=secret"),
        Result("retry", 1.0, wrote=True),
        ("False", "InternalError"),
    ),
    "a time-out of the reconciler's own is no time-out of the pass": (
        TimeoutError("secret"),
        Result("retry", 1.0, wrote=True),
        ("False", "InternalError"),
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_errors_become_statuses(world: World, name: str) -> None:
    error, result, words = FAILURES[name]
    assert await world.look(error) == result
    assert world.ready()[:2] == words


async def test_the_text_of_a_bug_is_in_the_log_alone(world: World) -> None:
    with capture_logs() as logs:
        await world.look(RuntimeError("password=hunter2"))
    assert "hunter2" not in str(world.status())
    assert "hunter2" not in str(world.recorded)
    assert [(log["event"], log["log_level"]) for log in logs] == [("reconcile failed", "error")]


async def test_failures_in_a_row_wait_longer_and_a_good_look_ends_the_row(world: World) -> None:
    waits = [(await world.look(Unavailable("down"))).requeue_after for _ in range(4)]
    assert waits == [1.0, 2.0, 4.0, 8.0]
    await world.look(READY)
    assert (await world.look(Unavailable("down"))).requeue_after == 1.0


async def test_the_same_failure_again_writes_nothing(world: World) -> None:
    assert (await world.look(Unavailable("down"))).wrote
    world.clock.pass_seconds(60)
    assert not (await world.look(Unavailable("down"))).wrote


async def test_a_failed_look_keeps_what_was_known(world: World) -> None:
    known = IndexStatus(id="idx_x", display_name="Films", size_bytes=7)
    assert READY.status is not None
    await world.look(
        Outcome(known.model_copy(update={"conditions": READY.status.conditions, "observed_generation": 1}))
    )
    await world.look(CatalogUnavailable("down"))
    assert (world.status()["id"], world.status()["sizeBytes"], world.ready()[1]) == ("idx_x", 7, "CatalogUnavailable")


async def test_a_failed_look_says_no_less_of_a_runs_success(world: World) -> None:
    world.fake.apply(import_manifest())
    await world.look(outcome(conditions.progressing(Reason.SCANNING, "scanning", "Unknown")), key=FIRST)
    await world.look(CatalogUnavailable("down"), key=FIRST)
    found = {c["type"]: c["status"] for c in world.status(FIRST)["conditions"]}
    assert found == {"Ready": "False", "Reconciling": "True", "Succeeded": "Unknown"}


def overtaken(world: World) -> Reconcile:
    """A reconciler during which somebody else changes the object, unseen by our watch."""

    async def reconcile(_: Any) -> Outcome:
        hear, world.fake.on_change = world.fake.on_change, []
        count = len(world.seen)
        world.fake.edit(FILMS, {"metadata": {"annotations": {"change": str(count)}}})
        world.fake.on_change = hear
        return READY

    return reconcile


async def test_a_conflict_reads_the_present_object_and_looks_again_at_once(world: World) -> None:
    assert await world.look(overtaken(world)) == Result("conflict", 0.0)
    assert world.fake.writes == []
    await world.look(READY)
    assert world.seen[-1].metadata.annotations == {"change": "1"}


async def test_conflicts_in_a_row_wait(world: World) -> None:
    waits = [(await world.look(overtaken(world))).requeue_after for _ in range(4)]
    assert waits == [0.0, 2.0, 4.0, 8.0]


async def test_a_conflict_in_the_reconciler_is_one_too_even_if_the_api_is_down_then(world: World) -> None:
    world.fake.fail("get", ClusterError("down"))
    assert await world.look(Conflict("changed", 409)) == Result("conflict", 0.0)
    assert "conditions" not in world.status()


async def test_a_status_that_cannot_be_written_is_tried_again(world: World) -> None:
    world.fake.fail("patch_status", ClusterError("down"), times=2)
    assert await world.look(READY) == Result("error", 1.0)
    assert await world.look(READY) == Result("error", 2.0)
    assert (await world.look(READY)).wrote


async def test_an_api_that_does_not_answer_is_no_end(world: World) -> None:
    world.cache.forget(FILMS)
    world.fake.fail("get", ClusterError("down"))
    assert await world.look(READY) == Result("error", 1.0)


async def test_a_bug_outside_of_the_reconciler_is_no_end_either(world: World) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("recorder is broken")

    world.processor.record = broken
    denied = outcome(conditions.stalled(Reason.ACCESS_DENIED, "denied"))
    with capture_logs() as logs:
        assert await world.look(denied) == Result("error", 1.0)
    assert logs[0]["event"] == "pass failed"


def let_in(world: World, spec: Json) -> None:
    """An object that an older CRD let in."""
    world.fake.edit(FILMS, {"spec": spec})


async def test_an_object_that_makes_no_sense_is_stalled_with_the_field_named(world: World) -> None:
    let_in(world, {"deletionPolicy": "Burn"})
    assert await world.look(READY) == Result("invalid", None, wrote=True)
    status, reason, message = world.ready()
    assert (status, reason) == ("False", "InvalidSpec")
    assert message.startswith("spec.deletionPolicy: ")
    assert "upgrade the CRDs" in message
    assert world.seen == []


async def test_looking_at_nonsense_again_writes_nothing(world: World) -> None:
    let_in(world, {"deletionPolicy": "Burn"})
    await world.look(READY)
    world.clock.pass_seconds(600)
    assert await world.look(READY) == Result("invalid", None, wrote=False)


async def test_a_status_that_makes_no_sense_is_replaced(world: World) -> None:
    let_in(world, {"deletionPolicy": "Burn"})
    world.fake.edit_status(FILMS, {"conditions": [{"type": 1}]})
    await world.processor.process(FILMS)
    assert world.ready()[1] == "InvalidSpec"


async def test_an_object_that_was_corrected_is_reconciled(world: World) -> None:
    let_in(world, {"deletionPolicy": "Burn"})
    await world.look(READY)
    let_in(world, {"deletionPolicy": "Retain"})

    async def ready(resource: Any) -> Outcome:
        verdict = conditions.ready(Reason.INDEX_READY, "fine")
        built = conditions.build_conditions(
            verdict, previous=resource.status.conditions, generation=3, now=world.clock()
        )
        return Outcome(IndexStatus(observed_generation=3, conditions=built))

    assert (await world.look(ready)).label == "ok"


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()

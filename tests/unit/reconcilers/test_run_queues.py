from __future__ import annotations

import random
from typing import Any

import pytest

from tests.support.samples import as_seen, import_manifest, make_connector, ready_status
from videovector_operator.core import names
from videovector_operator.core.connector_use import ConnectorUse
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.turns import Place
from videovector_operator.reconcilers.run_entries import Stand
from videovector_operator.reconcilers.run_queues import RunQueues

Json = dict[str, Any]
PAUSED = {"annotations": {"videovector.io/paused": "true"}}
FOOTAGE = ObjectKey("Connector", "media", "footage")
RUNNING: Json = {"phase": "Importing", "startedAt": "2026-05-01T00:00:00Z", "jobName": "j"}


def key(name: str) -> ObjectKey:
    return ObjectKey("ImportJob", "media", name)


def import_body(
    name: str, second: int = 0, *, status: Json | None = None, meta: Json | None = None, **spec: Any
) -> Json:
    created = f"2026-05-01T00:00:{second:02}Z"
    return as_seen(import_manifest(name, meta=meta, **spec), status=status, creationTimestamp=created)


def run_of(name: str) -> str:
    return names.import_run_id(f"uid-of-{name}")


def job_body(name: str, *, connector: str = "footage", over: bool = False) -> Json:
    meta = {
        "name": f"job-{name}",
        "namespace": "media",
        "annotations": {names.CONNECTOR_NAME: connector},
        "labels": {names.RUN_LABEL: run_of(name)},
    }
    conditions = [{"type": "Complete", "status": "True" if over else "False"}]
    return {"metadata": meta, "status": {"conditions": conditions}}


class Desk:
    """Queues, and what they ask for."""

    def __init__(self) -> None:
        self.queues = RunQueues()
        self.looks: list[str] = []
        self.recounts: list[str] = []
        self.queues.look_at = lambda found: self.looks.append(found.name)
        self.queues.recount = lambda found: self.recounts.append(found.name)

    def apply(self, name: str, second: int = 0, **more: Any) -> None:
        self.queues.hear(key(name), import_body(name, second, **more))

    def job(self, name: str, **more: Any) -> None:
        self.queues.hear(ObjectKey("Job", "media", f"job-{name}"), job_body(name, **more))

    def settle(self, name: str, stand: Stand | None) -> None:
        self.queues.settle(key(name), stand)

    def line(self, *names_: str) -> None:
        """Imports in line, all looked at."""
        for number, name in enumerate(names_):
            self.apply(name, number)
        for name in names_:
            self.settle(name, Stand.QUEUED)
        self.take()

    def position(self, name: str) -> int:
        return self.queues.place_of(key(name)).position

    def take(self) -> list[str]:
        """Those that are to be looked at since this was asked last."""
        looks, self.looks = list(dict.fromkeys(self.looks)), []
        return looks

    def use(self) -> ConnectorUse:
        return self.queues.use_of(make_connector())


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_first_come_first_served(desk: Desk) -> None:
    for name, second in (("c", 3), ("a", 9), ("b", 3), ("d", 1)):
        desk.apply(name, second)
    assert [desk.position(name) for name in ("d", "b", "c", "a")] == [1, 2, 3, 4]


def test_each_connector_has_a_queue_of_its_own(desk: Desk) -> None:
    desk.apply("a")
    desk.apply("b", 1, connectorRef={"name": "archive"})
    elsewhere = import_body("c", 2)
    elsewhere["metadata"]["namespace"] = "other"
    desk.queues.hear(ObjectKey("ImportJob", "other", "c"), elsewhere)
    assert [desk.position("b"), desk.queues.place_of(ObjectKey("ImportJob", "other", "c")).position] == [1, 1]


def test_nobody_begins_before_those_ahead_have_been_looked_at(desk: Desk) -> None:
    desk.apply("running", 0, status={**ready_status(status="Unknown", reason="Importing"), **RUNNING})
    desk.apply("a", 1)
    desk.apply("b", 2)
    assert desk.queues.place_of(key("a")) == Place(1, is_certain=False)
    desk.settle("a", Stand.QUEUED)
    desk.queues.hurry(key("a"))
    assert desk.take() == ["running"]
    desk.settle("running", Stand.RUNNING)
    assert desk.take() == ["a"], "it is known now that nobody goes before it"
    assert desk.queues.place_of(key("a")) == Place(1)
    assert desk.queues.place_of(key("b")) == Place(2)
    desk.queues.hurry(key("a"))
    assert desk.take() == []


PRESUMED: dict[str, tuple[Json, Stand]] = {
    "it is new": ({}, Stand.WAITING),
    "it was queued": (ready_status(status="Unknown", reason="Queued"), Stand.QUEUED),
    "it has begun": ({**ready_status(status="Unknown", reason="Importing"), **RUNNING}, Stand.RUNNING),
    "it has a Job": ({**ready_status(status="Unknown", reason="Pending"), "jobName": "j"}, Stand.RUNNING),
    "it was paused in the middle": (
        {**ready_status(), "phase": "Paused", "startedAt": "2026-05-01T00:00:00Z"},
        Stand.RUNNING,
    ),
    "its Index was missing": (ready_status(status="False", reason="IndexNotFound"), Stand.ASIDE),
}


@pytest.mark.parametrize("name", PRESUMED)
def test_after_a_leader_change_positions_are_as_the_statuses_say(desk: Desk, name: str) -> None:
    status, stand = PRESUMED[name]
    desk.apply("it", 0, status=status)
    desk.apply("next", 1)
    assert desk.position("next") == (2 if stand.is_in_line else 1)
    assert desk.use().active == (stand is Stand.RUNNING)
    assert desk.use().queued == (stand is Stand.QUEUED)
    assert desk.queues.place_of(key("next")).is_certain is False


@pytest.mark.parametrize(
    "wish", [{"meta": PAUSED}, {"cancel": True}, {"meta": {"deletionTimestamp": "2026-05-01T00:00:00Z"}}]
)
def test_one_that_wants_to_wait_holds_up_nobody(desk: Desk, wish: Json) -> None:
    desk.line("a", "b")
    desk.apply("a", 0, **wish)
    assert desk.take() == ["b"]
    assert desk.queues.place_of(key("b")) == Place(1)
    desk.settle("a", Stand.WAITING)
    assert desk.position("b") == 1, "a look may find another reason first; it wants to wait all the same"


def test_one_that_does_not_want_to_wait_any_more_has_its_place_again(desk: Desk) -> None:
    desk.line("a", "b")
    desk.apply("a", 0, meta=PAUSED)
    desk.apply("a", 0)
    assert desk.queues.place_of(key("b")).is_certain is False
    desk.settle("a", Stand.QUEUED)
    assert desk.queues.place_of(key("b")) == Place(2)


def test_a_running_one_that_is_paused_or_cancelled_still_runs(desk: Desk) -> None:
    desk.apply("a")
    desk.settle("a", Stand.RUNNING)
    desk.apply("a", 0, meta=PAUSED)
    assert desk.use() == ConnectorUse(1, 0, ("a",))


def test_when_the_first_begins_the_next_ten_learn_it(desk: Desk) -> None:
    line = [f"run-{number:02}" for number in range(30)]
    desk.line(*line)
    desk.settle("run-00", Stand.RUNNING)
    assert desk.take() == line[1:11]
    assert [found.name for found in desk.queues.moved()] == line[11:], "the others a little later"
    assert list(desk.queues.moved()) == []


def test_only_who_was_found_to_wait_behind_others_is_known_to(desk: Desk) -> None:
    desk.line("a", "b")
    assert [desk.queues.waits_behind(key(name)) for name in ("a", "b", "nobody")] == [False, True, False]
    desk.settle("b", Stand.WAITING)
    assert not desk.queues.waits_behind(key("b"))
    desk.apply("c", 5, status=ready_status(status="Unknown", reason="Queued"))
    assert not desk.queues.waits_behind(key("c")), "this process has not looked at it"


def test_those_behind_the_first_ten_are_far(desk: Desk) -> None:
    line = [f"run-{number:02}" for number in range(12)]
    desk.line(*line)
    assert [name for name in line if desk.queues.is_far(key(name))] == line[10:]
    desk.settle("run-11", Stand.WAITING)
    assert not desk.queues.is_far(key("run-11"))


def test_when_a_job_is_over_the_first_is_looked_at(desk: Desk) -> None:
    desk.line("a", "b")
    desk.job("old")
    assert desk.queues.unfinished_runs(key("a")) == {run_of("old")}
    assert desk.take() == []
    desk.job("old", over=True)
    assert desk.take() == ["a"]
    assert desk.queues.unfinished_runs(key("a")) == frozenset()


def test_when_a_job_is_deleted_the_first_is_looked_at(desk: Desk) -> None:
    desk.line("a", "b")
    desk.job("old")
    desk.queues.hear(ObjectKey("Job", "media", "job-old"), None)
    assert desk.take() == ["a"]


@pytest.mark.parametrize("how", ["ended", "published", "deleted", "lost"])
def test_when_a_run_ends_the_first_is_looked_at(desk: Desk, how: str) -> None:
    desk.line("a", "b")
    desk.settle("a", Stand.RUNNING)
    desk.take()
    if how == "ended":
        desk.settle("a", None)
    elif how == "lost":
        desk.settle("a", Stand.ASIDE)
    elif how == "published":
        desk.apply("a", 0, status={"phase": "Completed"})
    else:
        desk.queues.hear(key("a"), None)
    assert desk.take() == ["b"]
    assert desk.use() == ConnectorUse(0, 1)


def test_the_own_job_takes_up_no_room_of_its_own(desk: Desk) -> None:
    desk.apply("a")
    desk.job("a")
    assert desk.queues.unfinished_runs(key("a")) == frozenset()


def test_jobs_that_are_not_known_to_be_of_a_connector_are_nobodys(desk: Desk) -> None:
    desk.apply("a")
    body = job_body("old")
    del body["metadata"]["annotations"]
    desk.queues.hear(ObjectKey("Job", "media", "job-old"), body)
    assert desk.queues.unfinished_runs(key("a")) == frozenset()


def test_a_run_and_its_job_count_once(desk: Desk) -> None:
    desk.apply("a")
    desk.settle("a", Stand.RUNNING)
    desk.job("a")
    assert desk.use() == ConnectorUse(1, 0, ("a",))
    desk.settle("a", None)
    assert desk.use() == ConnectorUse(1, 0), "its workers are still there"
    desk.job("a", over=True)
    assert desk.use() == ConnectorUse()


def test_counts_are_told_when_they_change_and_only_then(desk: Desk) -> None:
    desk.apply("a")
    assert desk.recounts == []
    desk.settle("a", Stand.QUEUED)
    desk.settle("a", Stand.QUEUED)
    assert desk.recounts == ["footage"]
    desk.settle("a", Stand.RUNNING)
    desk.job("a")
    assert desk.recounts == ["footage"] * 2
    desk.queues.hear(key("a"), None)
    assert desk.recounts == ["footage"] * 3, (
        "nobody is at work, although the Job is not over: a Connector that goes says so"
    )
    desk.queues.hear(ObjectKey("Job", "media", "job-a"), None)
    assert desk.recounts == ["footage"] * 4


def test_its_index_has_come_so_it_is_asked_before_others_begin(desk: Desk) -> None:
    desk.line("a", "b")
    desk.settle("a", Stand.ASIDE)
    assert desk.queues.place_of(key("b")) == Place(1)
    desk.queues.question(key("a"))
    assert desk.queues.place_of(key("b")) == Place(1, is_certain=False)
    desk.settle("a", Stand.QUEUED)
    assert desk.queues.place_of(key("b")) == Place(2)


def test_one_that_is_made_anew_stands_where_the_new_one_came(desk: Desk) -> None:
    desk.line("a", "b")
    again = import_body("a", 30)
    again["metadata"]["uid"] = "another"
    desk.queues.hear(key("a"), again)
    assert (desk.position("b"), desk.position("a")) == (1, 2)


def test_one_that_nobody_can_read_waits_for_nothing(desk: Desk) -> None:
    broken = import_body("a")
    broken["spec"]["connectorRef"] = "footage"
    desk.queues.hear(key("a"), broken)
    desk.apply("b", 1)
    assert desk.position("b") == 1
    assert desk.queues.place_of(key("a")) == Place()


def test_open_imports_come_first_in_their_order(desk: Desk) -> None:
    desk.apply("late", 9)
    desk.apply("early", 1)
    found = sorted([key("ended"), key("late"), key("early")], key=desk.queues.sort_key)
    assert [item.name for item in found] == ["early", "late", "ended"]


def test_it_is_known_whose_run_it_is(desk: Desk) -> None:
    desk.apply("a")
    assert desk.queues.knows(key("a"), run_of("a"))
    assert not desk.queues.knows(key("a"), run_of("b"))
    assert not desk.queues.knows(key("b"), run_of("b"))


def test_nothing_is_kept_of_what_is_gone(desk: Desk) -> None:
    for number in range(20):
        desk.apply(f"run-{number}", number)
        desk.job(f"run-{number}")
        desk.settle(f"run-{number}", [Stand.QUEUED, Stand.RUNNING, Stand.ASIDE, None][number % 4])
    for number in range(20):
        desk.queues.hear(key(f"run-{number}"), None)
        desk.queues.hear(ObjectKey("Job", "media", f"job-run-{number}"), None)
    queues = desk.queues
    assert (queues._entries, queues._queues, queues._jobs) == ({}, {}, {})


STATUSES: tuple[Json | None, ...] = (
    None,
    ready_status(status="Unknown", reason="Queued"),
    ready_status(status="False", reason="IndexNotFound"),
    {**ready_status(status="Unknown", reason="Importing"), **RUNNING},
    {"phase": "Completed"},
)
WISHES: tuple[Json, ...] = (
    {},
    {},
    {"meta": PAUSED},
    {"cancel": True},
    {"meta": {"deletionTimestamp": "2026-05-01T00:00:00Z"}},
)


def random_import(chance: random.Random, name: str) -> Json:
    """Any state of an import of that name, which may be another object than the last one."""
    body = import_body(name, chance.randrange(2), status=chance.choice(STATUSES), **chance.choice(WISHES))
    body["metadata"]["uid"] = f"{chance.choice('ab')}-{name}"
    return body


def happen(desk: Desk, chance: random.Random) -> None:
    name = f"run-{chance.randrange(6)}"
    job = ObjectKey("Job", "media", f"job-{name}")
    bodies = (None, job_body(name), job_body(name, over=True), job_body(name, connector="archive"))
    events = (
        lambda: desk.queues.hear(key(name), random_import(chance, name)),
        lambda: desk.queues.hear(key(name), random_import(chance, name)),
        lambda: desk.queues.hear(key(name), None),
        lambda: desk.queues.hear(job, chance.choice(bodies)),
        lambda: desk.settle(name, chance.choice([*Stand, None])),
        lambda: desk.settle(name, chance.choice([*Stand])),
        lambda: desk.queues.question(key(name)),
        lambda: desk.queues.hurry(key(name)),
        lambda: list(desk.queues.moved()),
    )
    chance.choice(events)()


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_the_queues_are_what_a_plain_count_gives(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    queues = desk.queues
    for _ in range(300):
        happen(desk, chance)
        entries = list(queues._entries.values())
        assert {entry.line for entry in entries} <= set(queues._queues)
        for line, queue in queues._queues.items():
            own = [entry for entry in entries if entry.line == line]
            assert queue.in_line == sorted(entry.order for entry in own if entry.stand.is_in_line)
            assert queue.uncertain == sorted(entry.order for entry in own if not entry.is_certain)
            assert queue.keys == {entry.order: entry.key for entry in own}
            assert queue.running == {entry.run_id: entry.key.name for entry in own if entry.stand is Stand.RUNNING}
            assert queue.queued == sum(entry.stand is Stand.QUEUED for entry in own)
            assert queue.unfinished == {run_id for at, run_id in queues._jobs.values() if at == line}
            assert queue.told == (*queue.counts, len(queue.running))

"""Several imports of one Connector: no more at a time than it allows, in the order in which they came."""

from __future__ import annotations

import pytest

from tests.support.samples import import_manifest
from tests.unit.reconcilers.queue_house import FILMS, FOOTAGE, Json, QueueHouse, key


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


async def test_a_connector_shows_who_uses_it(house: QueueHouse) -> None:
    house.open("a", "b", "c", "d", "e")
    await house.settle()
    status = house.status(FOOTAGE)
    assert (status["activeRuns"], status["queuedRuns"]) == (2, 3)
    assert house.words(FOOTAGE) == ("True", "ConnectionTested")
    assert len(house.storages) == 1, "a count is no reason for a test"


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

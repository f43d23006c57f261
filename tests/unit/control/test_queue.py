from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from videovector_operator.control.queue import WorkQueue


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(clock=clock)


async def take(queue: WorkQueue[str]) -> str | None:
    """The next key that is there already, or None."""
    task = asyncio.ensure_future(queue.get())
    for _ in range(3):
        await asyncio.sleep(0)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


async def take_all(queue: WorkQueue[str]) -> list[str]:
    found = []
    while (key := await take(queue)) is not None:
        found.append(key)
        queue.done(key)
    return found


async def test_a_key_that_waits_is_not_queued_twice(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a"):
        queue.add(key)
    assert queue.depth == 2
    assert await take_all(queue) == ["a", "b"]


async def test_a_key_is_worked_on_by_one_at_a_time_and_comes_again_if_asked_for_meanwhile(
    queue: WorkQueue[str],
) -> None:
    queue.add("a")
    assert await take(queue) == "a"
    queue.add("a")
    queue.add("a")
    assert (queue.busy, queue.depth) == (1, 1)
    assert await take(queue) is None
    queue.done("a")
    assert await take_all(queue) == ["a"]


async def test_a_key_that_nobody_asked_for_again_is_done(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await take(queue)
    queue.done("a")
    assert (queue.busy, queue.depth, queue.delayed) == (0, 0, 0)
    assert await take(queue) is None


async def test_a_delayed_key_comes_at_its_time(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a", 5.0)
    assert (queue.delayed, await take(queue)) == (1, None)
    clock.now += 4.9
    assert await take(queue) is None
    clock.now += 0.1
    assert await take_all(queue) == ["a"]
    assert queue.delayed == 0


@pytest.mark.parametrize("delays", [(9.0, 5.0), (5.0, 9.0)])
async def test_the_earliest_time_wins(queue: WorkQueue[str], clock: Clock, delays: tuple[float, float]) -> None:
    for delay in delays:
        queue.add("a", delay)
    clock.now += 5.0
    assert await take_all(queue) == ["a"]
    clock.now += 60.0
    assert await take_all(queue) == []


async def test_at_once_goes_before_later(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a", 5.0)
    queue.add("a")
    assert await take_all(queue) == ["a"]
    clock.now += 60.0
    assert await take_all(queue) == []


async def test_a_key_that_is_ready_is_not_delayed_as_well(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.add("a", 5.0)
    assert (queue.depth, queue.delayed) == (1, 0)


async def test_a_key_that_is_worked_on_can_be_asked_for_later(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    await take(queue)
    queue.add("a", 5.0)
    clock.now += 5.0
    assert await take(queue) is None
    queue.done("a")
    assert await take_all(queue) == ["a"]


async def test_waiting_tasks_are_woken_one_key_each(queue: WorkQueue[str]) -> None:
    tasks = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    for key in ("a", "b", "c"):
        queue.add(key)
    assert sorted(await asyncio.wait_for(asyncio.gather(*tasks), 5)) == ["a", "b", "c"]


async def test_a_waiting_task_is_woken_when_a_delay_ends() -> None:
    loop = asyncio.get_running_loop()
    queue: WorkQueue[str] = WorkQueue(clock=loop.time)
    queue.add("late", 60.0)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("soon", 0.01)
    assert await asyncio.wait_for(waiting, 5) == "soon"


async def test_the_wait_is_told(clock: Clock) -> None:
    waits: list[float] = []
    queue: WorkQueue[str] = WorkQueue(clock=clock, on_wait=waits.append)
    queue.add("a")
    clock.now += 2.5
    await take(queue)
    assert waits == [2.5]


async def test_keys_asked_for_again_and_again_take_no_more_room(queue: WorkQueue[str]) -> None:
    for _ in range(1000):
        queue.add("a", 600.0)
        queue.add("a")
        await take(queue)
        queue.done("a")
    queue.add("a", 600.0)
    assert queue.delayed == 1
    assert len(queue._heap) < 100


KEYS = st.sampled_from("abc")


class QueueModel(RuleBasedStateMachine):
    """The queue against a model that is too simple to be wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.queue: WorkQueue[str] = WorkQueue(clock=self.clock)
        self.wanted: dict[str, float] = {}
        self.busy: set[str] = set()

    def teardown(self) -> None:
        self.loop.close()

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self.wanted[key] = min(self.wanted.get(key, self.clock.now), self.clock.now)

    @rule(key=KEYS, after=st.integers(1, 9))
    def add_later(self, key: str, after: int) -> None:
        self.queue.add(key, float(after))
        due = self.clock.now + after
        self.wanted[key] = min(self.wanted.get(key, due), due)

    @rule(seconds=st.integers(1, 9))
    def pass_time(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def get(self) -> None:
        possible = {k for k, due in self.wanted.items() if due <= self.clock.now and k not in self.busy}
        key = self.loop.run_until_complete(take(self.queue))
        if key is None:
            assert not possible
            return
        assert key in possible
        del self.wanted[key]
        self.busy.add(key)

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.busy)))
        self.busy.discard(key)
        self.queue.done(key)

    @invariant()
    def counts_agree(self) -> None:
        assert self.queue.busy == len(self.busy)
        assert self.queue.depth + self.queue.delayed == len(self.wanted)


TestQueueModel = QueueModel.TestCase
TestQueueModel.settings = settings(max_examples=60, stateful_step_count=25)

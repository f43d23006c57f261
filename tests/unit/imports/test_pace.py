"""A worker's pace, in virtual time: many pods in one line, never too fast, never stuck, first come, first served."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from tests.support.virtual_time import run_virtually
from tests.support.windows import most_in_a_window
from tests.unit.imports.paced_pods import CONNECTOR, Pod, World, bound, now
from videovector_operator.core.pace import BATCH_SECONDS


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


@pytest.mark.parametrize(("limit", "pods"), [(1, 1), (1, 5), (6, 2), (50, 1), (50, 3), (50, 20), (500, 4), (3000, 2)])
def test_pods_together_send_as_much_as_they_may_and_never_more(limit: int, pods: int) -> None:
    async def scenario() -> World:
        world = World(limit)
        world.add_pods(pods)
        await world.work(10.0)
        return world

    world = run_virtually(scenario())
    for width in (0.05, 0.25, 1.0, 5.0):
        assert most_in_a_window(world.sent, width) <= bound(limit, width), width
    assert len(world.sent) >= 0.97 * limit * 10 - 1
    shares = [len(pod.sent) for pod in world.pods]
    assert max(shares) <= 1.4 * min(shares) + 13, "from the first moment on, which was not fair"
    assert max(pod.far.calls for pod in world.pods) <= 4.5 * 10


def test_a_limit_that_nobody_reaches_costs_four_calls_a_second() -> None:
    async def scenario() -> World:
        world = World(100_000)
        world.add_pods(2, tasks=32, seconds=0.02)
        await world.work(10.0)
        return world

    world = run_virtually(scenario())
    assert len(world.sent) >= 0.9 * 2 * 10 * 32 / 0.02
    assert max(pod.far.calls for pod in world.pods) <= 4.5 * 10


def test_without_a_limit_nobody_waits_and_nobody_is_asked() -> None:
    async def scenario() -> World:
        world = World(None)
        world.add_pods(1, tasks=4)
        await world.work(0.995)
        return world

    world = run_virtually(scenario())
    assert len(world.sent) == 4 * 100
    assert world.pods[0].far.calls == 0


def test_moments_are_not_saved_up() -> None:
    """Many requests at once after a long silence, in every pod: no burst but the small one."""

    async def scenario() -> list[float]:
        world = World(50)
        pods = world.add_pods(4, tasks=0)
        sent: list[float] = []

        async def send(pod: Pod) -> None:
            await pod.pace.acquire()
            sent.append(now())

        for _ in range(4):
            await asyncio.gather(*(send(pod) for pod in pods for _ in range(10)))
            await asyncio.sleep(30.0)
        return sent

    sent = run_virtually(scenario())
    assert len(sent) == 160
    assert most_in_a_window(sent, 0.1) <= bound(50, 0.1)


def test_another_limit_reaches_those_that_wait() -> None:
    async def scenario() -> World:
        world = World(2)
        world.add_pods(2)
        asyncio.get_running_loop().call_at(20.0, world.rates.set_limit, CONNECTOR, 200)
        asyncio.get_running_loop().call_at(30.0, world.rates.set_limit, CONNECTOR, None)
        asyncio.get_running_loop().call_at(40.0, world.rates.set_limit, CONNECTOR, 50)
        await world.work(60.0)
        return world

    world = run_virtually(scenario())
    assert world.count(10, 20) <= 21
    assert world.count(22, 30) >= 0.95 * 200 * 8
    assert world.count(32, 40) >= 0.9 * 8 * 64 / 0.01, "nothing holds them any more"
    assert world.count(42, 60) == pytest.approx(50 * 18, rel=0.05)


def test_first_come_first_served_also_when_some_give_up() -> None:
    async def scenario() -> list[int]:
        world = World(20)
        (pod,) = world.add_pods(1, tasks=0)
        served: list[int] = []

        async def send(number: int) -> None:
            await pod.pace.acquire()
            served.append(number)

        tasks = [asyncio.create_task(send(number)) for number in range(40)]
        await asyncio.sleep(0.32)
        for number in (len(served), len(served) + 1, 20, 30):
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return served

    served = run_virtually(scenario())
    assert served == sorted(served)
    assert len(served) == 36


@pytest.mark.parametrize("moment", [0.001, 0.003, 0.1, 0.26, 0.2605])
def test_giving_up_at_any_point_stops_nobody_else(moment: float) -> None:
    async def scenario() -> float:
        world = World(40)
        (pod,) = world.add_pods(1, tasks=0)
        first = [asyncio.create_task(pod.pace.acquire()) for _ in range(30)]
        await asyncio.sleep(moment)
        for task in first:
            task.cancel()
        await asyncio.gather(*first, return_exceptions=True)
        await asyncio.gather(*(pod.pace.acquire() for _ in range(20)))
        return now()

    assert run_virtually(scenario()) <= moment + BATCH_SECONDS + 20 / 40 + 0.1

"""A worker's pace, in virtual time: a provider that refuses is left alone by all pods, and then asked more slowly."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from tests.support.virtual_time import run_virtually
from tests.support.windows import most_in_a_window
from tests.unit.imports.paced_pods import World, bound, now
from videovector_operator.core.pace import TRUST_SECONDS


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


def test_throttling_holds_all_pods_slows_them_down_and_passes() -> None:
    async def scenario() -> World:
        world = World(50)
        for pod in world.add_pods(3):
            pod.refuse = lambda at: 4.0 if 10.0 <= at < 10.5 else None
        await world.work(60.0)
        return world

    world = run_virtually(scenario())
    assert world.count(5, 10) >= 0.97 * 50 * 5
    assert world.count(10.5 + TRUST_SECONDS, 14.0) == 0, "everybody leaves the provider alone"
    assert 20 <= world.count(14.5, 15.5) <= 32, "half as fast"
    assert world.count(14.5, 15.5) < world.count(18, 19) < world.count(21, 22)
    assert world.count(40, 60) >= 0.97 * 50 * 20, "as fast as before"
    assert most_in_a_window(world.sent, 1.0) <= bound(50, 1.0)


@pytest.mark.parametrize("pods", [1, 4])
def test_a_provider_with_a_limit_of_its_own_is_hardly_ever_asked_too_much(pods: int) -> None:
    """It allows 20 a second where the Connector says 100: nearly all requests get through, and there is no collapse."""
    refused: list[float] = []
    answered: list[float] = []

    def refuse(at: float) -> float | None:
        if sum(moment > at - 1.0 for moment in answered[-20:]) >= 20:
            refused.append(at)
            return 1.0
        answered.append(at)
        return None

    async def scenario() -> None:
        world = World(100)
        for pod in world.add_pods(pods):
            pod.refuse = refuse
        await world.work(120.0)

    run_virtually(scenario())
    assert len(answered) >= 0.5 * 20 * 120
    assert len(refused) <= 0.35 * len(answered)


def test_a_hold_reaches_pods_that_wait_far_behind_in_the_line() -> None:
    """One request a second for ten pods: each has reserved its moment long before it comes."""

    async def scenario() -> World:
        world = World(1)
        for pod in world.add_pods(10, tasks=2):
            pod.refuse = lambda at: 30.0 if 20.0 <= at < 21.0 else None
        await world.work(80.0)
        return world

    world = run_virtually(scenario())
    (refused,) = [moment for moment in world.sent if 20.0 <= moment < 21.0]
    assert world.count(refused + 0.1, refused + 29.9) == 0
    assert world.count(refused + 29.9, refused + 45.0) >= 14
    assert most_in_a_window(world.sent, 10.0) <= 11


def test_a_cap_ends_the_longest_hold() -> None:
    async def scenario() -> World:
        world = World(10)
        for pod in world.add_pods(2):
            pod.refuse = lambda at: 86_400.0 if at < 0.2 else None
        await world.work(400.0)
        return world

    world = run_virtually(scenario())
    assert world.count(0.8, 300.0) == 0
    assert world.count(300.0, 310.0) >= 40


def test_a_limit_taken_off_ends_a_hold() -> None:
    async def scenario() -> float:
        world = World(10)
        (pod,) = world.add_pods(1, tasks=0)
        telling = asyncio.create_task(pod.pace.run())
        pod.pace.throttled(250.0)
        waiting = [asyncio.create_task(pod.pace.acquire()) for _ in range(50)]
        await asyncio.sleep(10.0)
        pod.pace.set_limit(None)
        await asyncio.gather(*waiting)
        telling.cancel()
        return now()

    assert run_virtually(scenario()) == pytest.approx(10.0, abs=0.1)

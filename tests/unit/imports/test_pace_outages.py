"""A worker's pace, in virtual time, while the catalog is away or slow: nothing gets through that nobody has allowed."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from tests.support.virtual_time import run_virtually
from tests.support.windows import most_in_a_window
from tests.unit.imports.paced_pods import PATIENCE_SECONDS, World, bound, now
from videovector_operator.core.pace import TRUST_SECONDS
from videovector_operator.errors import CatalogUnavailable


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


def test_while_the_catalog_is_away_nothing_gets_through_and_afterwards_it_goes_on() -> None:
    async def scenario() -> World:
        world = World(50)
        pods = world.add_pods(3)

        def be_away(away: bool) -> None:
            for pod in pods:
                pod.far.away = away

        asyncio.get_running_loop().call_at(10.0, be_away, True)
        asyncio.get_running_loop().call_at(40.0, be_away, False)
        await world.work(60.0)
        return world

    world = run_virtually(scenario())
    assert world.count(10.0 + TRUST_SECONDS + 0.01, 40.0) == 0
    assert world.count(51.0, 60.0) >= 0.95 * 50 * 9
    assert most_in_a_window(world.sent, 1.0) <= bound(50, 1.0)


def test_a_catalog_that_stays_away_is_said_to_whoever_waits() -> None:
    async def scenario() -> float:
        world = World(50)
        (pod,) = world.add_pods(1, tasks=0)
        pod.far.away = True
        with pytest.raises(CatalogUnavailable):
            await pod.pace.acquire()
        return now()

    assert 0.8 * PATIENCE_SECONDS <= run_virtually(scenario()) <= PATIENCE_SECONDS


def test_refusals_are_told_once_the_catalog_is_back() -> None:
    async def scenario() -> World:
        world = World(50)
        (pod,) = world.add_pods(1)
        pod.refuse = lambda at: 8.0 if 10.0 <= at < 10.2 else None
        asyncio.get_running_loop().call_at(10.0, setattr, pod.far, "away", True)
        asyncio.get_running_loop().call_at(14.0, setattr, pod.far, "away", False)
        await world.work(30.0)
        return world

    world = run_virtually(scenario())
    assert world.count(10.5, 18.0) == 0, "the provider is left alone for as long as it asked, outage or not"
    assert world.count(19.0, 20.0) <= 30


@pytest.mark.parametrize("latency", [0.2, 0.4, 0.8, 1.5])
def test_a_slow_catalog_slows_down_and_lets_no_more_through(latency: float) -> None:
    async def scenario() -> World:
        world = World(50)
        for pod in world.add_pods(3):
            pod.far.latency = latency
            pod.refuse = lambda at: 1.0 if 10.0 <= at < 10.2 else None
        await world.work(40.0)
        return world

    world = run_virtually(scenario())
    assert most_in_a_window(world.sent, 1.0) <= bound(50, 1.0, lateness=latency)
    assert world.count(30.0, 40.0) >= 3 * 10 / (2 * latency) * 0.8, "and each call brings somebody on"

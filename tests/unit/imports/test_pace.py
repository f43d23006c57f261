"""A worker's pace, in virtual time: many pods in one line, never too fast, never stuck, whatever the catalog does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import structlog

from tests.support.virtual_time import run_virtually
from tests.support.windows import most_in_a_window
from videovector_operator.catalog.fake_rates import FakeRequestRates
from videovector_operator.catalog.port import RequestRates
from videovector_operator.core.pace import BATCH_SECONDS, BURST_SECONDS, TRUST_SECONDS
from videovector_operator.core.records import Reservation
from videovector_operator.errors import CatalogUnavailable
from videovector_operator.imports.pace import CatalogPace
from videovector_operator.imports.patience import Patience

T = TypeVar("T")
CONNECTOR = "conn_1"
PATIENCE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


def now() -> float:
    return asyncio.get_running_loop().time()


class FarRates(RequestRates):
    """The catalog at the other end of a network: answers take ``latency`` seconds, and none come while it is ``away``."""

    def __init__(self, rates: FakeRequestRates) -> None:
        self.rates = rates
        self.latency = 0.004
        self.away = False
        self.calls = 0

    async def reserve_requests(self, connector_id: str, count: int) -> Reservation | None:
        return await self._travel(lambda: self.rates.reserve_requests(connector_id, count))

    async def confirm_reservation(self, connector_id: str, revision: int) -> bool:
        return await self._travel(lambda: self.rates.confirm_reservation(connector_id, revision))

    async def report_throttled(self, connector_id: str, retry_after: float) -> None:
        await self._travel(lambda: self.rates.report_throttled(connector_id, retry_after))

    async def _travel(self, ask: Callable[[], Awaitable[T]]) -> T:
        self.calls += 1
        await asyncio.sleep(self.latency / 2)
        if self.away:
            raise CatalogUnavailable("PostgreSQL is away (as the test wants it)")
        answer = await ask()
        await asyncio.sleep(self.latency / 2)
        return answer


class Pod:
    """A worker: ``tasks`` tasks that send one request after the other, each of which takes ``seconds``.

    ``refuse`` answers a request: None, or for how long the provider wants to be left alone.
    """

    def __init__(self, world: World, tasks: int, seconds: float) -> None:
        self.world = world
        self.far = FarRates(world.rates)
        self.pace = CatalogPace(
            self.far, CONNECTOR, Patience(PATIENCE_SECONDS, lambda: 0.5), world.rates.limit_of(CONNECTOR)
        )
        self.sent: list[float] = []
        self.refuse: Callable[[float], float | None] = lambda _: None
        self._tasks, self._seconds = tasks, seconds

    async def work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pace.run())
            group.create_task(self._beat())
            for _ in range(self._tasks):
                group.create_task(self._send())

    async def _beat(self) -> None:
        while True:
            self.pace.set_limit(self.world.rates.limit_of(CONNECTOR))
            await asyncio.sleep(1.0)

    async def _send(self) -> None:
        while True:
            await self.pace.acquire()
            self.sent.append(now())
            refusal = self.refuse(now())
            await asyncio.sleep(self._seconds)
            if refusal is not None:
                self.pace.throttled(refusal)
                await asyncio.sleep(max(refusal, 0.1))


class World:
    """One Connector's line and the pods in it."""

    def __init__(self, limit: int | None) -> None:
        self.rates = FakeRequestRates(now)
        self.rates.set_limit(CONNECTOR, limit)
        self.pods: list[Pod] = []

    def add_pods(self, count: int, tasks: int = 32, seconds: float = 0.01) -> list[Pod]:
        added = [Pod(self, tasks, seconds) for _ in range(count)]
        self.pods.extend(added)
        return added

    async def work(self, seconds: float) -> None:
        """Let all pods work for so long."""
        working = [asyncio.create_task(pod.work()) for pod in self.pods]
        done, _ = await asyncio.wait(working, timeout=seconds)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        for task in done:
            task.result()

    @property
    def sent(self) -> list[float]:
        return sorted(moment for pod in self.pods for moment in pod.sent)

    def count(self, start: float, end: float) -> int:
        return sum(start <= moment < end for moment in self.sent)


def bound(limit: int, width: float, lateness: float = 0.02) -> float:
    """The most requests that any window may see from pods that always have something to send."""
    return limit * (width + BURST_SECONDS + lateness) + 1


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

"""Pods in the line of one Connector, in virtual time: each with its own way to the catalog, which may be slow or away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from videovector_operator.catalog.fake_rates import FakeRequestRates
from videovector_operator.catalog.port import RequestRates
from videovector_operator.core.pace import BURST_SECONDS
from videovector_operator.core.records import Reservation
from videovector_operator.errors import CatalogUnavailable
from videovector_operator.imports.pace import CatalogPace
from videovector_operator.imports.patience import Patience

T = TypeVar("T")
CONNECTOR = "conn_1"
PATIENCE_SECONDS = 60.0


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

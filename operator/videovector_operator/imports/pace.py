"""The pace of one worker's requests to storage: it waits in its Connector's line, which all pods share through the catalog.

Whoever wants to send waits here, first come first served; the first of them reserves a few moments ahead for all, so that the
catalog is asked about four times a second. Without a limit nobody waits and the catalog is not asked. What the line gives out
is `core.pace`'s business; no storage and no decision about files may enter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog
from typing_extensions import override

from videovector_operator.catalog.port import RequestRates
from videovector_operator.core.pace import BATCH_SECONDS, TRUST_SECONDS, decide_count
from videovector_operator.core.records import Reservation
from videovector_operator.imports.patience import Patience
from videovector_operator.storage.port import Pace

T = TypeVar("T")
_log = structlog.get_logger(__name__)
LATE_SECONDS = 1.0
"""Of an answer that took longer only one moment is used: what it gave may have passed long ago, for everybody at once."""
_FRESH_SECONDS = 0.05
"""What has just been heard is believed for a moment, however long it took to come."""
_CATCH_UP = 0.5
"""A pod that has fallen behind its moments sends at most twice as fast until it has caught up …"""
_TIMER_SECONDS = 0.01
"""… but for so much, because timers are not exact."""
_TELL_AGAIN_SECONDS = 60.0
"""Time between two log lines about throttling."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is left of a reservation, by the clock of the event loop: ``count`` moments from ``next_at`` on.

    The catalog was asked at ``asked_at``, last, whether it counts, and the answer came at ``heard_at``.
    """

    count: int
    next_at: float
    spacing: float
    revision: int
    asked_at: float
    heard_at: float

    @classmethod
    def of(cls, reservation: Reservation, asked_at: float, heard_at: float) -> Batch:
        """Lay the moments out from when the answer came: they are never too early, whatever time it took."""
        count = reservation.count if heard_at - asked_at <= LATE_SECONDS else 1
        next_at = heard_at + reservation.start_in
        return cls(count, next_at, reservation.spacing, reservation.revision, asked_at, heard_at)

    def confirmed(self, asked_at: float, heard_at: float) -> Batch:
        """The same, now that the catalog has said that it counts; what had expired before it was asked stays so."""
        left = self.without_expired(asked_at)
        count = left.count if heard_at - asked_at <= LATE_SECONDS else min(left.count, 1)
        return replace(left, count=count, asked_at=asked_at, heard_at=heard_at)

    @property
    def trusted_until(self) -> float:
        """From then on the line may have been drawn anew."""
        return max(self.asked_at + TRUST_SECONDS, self.heard_at + _FRESH_SECONDS)

    def without_first(self) -> Batch:
        """The moments behind the next one."""
        return replace(self, count=self.count - 1, next_at=self.next_at + self.spacing)

    def without_expired(self, now: float) -> Batch:
        """What may still be used: nobody saves moments up."""
        missed = now - BATCH_SECONDS - self.next_at
        if missed <= 0 or now <= self.heard_at + BATCH_SECONDS:
            return self
        gone = min(self.count, int(missed / self.spacing) + 1)
        return replace(self, count=self.count - gone, next_at=self.next_at + gone * self.spacing)


class CatalogPace(Pace):
    """The pace of all storage requests of one worker. ``limit`` None = the Connector has none at present.

    `run` must be running meanwhile. While the catalog is away nothing is let through that was not reserved before; `acquire`
    and `run` raise CatalogUnavailable once ``patience`` ends.
    """

    def __init__(self, rates: RequestRates, connector_id: str, patience: Patience, limit: int | None = None) -> None:
        self._rates = rates
        self._connector_id = connector_id
        self._patience = patience
        self._limit = limit
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._batch: Batch | None = None
        self._not_before = 0.0
        self._used = 0
        self._reserved_at = 0.0
        self._changed = asyncio.Event()
        self._refused_at = 0.0
        self._held_until = 0.0
        self._refused = asyncio.Event()
        self._told = asyncio.Event()
        self._told.set()
        self._logged_at: float | None = None

    def set_limit(self, limit: int | None) -> None:
        """Take in what the catalog says of the Connector's limit."""
        if limit == self._limit:
            return
        _log.info("the limit of storage requests a second is another one", before=self._limit, now=limit)
        self._limit = limit
        self._batch = None
        self._changed.set()

    @override
    async def acquire(self) -> None:
        if self._limit is None:
            return
        self._waiting += 1
        try:
            async with self._turn:
                await self._take()
        finally:
            self._waiting -= 1

    @override
    def throttled(self, retry_after: float) -> None:
        if self._limit is None:
            return
        self._refused_at = _now()
        self._held_until = max(self._held_until, self._refused_at + retry_after)
        self._told.clear()
        self._refused.set()
        self._changed.set()

    async def run(self) -> None:
        """Tell the catalog of refusals, until cancelled."""
        while True:
            await self._refused.wait()
            self._refused.clear()
            await self._ask(self._report)
            if not self._refused.is_set():
                self._told.set()

    async def _report(self) -> None:
        now = _now()
        left = max(0.0, self._held_until - now)
        if self._logged_at is None or now - self._logged_at >= _TELL_AGAIN_SECONDS:
            self._logged_at = now
            _log.warning("the storage throttles: all pods of the Connector slow down", retry_after=round(left, 1))
        await self._rates.report_throttled(self._connector_id, left)

    async def _take(self) -> None:
        """Use the next moment, when it has come. One task at a time is here."""
        while self._limit is not None:
            now = _now()
            batch = self._batch = self._batch and self._batch.without_expired(now)
            if batch is None or not batch.count:
                await self._reserve()
            elif (moment := max(batch.next_at, self._not_before)) > now:
                await self._wait_until(moment)
            elif now > batch.trusted_until or batch.asked_at < self._refused_at:
                await self._confirm(batch)
            else:
                self._batch = batch.without_first()
                self._not_before = max(self._not_before, now - _TIMER_SECONDS) + batch.spacing * _CATCH_UP
                self._used += 1
                return

    async def _reserve(self) -> None:
        await self._told.wait()
        now = _now()
        count = decide_count(self._used, now - self._reserved_at, self._waiting)
        self._used, self._reserved_at = 0, now
        reservation, asked_at = await self._ask(lambda: self._rates.reserve_requests(self._connector_id, count))
        if reservation is None:
            self.set_limit(None)
        else:
            self._batch = Batch.of(reservation, asked_at, _now())

    async def _confirm(self, batch: Batch) -> None:
        await self._told.wait()
        counts, asked_at = await self._ask(lambda: self._rates.confirm_reservation(self._connector_id, batch.revision))
        if self._batch is batch:
            self._batch = batch.confirmed(asked_at, _now()) if counts else None

    async def _wait_until(self, moment: float) -> None:
        """Wait, but no longer than nothing changes."""
        self._changed.clear()
        try:
            async with asyncio.timeout_at(moment):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _ask(self, work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
        """Ask the catalog, patiently; the answer, and when the try began that brought it."""
        asked_at = 0.0

        async def attempt() -> T:
            nonlocal asked_at
            asked_at = _now()
            return await work()

        return await self._patience.call(attempt), asked_at


def _now() -> float:
    return asyncio.get_running_loop().time()

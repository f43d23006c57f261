"""Waiting with growing pauses: for a catalog that is away, and between looks for work. No decision may enter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from videovector_operator.errors import CatalogUnavailable

T = TypeVar("T")
_log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0


class Backoff:
    """Pauses that double from ``first`` to ``longest`` seconds, spread by ``jitter`` (numbers in [0, 1))."""

    def __init__(
        self,
        jitter: Callable[[], float],
        first: float = FIRST_PAUSE_SECONDS,
        longest: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._jitter = jitter
        self._first = first
        self._longest = longest
        self._next = first

    def reset(self) -> None:
        """Begin again with the shortest pause."""
        self._next = self._first

    def next_pause(self) -> float:
        """Seconds to wait now."""
        pause = self._next * (0.5 + self._jitter() / 2)
        self._next = min(self._next * 2, self._longest)
        return pause


class Patience:
    """Repeats calls to the catalog while it is away; each of them is safe to repeat (see `catalog.port`)."""

    def __init__(self, limit_seconds: float, jitter: Callable[[], float]) -> None:
        self._limit = limit_seconds
        self._jitter = jitter

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do ``work``; raises its CatalogUnavailable when that has gone on for the limit."""
        backoff = Backoff(self._jitter)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limit
        while True:
            try:
                return await work()
            except CatalogUnavailable as error:
                pause = backoff.next_pause()
                if loop.time() + pause >= deadline:
                    raise
                _log.warning("the catalog is away, trying again", error=error.message, pause_seconds=round(pause, 2))
            await asyncio.sleep(pause)

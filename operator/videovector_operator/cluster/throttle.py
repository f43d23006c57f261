"""A token bucket: how fast the operator may write to the Kubernetes API. Knows nothing of what is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class TokenBucket:
    """``rate`` permits a second, at most ``burst`` at once. Waiting tasks are served in order."""

    def __init__(
        self, rate: float, burst: int, *, clock: Callable[[], float], on_wait: Callable[[float], None] | None = None
    ) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._clock = clock
        self._updated = clock()
        self._order = asyncio.Lock()
        self._on_wait = on_wait

    async def acquire(self) -> None:
        """Wait for one permit."""
        async with self._order:
            self._refill()
            if self._tokens < 1:
                wait = (1 - self._tokens) / self._rate
                if self._on_wait is not None:
                    self._on_wait(wait)
                await asyncio.sleep(wait)
                self._refill()
            self._tokens = max(self._tokens - 1, 0.0)

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._tokens + (now - self._updated) * self._rate, self._burst)
        self._updated = now

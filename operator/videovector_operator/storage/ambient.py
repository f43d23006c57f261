"""The identity of the process's environment, asked for by a provider's blocking look-up: cached, in one bounded thread.

What an identity is, and which library finds it, is the provider's. Nothing of a provider may enter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from videovector_operator.errors import Unavailable

T = TypeVar("T")


class Ambient(Generic[T]):
    """What ``load`` finds, asked for again every minute; ``load`` refreshes what expires by itself, or raises a StorageError.

    It runs in one thread, and at most one call is in flight. ``clock`` gives seconds that only grow; ``what`` is asked for, for people.
    """

    def __init__(
        self,
        load: Callable[[], T],
        clock: Callable[[], float],
        *,
        name: str,
        what: str = "The environment's credentials",
        ask_every_seconds: float = 60.0,
        timeout_seconds: float = 20.0,
    ) -> None:
        self._load = load
        self._clock = clock
        self._what = what
        self._ask_every = ask_every_seconds
        self._timeout = timeout_seconds
        self._cached: T | None = None
        self._ask_at = 0.0
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def current(self) -> T:
        """Return what is cached, or ask in the thread. Raises what ``load`` raises, and Unavailable."""
        cached = self._cached
        if cached is not None and self._clock() < self._ask_at:
            return cached
        async with self._lock:
            if self._cached is not None and self._clock() < self._ask_at:
                return self._cached
            found = await self._ask()
            self._cached = found
            self._ask_at = self._clock() + self._ask_every
            return found

    async def _ask(self) -> T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                return await loop.run_in_executor(self._thread, self._load)
        except TimeoutError:
            raise Unavailable(f"{self._what} did not come within {self._timeout:.0f} s") from None

    def expire(self) -> bool:
        """Ask again before the next request; True: others may come."""
        self._cached = None
        return True

    def close(self) -> None:
        """End the thread once it is idle; never waits."""
        self._thread.shutdown(wait=False, cancel_futures=True)

"""The work queue: keys to look at, each at most once at a time. Knows nothing of Kubernetes.

A key added while it waits is the same key; a key added while it is being worked on comes back afterwards; a delayed key
comes at its earliest time. Keys cannot pile up: the queue holds each at most once, so its size is bounded by the number
of objects.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
_STALE_ALLOWED = 64


class WorkQueue(Generic[KeyT]):
    """Deduplicating, per-key serialising queue with delays. For the tasks of one event loop."""

    def __init__(self, *, clock: Callable[[], float], on_wait: Callable[[float], None] | None = None) -> None:
        self._clock = clock
        self._on_wait = on_wait
        self._ready: deque[KeyT] = deque()
        self._since: dict[KeyT, float] = {}
        self._due: dict[KeyT, float] = {}
        self._heap: list[tuple[float, int, KeyT]] = []
        self._order = itertools.count()
        self._busy: set[KeyT] = set()
        self._again: set[KeyT] = set()
        self._changed = asyncio.Event()

    @property
    def depth(self) -> int:
        """Keys that could be worked on now."""
        return len(self._ready) + len(self._again)

    @property
    def delayed(self) -> int:
        """Keys whose time has not come."""
        return len(self._due)

    @property
    def busy(self) -> int:
        """Keys that are being worked on."""
        return len(self._busy)

    def add(self, key: KeyT, after: float = 0.0) -> None:
        """Look at ``key`` in ``after`` seconds, or sooner if somebody asked for sooner."""
        if after > 0:
            self._add_later(key, self._clock() + after)
            return
        self._due.pop(key, None)
        if key in self._busy:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = self._clock()
            self._ready.append(key)
            self._changed.set()

    def _add_later(self, key: KeyT, due: float) -> None:
        if key in self._since or key in self._again:
            return
        known = self._due.get(key)
        if known is None or due < known:
            self._due[key] = due
            heapq.heappush(self._heap, (due, next(self._order), key))
            self._drop_stale()
            self._changed.set()

    def _drop_stale(self) -> None:
        """A key that came sooner leaves its delayed entry behind: keep the heap within twice the delayed keys."""
        if len(self._heap) > 2 * len(self._due) + _STALE_ALLOWED:
            self._heap = [(due, next(self._order), key) for key, due in self._due.items()]
            heapq.heapify(self._heap)

    async def get(self) -> KeyT:
        """Wait for the next key; call `done` when it has been dealt with."""
        while True:
            self._promote()
            if self._ready:
                key = self._ready.popleft()
                waited = self._clock() - self._since.pop(key)
                self._busy.add(key)
                if self._on_wait is not None:
                    self._on_wait(waited)
                return key
            await self._sleep()

    def done(self, key: KeyT) -> None:
        """The key has been dealt with; it comes again if it was added in the meantime."""
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _promote(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self.add(key)

    async def _sleep(self) -> None:
        self._changed.clear()
        timeout = max(self._heap[0][0] - self._clock(), 0.0) if self._heap else None
        try:
            # Not wait_for: Python 3.11's forgets that it was cancelled when the key comes in the same moment.
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return

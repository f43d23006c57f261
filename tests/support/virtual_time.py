"""An event loop whose clock jumps to the next timer instead of waiting: hours pass in a moment, and every run is the same."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
Events = list[tuple[selectors.SelectorKey, int]]


class _JumpingSelector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> Events:
        events: Events = super().select(0)
        if not events:
            assert timeout is not None, "everybody waits for something that will never happen"
            self.now += timeout
        return events

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        found: Mapping[Any, selectors.SelectorKey] = super().get_map()
        return found


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For code that waits by the loop's clock alone, without I/O."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end on a loop of its own, whose clock starts at 0."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)

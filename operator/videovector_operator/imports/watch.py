"""Where the run stands, as last heard from the catalog: every answer is shown to it, and everybody asks it whether to stop."""

from __future__ import annotations

import asyncio

from videovector_operator.core.records import RunControl


class RunWatch:
    """Turns the first answer that says so (cancelled, ended) into one event that wakes all."""

    def __init__(self, control: RunControl) -> None:
        self.control = control
        self._stop = asyncio.Event()
        self.observe(control)

    def observe(self, control: RunControl) -> None:
        """Take in an answer. What has once been said (ended, cancelled, scan done) is not unsaid by an older one."""
        if self.control.state.is_terminal:
            return
        self.control = control
        if control.cancel_requested or control.state.is_terminal:
            self._stop.set()

    @property
    def should_stop(self) -> bool:
        """True once no more file may be begun."""
        return self._stop.is_set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until everybody must stop, at most ``seconds``; whether that is so."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

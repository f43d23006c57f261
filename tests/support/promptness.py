"""A promise in seconds, kept over many looks: one look in twenty may be late, for the machine may have stood still; more may not."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.support.world import Json, World

PATIENCE_SECONDS = 60.0


class Promptness:
    """Waits as `World.wait` does, and fails when too often it took longer than ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.looks = 0
        self.late: list[str] = []

    def wait(self, world: World, kind: str, name: str, until: Callable[[Json], bool]) -> Json:
        """Wait until ``until`` holds for the object; answers it."""
        began = time.monotonic()
        body = world.wait(kind, name, until, PATIENCE_SECONDS)
        self.note(f"{kind} {name}", time.monotonic() - began)
        return body

    def note(self, what: str, seconds: float) -> None:
        """One look has taken so long."""
        self.looks += 1
        if seconds > self._seconds:
            self.late.append(f"{what} after {seconds:.1f} s")
            forgiven = 1 + self.looks // 20
            assert len(self.late) <= forgiven, f"promised within {self._seconds:g} s: {', '.join(self.late)}"

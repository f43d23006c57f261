"""Is this process alive and useful? Facts that the parts report, judged for the two probes. No I/O.

A watch that has gone silent is seen by what should have come through it: every write of our own to a watched object must
come back as an event.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

WATCH_DEADLINE_SECONDS = 120.0
LOOP_LAG_LIMIT_SECONDS = 10.0


@dataclass(slots=True)
class Health:
    """What the probes say. ``clock`` is monotonic, in seconds."""

    clock: Callable[[], float]
    synced: bool = False
    stopping: bool = False
    loop_lag: float = 0.0
    _last_event: dict[str, float] = field(default_factory=dict)
    _awaited: dict[str, float] = field(default_factory=dict)
    _dead: list[str] = field(default_factory=list)

    def note_event(self, kind: str) -> None:
        """A watch event of this kind came."""
        self._last_event[kind] = self.clock()
        self._awaited.pop(kind, None)

    def expect_event(self, kind: str, since: float) -> None:
        """We wrote an object of this kind at ``since`` or later: its watch must tell us, or has done so before the answer
        to the write came."""
        if self._last_event.get(kind, -math.inf) < since:
            self._awaited.setdefault(kind, self.clock())

    def note_dead(self, part: str) -> None:
        """A part of the process has ended that must not end."""
        self._dead.append(part)

    def event_ages(self) -> dict[str, float]:
        """Seconds since the last watch event, by kind."""
        now = self.clock()
        return {kind: now - moment for kind, moment in self._last_event.items()}

    def problems(self) -> list[str]:
        """Why the process should be restarted; empty = it is alive."""
        now = self.clock()
        found = [f"{part} has ended" for part in self._dead]
        found += [
            f"the watch of {kind} is silent: a write {now - since:.0f} s ago has not come back"
            for kind, since in self._awaited.items()
            if now - since > WATCH_DEADLINE_SECONDS
        ]
        if self.loop_lag > LOOP_LAG_LIMIT_SECONDS:
            found.append(f"the event loop lags {self.loop_lag:.1f} s behind")
        return found

    def not_ready(self) -> list[str]:
        """Why the process should get no traffic or is not yet useful as leader or standby."""
        found = self.problems()
        if not self.synced:
            found.append("the first list of the watched kinds is not complete")
        if self.stopping:
            found.append("stopping")
        return found

"""Paths against patterns of directories with ``**``, all of them at once, in one pass over the path's segments.

A set of positions in the patterns is one integer: bit n says that everything before position n has been matched. Each segment
moves it by a few operations and at most one match for each *different* segment of the patterns, so that no pattern and no
path can make this take long. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Segment = re.Pattern[str] | None
"""A compiled segment; None stands for ``**``: any number of directories; at the end of a pattern, at least one name."""


class PathPatterns:
    """Any number of patterns, each a sequence of segments. Equal segments must be the same compiled object."""

    __slots__ = ("_accept", "_fits", "_free", "_last_stars", "_stars", "_start")

    def __init__(self, patterns: Sequence[Sequence[Segment]]) -> None:
        self._start = self._accept = self._stars = self._free = self._last_stars = 0
        self._fits: dict[re.Pattern[str], int] = {}
        position = 0
        for pattern in patterns:
            position = self._add(_without_doubles(pattern), position)

    def _add(self, pattern: Sequence[Segment], position: int) -> int:
        """Lay a pattern out from ``position`` on; returns the first free position behind it."""
        self._start |= 1 << position
        end = position + len(pattern)
        for number, segment in enumerate(pattern, start=position):
            bit = 1 << number
            if segment is not None:
                self._fits[segment] = self._fits.get(segment, 0) | bit
                continue
            self._stars |= bit
            if number + 1 == end:
                self._last_stars |= bit
            else:
                self._free |= bit
        self._accept |= 1 << end
        return end + 1

    def match(self, path: str) -> bool:
        """Whether one of the patterns means the whole of ``path``."""
        at = self._skip(self._start)
        for segment in path.split("/"):
            fitting = 0
            for compiled, positions in self._fits.items():
                if at & positions and compiled.fullmatch(segment):
                    fitting |= positions
            at = self._skip((at & fitting) << 1 | at & self._stars | (at & self._last_stars) << 1)
            if not at:
                return False
        return bool(at & self._accept)

    def _skip(self, at: int) -> int:
        """``**`` may stand for nothing. One step is enough, for there are never two of them side by side."""
        return at | (at & self._free) << 1


def _without_doubles(pattern: Sequence[Segment]) -> Sequence[Segment]:
    """``**/**`` means what ``**`` means."""
    return [
        part
        for number, part in enumerate(pattern)
        if part is not None or number == 0 or pattern[number - 1] is not None
    ]

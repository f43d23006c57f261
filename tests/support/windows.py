"""Counts what happens in any window of time."""

from __future__ import annotations

import bisect
from collections.abc import Sequence


def most_in_a_window(moments: Sequence[float], width: float) -> int:
    """The most moments that lie in any closed window of so many seconds. ``moments`` in any order."""
    ordered = sorted(moments)
    return max((bisect.bisect_right(ordered, at + width) - index for index, at in enumerate(ordered)), default=0)

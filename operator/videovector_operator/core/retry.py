"""Retry arithmetic: when to try again. Pure; randomness comes in as a number."""

from __future__ import annotations

LONGEST_RETRY_AFTER_SECONDS = 300.0
"""A server may ask for more; nobody is kept waiting longer without a new try."""


def backoff_seconds(failures: int, *, first: float, cap: float, random_unit: float = 0.5, jitter: float = 0.2) -> float:
    """Seconds to wait after the ``failures``-th failure in a row: ``first`` doubled each time, at most ``cap``.

    ``random_unit`` in [0, 1) spreads the result by ±``jitter``, so that many objects do not come back at once.
    """
    doublings = min(max(failures - 1, 0), 60)
    base = min(first * float(2**doublings), cap)
    return base * (1 + jitter * (2 * random_unit - 1))


def spread_unit(identity: str) -> float:
    """Map an identity to [0, 1), always the same: a stable spread for periodic work."""
    value = 0
    for char in identity:
        value = (value * 131 + ord(char)) % 1_000_003
    return value / 1_000_003

"""How long a server wants to be left alone, from its Retry-After header; the same for every provider. Pure."""

from __future__ import annotations

from collections.abc import Mapping

_DEFAULT_SECONDS = 1.0
_MOST_SECONDS = 3600.0


def parse_retry_after(headers: Mapping[str, str]) -> float:
    """Read Retry-After in seconds, at most an hour; servers that send a date are rare, they get one second."""
    try:
        return min(max(0.0, float(headers.get("retry-after", ""))), _MOST_SECONDS)
    except ValueError:
        return _DEFAULT_SECONDS

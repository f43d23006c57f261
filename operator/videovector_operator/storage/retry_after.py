"""How long a server wants to be left alone, from its Retry-After header; the same for every provider. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from videovector_operator.storage.server_clock import parse_server_date

_DEFAULT_SECONDS = 1.0
_MOST_SECONDS = 3600.0


def parse_retry_after(headers: Mapping[str, str]) -> float:
    """Read Retry-After (RFC 9110, 10.2.3), seconds or a date, as seconds from 0 to an hour; one second when it makes no sense.

    A date is counted from the reply's own Date, so that nobody's wrong clock matters.
    """
    text = headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_until(text, headers.get("date", ""))
    return min(max(0.0, seconds), _MOST_SECONDS)


def _seconds_until(text: str, date: str) -> float:
    try:
        return (parse_server_date(text) - parse_server_date(date)).total_seconds()
    except ValueError:
        return _DEFAULT_SECONDS

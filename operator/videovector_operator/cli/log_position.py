"""Where one has got to in a log whose lines bear their time, so that a stream that broke can be taken up there. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from videovector_operator.cli.ports import LogQuery

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?")
Moment = tuple[datetime, str]
"""Whole seconds in UTC, and the nanoseconds as nine digits."""


@dataclass(slots=True)
class LogPosition:
    """The latest time of a line so far, and how many lines of that time there were.

    A log can be asked for from a whole second on (``sinceTime``): then lines that are known come again, and are left out until
    the first that is new. Only then: clocks of nodes are set back now and then, and lines of two streams cross.
    """

    last: Moment | None = None
    count: int = 0
    _is_resuming: bool = False
    _to_skip: int = 0

    def resume(self, query: LogQuery) -> LogQuery:
        """The query that goes on from here; at the beginning it is ``query`` itself."""
        if self.last is None:
            return query
        self._is_resuming, self._to_skip = True, self.count
        return replace(query, tail=None, since=f"{self.last[0]:%Y-%m-%dT%H:%M:%SZ}")

    def advance(self, line: str) -> str | None:
        """The line without its time; None = it is known already. A line without a time is always news."""
        stamp = _STAMP.match(line)
        moment = _parse(stamp) if stamp is not None else None
        if stamp is None or moment is None:
            return line
        if self._is_resuming and self.last is not None and moment <= self.last:
            is_last = moment == self.last
            if not is_last or self._to_skip > 0:
                self._to_skip -= is_last
                return None
        self._is_resuming = False
        if self.last is None or moment > self.last:
            self.last, self.count = moment, 0
        self.count += moment == self.last
        return line[stamp.end() :]


def _parse(stamp: re.Match[str]) -> Moment | None:
    seconds, fraction, zone = stamp.groups()
    try:
        whole = datetime.fromisoformat(seconds + ("+00:00" if zone == "Z" else zone))
    except ValueError:
        return None
    return whole.astimezone(UTC), (fraction or "").ljust(9, "0")

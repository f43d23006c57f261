"""What time it is by the server: its Date header, and how far it is believed. Pure; the clock comes in as an argument.

Servers refuse what is dated by a wrong clock, so theirs is taken over when ours may be why. But it is the server that says it, and a
token is made for the time that we believe: no more than a day is taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum

LARGEST_SKEW = timedelta(hours=24)
TOO_FAR = "The server's clock and this machine's differ by more than a day, which may be why: set the clock"
"""For messages."""


class Lesson(Enum):
    """What came of looking at a server's clock."""

    NOTHING = "nothing"
    LEARNT = "learnt"
    TOO_FAR = "too far"


def parse_server_date(text: str) -> datetime:
    """Read a date as HTTP headers have it; aware, UTC. Raises ValueError, also for times that cannot be told in UTC."""
    try:
        moment = parsedate_to_datetime(text)
        # "-0000" is UTC too; without an offset it would be taken for this machine's time zone.
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError, LookupError):
        raise ValueError("no date") from None


class ServerClock:
    """Our clock as the server corrected it. ``clock`` gives aware UTC time; a difference up to ``tolerance`` changes nothing."""

    def __init__(self, clock: Callable[[], datetime], tolerance: timedelta) -> None:
        self._clock = clock
        self._tolerance = tolerance
        self._skew = timedelta(0)

    def now(self) -> datetime:
        """The time by the server's clock, as far as it is known."""
        return self._clock() + self._skew

    def learn(self, date: str) -> Lesson:
        """Take over the server's clock from its Date header ("" = it has none)."""
        try:
            skew = parse_server_date(date) - self._clock()
        except ValueError:
            return Lesson.NOTHING
        if abs(skew) > LARGEST_SKEW:
            return Lesson.TOO_FAR
        if abs(skew - self._skew) <= self._tolerance:
            return Lesson.NOTHING
        self._skew = skew
        return Lesson.LEARNT

    def forget(self) -> None:
        """Go by our own clock again."""
        self._skew = timedelta(0)

"""Whose clock is gone by, and how far a server's is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from videovector_operator.storage.server_clock import Lesson, ServerClock, parse_server_date

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def date(skew: timedelta) -> str:
    return format_datetime(NOW + skew, usegmt=True)


def test_dates_are_read_in_utc() -> None:
    for text in ("Mon, 04 May 2026 03:02:01 GMT", "Mon, 04 May 2026 05:02:01 +0200", "Mon, 04 May 2026 03:02:01 -0000"):
        assert parse_server_date(text) == NOW


NO_DATES = {
    "nothing": "",
    "words": "yesterday",
    "behind the last time": "Fri, 31 Dec 9999 23:59:59 -2300",
    "an offset of years": "Mon, 04 May 2026 03:02:01 +99999999",
    "a year without end": f"Mon, 04 May {'9' * 5000} 03:02:01 GMT",
    "a 13th month's day": "Mon, 40 May 2026 03:02:01 GMT",
    "commas": ",,,,,",
    "spaces": "   ",
}


@pytest.mark.parametrize("case", NO_DATES)
def test_what_is_no_date_is_a_value_error(case: str) -> None:
    with pytest.raises(ValueError, match="no date"):
        parse_server_date(NO_DATES[case])
    clock = ServerClock(lambda: NOW, timedelta(minutes=1))
    assert clock.learn(NO_DATES[case]) is Lesson.NOTHING
    assert clock.now() == NOW


def test_a_clock_is_learnt_and_corrected() -> None:
    clock = ServerClock(lambda: NOW, timedelta(minutes=1))
    assert clock.learn(date(timedelta(seconds=50))) is Lesson.NOTHING
    assert clock.now() == NOW
    for skew in (timedelta(hours=2), timedelta(hours=-3), timedelta(hours=23, minutes=59), timedelta(0)):
        assert clock.learn(date(skew)) is Lesson.LEARNT
        assert clock.now() == NOW + skew
    clock.learn(date(timedelta(hours=2)))
    clock.forget()
    assert clock.now() == NOW


@pytest.mark.parametrize("skew", [timedelta(hours=24, seconds=1), timedelta(days=-2), timedelta(days=365 * 100)])
def test_no_more_than_a_day_is_believed(skew: timedelta) -> None:
    clock = ServerClock(lambda: NOW, timedelta(minutes=1))
    assert clock.learn(date(skew)) is Lesson.TOO_FAR
    assert clock.now() == NOW

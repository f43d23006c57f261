"""What a server's Retry-After means, in every form that servers send and some that make no sense."""

from __future__ import annotations

import pytest

from videovector_operator.storage.retry_after import parse_retry_after

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
CASES = {
    "seconds": ("7", 7.0),
    "a fraction": ("0.5", 0.5),
    "none": ("", 1.0),
    "a date": ("Wed, 21 Oct 2026 07:29:30 GMT", 90.0),
    "a date of another zone": ("Wed, 21 Oct 2026 09:28:10 +0200", 10.0),
    "a date that is past": ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0),
    "a date in years": ("Thu, 21 Oct 2027 07:28:00 GMT", 3600.0),
    "a date that is none": ("Fri, 31 Dec 9999 23:59:59 -2300", 1.0),
    "words": ("soon", 1.0),
    "negative": ("-5", 0.0),
    "for ever": ("inf", 3600.0),
    "not a number": ("nan", 0.0),
    "digits without end": ("9" * 5000, 3600.0),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_read(case: str) -> None:
    text, seconds = CASES[case]
    assert parse_retry_after({"retry-after": text, "date": DATE}) == seconds


def test_a_date_says_nothing_without_the_servers_own() -> None:
    assert parse_retry_after({"retry-after": DATE}) == 1.0
    assert parse_retry_after({"retry-after": DATE, "date": "today"}) == 1.0
    assert parse_retry_after({}) == 1.0

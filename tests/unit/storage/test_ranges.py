"""Replies to ranged reads: the bytes that were asked for, or an error; never an exception of another kind."""

from __future__ import annotations

import pytest

from videovector_operator.errors import Invalid, Unavailable
from videovector_operator.storage.ranges import decode_range
from videovector_operator.storage.request import Reply

ENDLESS = "9" * 5000


def part(said: str, data: bytes = b"0123456789") -> Reply:
    return Reply(206, {"content-range": said}, data)


@pytest.mark.parametrize("said", ["bytes 0-9/10", "bytes 0-9/*", "bytes 0-9/9223372036854775807"])
def test_the_range_that_was_asked_for(said: str) -> None:
    assert decode_range("a", 0, 10, part(said)) == b"0123456789"


@pytest.mark.parametrize(
    "said",
    [
        "",
        f"bytes 0-9/{ENDLESS}",
        f"bytes 0-{ENDLESS}/10",
        f"bytes {ENDLESS}-9/10",
        "bytes 0-9/10 and more",
        "bytes 0-9/99999999999999999999",
        "elephants 0-9/10",
        "bytes */10",
    ],
)
def test_a_range_that_makes_no_sense(said: str) -> None:
    with pytest.raises(Invalid, match="which bytes"):
        decode_range("a", 0, 10, part(said))


def test_other_bytes_and_too_few() -> None:
    with pytest.raises(Invalid, match="other bytes"):
        decode_range("a", 0, 10, part("bytes 1-10/20"))
    with pytest.raises(Unavailable, match="too few"):
        decode_range("a", 0, 10, part("bytes 0-9/10", b"01234"))
    with pytest.raises(Unavailable, match="too few"):
        decode_range("a", 0, 10, part("bytes 0-4/10", b"01234"))


def test_nothing_behind_the_end_and_a_range_that_was_ignored() -> None:
    assert decode_range("a", 10, 10, Reply(416, {})) == b""
    assert decode_range("a", 0, 3, Reply(200, {}, b"012")) == b"012"

"""What every store refuses before any request, and says of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from videovector_operator.errors import Invalid
from videovector_operator.storage.object_key import (
    refuse_bad_content_type,
    refuse_bad_expiry,
    refuse_bad_key,
    refuse_bad_prefix,
)

BAD = {
    "a byte too long": ("x" * 1025, "at most 1024 bytes"),
    "too long in bytes": ("é" * 513, "has 1026"),
    "half of a pair": ("a\ud800", "not valid Unicode"),
    "10 MB": ("x" * 10_000_000, "at most 1024 bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_keys_and_prefixes_that_cannot_be(case: str) -> None:
    text, words = BAD[case]
    for refuse in (refuse_bad_key, refuse_bad_prefix):
        with pytest.raises(Invalid, match=words) as refused:
            refuse(text)
        assert refused.value.message.isprintable()
        assert len(refused.value.message) < 200


def test_a_key_has_at_least_a_byte_and_a_prefix_may_have_none() -> None:
    with pytest.raises(Invalid, match="empty"):
        refuse_bad_key("")
    refuse_bad_prefix("")


@pytest.mark.parametrize("key", ["x" * 1024, "é" * 512, "..", "/", "//", "a\0b", "\n", "%2e%2e", " "])
def test_everything_else_is_a_key(key: str) -> None:
    refuse_bad_key(key)
    refuse_bad_prefix(key)


@pytest.mark.parametrize("seconds", [1, 60, 7 * 86_400])
def test_how_long_a_url_may_last(seconds: int) -> None:
    refuse_bad_expiry(timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [0, 0.5, -1, 7 * 86_400 + 1])
def test_how_long_it_may_not(seconds: float) -> None:
    with pytest.raises(Invalid, match="7 days"):
        refuse_bad_expiry(timedelta(seconds=seconds))


@pytest.mark.parametrize("text", ["video/mp4", 'text/plain; charset="utf-8"', "x"])
def test_content_types(text: str) -> None:
    refuse_bad_content_type(text)


@pytest.mark.parametrize("text", ["", "a\r\nb: c", "a\nb", "é/x", "x" * 256, "a\0", "a\x7f"])
def test_what_is_no_content_type(text: str) -> None:
    with pytest.raises(Invalid, match="content type"):
        refuse_bad_content_type(text)

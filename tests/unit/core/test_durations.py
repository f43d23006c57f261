from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.api.v1alpha1.connector import ConnectorSpec
from videovector_operator.core.durations import parse_duration

PATTERN = re.compile(r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+\Z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("1m5ms", timedelta(minutes=1, milliseconds=5)),
        ("0s", timedelta()),
        ("168h", timedelta(days=7)),
    ],
)
def test_go_durations(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "10", "m", "-5m", "5 m", "1d", "5m ", "x5m", "5m\n", ".5h", "1e3s", "٣s"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration(text)


def test_what_is_longer_than_time_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        parse_duration("9" * 30 + "h")


@given(st.from_regex(PATTERN).filter(lambda text: len(text) <= 32))
def test_all_that_the_crd_lets_in_is_read_or_refused_by_value(text: str) -> None:
    spec = {"provider": "s3", "s3": {"bucket": "abc", "region": "x"}, "validationInterval": text}
    assert ConnectorSpec.model_validate(spec).validation_interval == text
    parsed = parse(text)
    assert parsed is None or parsed >= timedelta()


def parse(text: str) -> timedelta | None:
    """The duration, or None if it is too long to be one."""
    try:
        return parse_duration(text)
    except ValueError as error:
        if "longer than" not in str(error):
            raise
        return None

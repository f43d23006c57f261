"""A log that is taken up where it broke: every line once, whatever its times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.cli.log_position import LogPosition
from videovector_operator.cli.ports import LogQuery

QUERY = LogQuery(follow=True, tail=5, timestamps=True)
TIMES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", ".000000001", ".5", ".500000000"])), max_size=12)


def stamped(times: list[tuple[int, str]], zones: str = "Z") -> list[str]:
    """Lines in the order of their times, each with a number."""
    ordered = sorted(times, key=lambda time: (time[0], time[1].removeprefix(".").ljust(9, "0")))
    return [f"2026-01-01T00:00:0{second}{part}{zones} line {n}" for n, (second, part) in enumerate(ordered)]


def since(lines: list[str], query: LogQuery) -> list[str]:
    """What a kubelet sends again: from a whole second on."""
    return [line for line in lines if query.since is None or f"{line[:19]}Z" >= query.since]


@given(TIMES, st.lists(st.integers(0, 12), max_size=5))
def test_every_line_comes_once(times: list[tuple[int, str]], breaks: list[int]) -> None:
    lines, position, seen = stamped(times), LogPosition(), []
    for length in [*breaks, len(lines)]:
        found = [position.advance(line) for line in since(lines, position.resume(QUERY))[:length]]
        seen += [line for line in found if line is not None]
    assert seen == [f"line {n}" for n in range(len(lines))]


def test_the_first_query_is_the_users_and_later_ones_go_on() -> None:
    position = LogPosition()
    assert position.resume(QUERY) == QUERY
    position.advance("2026-01-01T01:30:07.25+02:00 line")
    assert position.resume(QUERY) == LogQuery(follow=True, since="2025-12-31T23:30:07Z", timestamps=True)


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    position = LogPosition()
    lines = ["2026-01-01T00:00:09Z one", "2026-01-01T00:00:03Z two", "2026-01-01T00:00:04Z three"]
    assert [position.advance(line) for line in lines] == ["one", "two", "three"]


@pytest.mark.parametrize("line", ["", "no time", "2026-13-45T99:00:00Z odd", "2026-01-01 00:00:00 other"])
def test_lines_without_a_time_are_news(line: str) -> None:
    position = LogPosition()
    position.advance("2026-01-01T00:00:00Z one")
    position.resume(QUERY)
    assert position.advance(line) == line


def test_a_line_keeps_its_blanks() -> None:
    assert LogPosition().advance("2026-01-01T00:00:00.123456789Z  two blanks ") == " two blanks "

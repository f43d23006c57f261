"""The tests' own measure of a promise in seconds: one late look in twenty is the machine's, two are ours."""

from __future__ import annotations

import pytest

from tests.support.promptness import Promptness


def test_one_late_look_is_forgiven_and_the_second_is_not() -> None:
    prompt = Promptness(5.0)
    for seconds in (0.1, 4.9, 5.0, 7.0, 0.2):
        prompt.note("Connector a", seconds)
    with pytest.raises(
        AssertionError, match=r"promised within 5 s: Connector a after 7\.0 s, Connector b after 5\.1 s"
    ):
        prompt.note("Connector b", 5.1)
    prompt.note("Connector c", 1.0)


def test_of_many_looks_some_may_be_late() -> None:
    prompt = Promptness(5.0)
    for _ in range(60):
        prompt.note("Connector a", 1.0)
    for _ in range(4):
        prompt.note("Connector a", 6.0)
    with pytest.raises(AssertionError):
        prompt.note("Connector a", 6.0)

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.core.retry import backoff_seconds, spread_unit


@pytest.mark.parametrize(
    ("failures", "expected"), [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0), (10, 300.0), (10_000, 300.0)]
)
def test_the_wait_doubles_up_to_its_cap(failures: int, expected: float) -> None:
    assert backoff_seconds(failures, first=1.0, cap=300.0) == pytest.approx(expected)


@given(
    failures=st.integers(-5, 10_000),
    first=st.floats(0.1, 60),
    cap=st.floats(60, 3600),
    unit=st.floats(0, 1, exclude_max=True),
)
def test_the_wait_is_positive_near_its_cap_at_most_and_never_shrinks(
    failures: int, first: float, cap: float, unit: float
) -> None:
    wait = backoff_seconds(failures, first=first, cap=cap, random_unit=unit)
    assert 0 < wait <= cap * 1.2 + 1e-9
    assert backoff_seconds(failures + 1, first=first, cap=cap, random_unit=unit) >= wait


@pytest.mark.parametrize(("unit", "expected"), [(0.0, 8.0), (0.5, 10.0), (1.0, 12.0)])
def test_jitter_spreads_by_a_fifth_both_ways(unit: float, expected: float) -> None:
    assert backoff_seconds(1, first=10.0, cap=60.0, random_unit=unit) == pytest.approx(expected)


@given(st.text())
def test_an_identity_has_one_place_in_the_interval(identity: str) -> None:
    assert 0 <= spread_unit(identity) < 1
    assert spread_unit(identity) == spread_unit(identity)


def test_identities_are_spread_over_the_interval() -> None:
    units = sorted(spread_unit(str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number)))) for number in range(1000))
    assert all(abs(unit - place / 1000) < 0.1 for place, unit in enumerate(units))

"""Azure's two orders of names, and what is done while it is not known which."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.storage.azure_order import AzureOrder

FLAT = [
    "Path A",
    "Path A-B",
    "Path A-B-C",
    "Path A-B/dat2",
    "Path A.C",
    "Path A/dat1",
    "Path AB",
    "Path AB.txt",
    "Path AB/AB",
]
HIERARCHICAL = [
    "Path A",
    "Path A/dat1",
    "Path A-B",
    "Path A-B/dat2",
    "Path A-B-C",
    "Path A.C",
    "Path AB",
    "Path AB/AB",
    "Path AB.txt",
]
UTF_16 = ["a\U0001f3ac", "a\ufb01"]
"""Azure compares UTF-16 units: a pair of surrogates comes before U+FB01."""
NAMES = st.text("a/-.0\u00e9\ufb01\U0001f3ac", min_size=1, max_size=6)


def test_the_flat_order() -> None:
    order = AzureOrder()
    assert order.is_sorted(FLAT)
    assert order.is_hierarchical is None
    assert order.is_sorted(UTF_16)
    assert not order.is_sorted(["b", "a"])


def test_the_hierarchical_order_shows_by_itself() -> None:
    order = AzureOrder()
    assert order.is_sorted(HIERARCHICAL)
    assert order.is_hierarchical is True
    assert not order.is_sorted(FLAT)


def test_a_known_order_is_the_only_one() -> None:
    assert not AzureOrder(is_hierarchical=False).is_sorted(HIERARCHICAL)
    assert not AzureOrder(is_hierarchical=True).is_sorted(FLAT)


@pytest.mark.parametrize("names", [FLAT, HIERARCHICAL])
def test_behind_and_last_in_a_known_order(names: list[str]) -> None:
    order = AzureOrder(is_hierarchical=names is HIERARCHICAL)
    for index, last in enumerate(names):
        assert [name for name in names if order.is_behind(name, last)] == names[index + 1 :]
    assert order.last_of(random.Random(7).sample(names, len(names))) == names[-1]


@given(names=st.lists(NAMES, min_size=2, max_size=8, unique=True), hierarchical=st.booleans())
def test_nothing_is_lost_while_the_order_is_unknown(names: list[str], hierarchical: bool) -> None:
    truth, unsure = AzureOrder(is_hierarchical=hierarchical), AzureOrder()
    listed = sorted(names, key=lambda name: [truth.is_behind(name, other) for other in names].count(True))
    assert truth.is_sorted(listed)
    for index, last in enumerate(listed):
        assert all(unsure.is_behind(name, last) for name in listed[index + 1 :])
    # What is said to be the last is never behind what really is.
    reached = unsure.last_of(listed[-2:])
    assert reached == listed[-1] or truth.is_behind(listed[-1], reached)

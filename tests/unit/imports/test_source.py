"""Whose trouble it is: the file's, or its source's."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.imports.worlds import QUICK
from videovector_operator.imports.source import Suspicion

# Each failure: (answers to all readers so far, whether the bucket can be listed); QUICK: 2 beside reads, 3 beside listings.
SUSPICIONS: dict[str, tuple[Sequence[tuple[int, bool]], bool]] = {
    "one failure says nothing": ([(1, True)], False),
    "two failures while others are read": ([(1, True), (2, True)], True),
    "failures before an outage ended count nothing": ([(0, False), (0, False), (5, True)], False),
    "an outage is nobody's fault, however long": ([(0, False)] * 50, False),
    "an outage in between begins anew": ([(1, True), (1, False), (2, True)], False),
    "alone in a bucket that can be listed": ([(0, True), (0, True), (0, True)], True),
    "alone, and the bucket comes and goes": ([(0, True), (0, False), (0, True), (0, False), (0, True)], False),
}


@pytest.mark.parametrize("sentence", SUSPICIONS)
def test_suspicion(sentence: str) -> None:
    failures, expected = SUSPICIONS[sentence]
    suspicion = Suspicion(QUICK, 0)
    verdicts = [suspicion.grows(reads, can_be_listed=listed) for reads, listed in failures]
    assert verdicts[-1] is expected
    assert not any(verdicts[:-1])

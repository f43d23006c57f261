from __future__ import annotations

import pytest

from tests.support.samples import make_connector
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core.conditions import State
from videovector_operator.core.turns import Place, check_turn, ordinal

LIMITED = make_connector(maxConcurrentRuns=3)
TURNS = {
    "no limit, no queue": (make_connector(), Place(40, is_certain=False, is_refused=True), True),
    "the first": (LIMITED, Place(1), True),
    "the second": (LIMITED, Place(2), False),
    "the last of many": (LIMITED, Place(1000), False),
    "the first, but one before it is not known": (LIMITED, Place(1, is_certain=False), False),
    "the first, but all places are taken": (LIMITED, Place(1, is_refused=True), False),
}


@pytest.mark.parametrize("name", TURNS)
def test_who_may_ask_to_begin(name: str) -> None:
    connector, place, may_ask = TURNS[name]
    verdict = check_turn(connector, place)
    assert (verdict is None) is may_ask
    if verdict is not None:
        assert (verdict.state, verdict.reason, verdict.succeeded) == (State.PROGRESSING, Reason.QUEUED, "Unknown")


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (1, "1st in the queue of Connector 'footage' (maxConcurrentRuns 3): it begins when an active run has ended"),
        (
            3,
            "3rd in the queue of Connector 'footage' (maxConcurrentRuns 3): "
            "it begins when those before it have begun and another run has ended",
        ),
    ],
)
def test_the_message_says_where_and_what_for(position: int, message: str) -> None:
    verdict = check_turn(LIMITED, Place(position, is_refused=True))
    assert verdict is not None
    assert verdict.message == message


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (10, "10th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (101, "101st"),
        (111, "111th"),
        (112, "112th"),
        (1003, "1003rd"),
    ],
)
def test_ordinals(number: int, word: str) -> None:
    assert ordinal(number) == word

"""The checker itself: it must see every fault that it is there for, and be silent about good statuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kstatus import check_status, check_step, compute_kstatus

Json = dict[str, Any]


def condition(kind: str, status: str, generation: int = 2, since: str = "2026-01-01T00:00:00Z") -> Json:
    return {"type": kind, "status": status, "observedGeneration": generation, "lastTransitionTime": since}


def an_object(*conditions: Json, observed: int | None = 2, deleting: bool = False) -> Json:
    meta: Json = {"generation": 2, "uid": "u"}
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status: Json = {"conditions": list(conditions)}
    if observed is not None:
        status["observedGeneration"] = observed
    return {"metadata": meta, "status": status}


READY = condition("Ready", "True")
UNKNOWN = condition("Ready", "Unknown")
NOT_READY = condition("Ready", "False")
RECONCILING = condition("Reconciling", "True")
STALLED = condition("Stalled", "True")

GOOD = {
    "never seen": an_object(observed=-1),
    "ready": an_object(READY),
    "in progress, first generation": an_object(UNKNOWN, RECONCILING, observed=-1),
    "in progress again": an_object(UNKNOWN, RECONCILING, observed=1),
    "retrying": an_object(NOT_READY, RECONCILING, observed=1),
    "stalled": an_object(NOT_READY, STALLED),
    "a run that ended well": an_object(READY, condition("Succeeded", "True")),
    "a run that failed": an_object(NOT_READY, STALLED, condition("Succeeded", "False")),
}

BAD = {
    "Ready beside Reconciling": (an_object(READY, RECONCILING), "Ready is True beside Reconciling"),
    "Ready beside Stalled": (an_object(READY, STALLED), "Ready is True beside Stalled"),
    "no Ready": (an_object(RECONCILING), "Ready is missing"),
    "Stalled with Ready Unknown": (an_object(UNKNOWN, STALLED), "Ready is not False"),
    "Reconciling and Stalled": (an_object(NOT_READY, RECONCILING, STALLED), "both there"),
    "Reconciling False": (an_object(READY, condition("Reconciling", "False")), "absent unless true"),
    "Stalled False": (an_object(READY, condition("Stalled", "False")), "absent unless true"),
    "Unknown without Reconciling": (an_object(UNKNOWN), "without Reconciling"),
    "status ahead of the object": (an_object(READY, observed=3), "ahead of the generation"),
    "condition ahead of the object": (an_object(condition("Ready", "True", 3)), "ahead of the generation"),
    "Ready for an older generation": (an_object(READY, observed=1), "behind the generation"),
    "Ready with conditions of two generations": (
        an_object(READY, condition("Succeeded", "True", 1)),
        "several generations",
    ),
    "a type twice": (an_object(READY, READY), "twice"),
    "observed without a word": (an_object(observed=2), "there are no conditions"),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_statuses_break_no_rule(name: str) -> None:
    assert check_status(GOOD[name], end_of_pass=True) == []


@pytest.mark.parametrize("name", BAD)
def test_bad_statuses_are_named(name: str) -> None:
    sample, expected = BAD[name]
    assert any(expected in problem for problem in check_status(sample, end_of_pass=True))


def test_ready_for_an_older_generation_is_fine_until_the_pass_has_ended() -> None:
    sample = an_object(condition("Ready", "True", 1), observed=1)
    assert check_status(sample, end_of_pass=False) == []
    assert check_status(sample, end_of_pass=True) != []


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (an_object(READY, deleting=True), "Terminating"),
        (an_object(READY, observed=1), "InProgress"),
        (an_object(observed=-1), "InProgress"),
        (an_object(READY, observed=None), "Current"),
        (an_object(READY), "Current"),
        (an_object(UNKNOWN), "InProgress"),
        (an_object(NOT_READY), "InProgress"),
        (an_object(NOT_READY, RECONCILING), "InProgress"),
        (an_object(NOT_READY, STALLED), "Failed"),
        (an_object(), "Current"),
        ({"metadata": {"generation": 1}}, "Current"),
    ],
)
def test_kstatus(sample: Json, expected: str) -> None:
    assert compute_kstatus(sample) == expected


LATER = "2026-01-02T00:00:00Z"
STEPS = {
    "a new object becomes ready": (None, an_object(READY), ""),
    "progress keeps the older generation": (
        an_object(READY, observed=1),
        an_object(UNKNOWN, RECONCILING, observed=1),
        "",
    ),
    "stalled is an end": (an_object(UNKNOWN, RECONCILING, observed=1), an_object(NOT_READY, STALLED), ""),
    "a namesake starts anew": (
        {**an_object(READY), "metadata": {"uid": "before", "generation": 9}},
        an_object(UNKNOWN, RECONCILING, observed=-1),
        "",
    ),
    "observed while still going on": (
        an_object(UNKNOWN, RECONCILING, observed=1),
        an_object(UNKNOWN, RECONCILING),
        "neither Ready nor Stalled",
    ),
    "observed goes back": (an_object(READY), an_object(READY, observed=1), "went back"),
    "a time that moves by itself": (
        an_object(READY),
        an_object(condition("Ready", "True", since=LATER)),
        "lastTransitionTime of Ready moved",
    ),
    "a time that moves with the status": (
        an_object(NOT_READY, STALLED),
        an_object(condition("Ready", "True", since=LATER)),
        "",
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps(name: str) -> None:
    before, after, expected = STEPS[name]
    problems = check_step(before, after)
    assert (expected in " ".join(problems)) if expected else problems == []

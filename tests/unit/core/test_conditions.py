from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.kstatus import check_status, check_step, compute_kstatus
from tests.support.samples import NOW
from videovector_operator.api.v1alpha1.common import Condition, Status
from videovector_operator.api.v1alpha1.reasons import ConditionType, Reason
from videovector_operator.core import conditions
from videovector_operator.core.conditions import State, Verdict

WHAT_OTHERS_READ = {
    State.READY: ("True", set(), "Current"),
    State.PROGRESSING: ("Unknown", {"Reconciling"}, "InProgress"),
    State.RETRYING: ("False", {"Reconciling"}, "InProgress"),
    State.STALLED: ("False", {"Stalled"}, "Failed"),
}

verdicts = st.builds(
    Verdict,
    st.sampled_from(State),
    st.sampled_from(Reason),
    st.text(max_size=3000),
    st.sampled_from([None, "True", "False", "Unknown"]),
)


def publish(verdict: Verdict, before: dict[str, Any], at: float = 0.0) -> dict[str, Any]:
    """One pass over an object: what its next form is."""
    status = Status.model_validate(before["status"])
    generation = before["metadata"]["generation"]
    after = Status(
        observed_generation=conditions.observed_generation(
            verdict, previous=status.observed_generation, generation=generation
        ),
        conditions=conditions.build_conditions(
            verdict, previous=status.conditions, generation=generation, now=NOW + timedelta(seconds=at)
        ),
    )
    return {"metadata": before["metadata"], "status": after.model_dump(mode="json", by_alias=True)}


def new_object() -> dict[str, Any]:
    return {"metadata": {"generation": 1, "uid": "u"}, "status": {"observedGeneration": -1}}


@pytest.mark.parametrize("state", State)
def test_each_state_reads_as_the_table_says(state: State) -> None:
    after = publish(Verdict(state, Reason.PENDING, "words"), new_object())
    ready, beside, kstatus = WHAT_OTHERS_READ[state]
    found = {c["type"]: c for c in after["status"]["conditions"]}
    assert found["Ready"]["status"] == ready
    assert set(found) - {"Ready"} == beside
    assert compute_kstatus(after) == kstatus


@given(st.lists(st.tuples(verdicts, st.booleans()), min_size=1, max_size=5))
def test_every_sequence_of_verdicts_keeps_the_rules_of_kstatus_and_flux(passes: list[tuple[Verdict, bool]]) -> None:
    seen = new_object()
    for number, (verdict, spec_changed) in enumerate(passes):
        if spec_changed:
            seen = {**seen, "metadata": {**seen["metadata"], "generation": seen["metadata"]["generation"] + 1}}
        after = publish(verdict, seen, at=number)
        assert check_status(after, end_of_pass=True) == []
        assert check_step(seen, after) == []
        seen = after


@given(verdicts)
def test_the_same_verdict_again_changes_nothing(verdict: Verdict) -> None:
    once = publish(verdict, new_object())
    assert publish(verdict, once, at=3600) == once


def test_retrying_says_so_and_keeps_the_reason_at_ready() -> None:
    found = publish(conditions.retrying(Reason.STORAGE_THROTTLED, "slow down"), new_object())["status"]["conditions"]
    reasons = {c["type"]: (c["reason"], c["message"]) for c in found}
    assert reasons == {
        "Ready": ("StorageThrottled", "slow down"),
        "Reconciling": ("ProgressingWithRetry", "slow down"),
    }


def test_a_run_says_beside_it_whether_it_succeeded() -> None:
    verdict = conditions.ready(Reason.COMPLETED, "done", "True")
    built = conditions.build_conditions(verdict, previous=(), generation=1, now=NOW)
    assert [(c.type, c.status) for c in built] == [("Ready", "True"), ("Succeeded", "True")]


def test_long_messages_are_cut_with_an_ellipsis() -> None:
    built = conditions.build_conditions(
        conditions.ready(Reason.COMPLETED, "x" * 5000), previous=(), generation=1, now=NOW
    )
    assert len(built[0].message) == 2048
    assert built[0].message.endswith("…")


@pytest.mark.parametrize(("limit", "expected"), [(3, "abc"), (2, "a…"), (1, "…")])
def test_shorten(limit: int, expected: str) -> None:
    assert conditions.shorten("abc", limit) == expected


def test_finding_conditions() -> None:
    stalled = Condition(type="Stalled", status="True", reason="X", last_transition_time=NOW)
    ready = Condition(type="Ready", status="False", reason="X", last_transition_time=NOW)
    assert conditions.find_condition((ready, stalled), ConditionType.STALLED) is stalled
    assert conditions.find_condition((ready,), ConditionType.STALLED) is None
    assert conditions.is_true((ready, stalled), ConditionType.STALLED)
    assert not conditions.is_true((ready, stalled), ConditionType.READY)
    assert not conditions.is_true((), ConditionType.READY)


def test_times_have_whole_seconds() -> None:
    verdict = conditions.ready(Reason.COMPLETED, "done")
    (built,) = conditions.build_conditions(
        verdict, previous=(), generation=1, now=NOW + timedelta(microseconds=123_456)
    )
    assert built.last_transition_time == NOW

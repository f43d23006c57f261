"""How a run ends that its workers do not end, and that it is left alone from then on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.samples import make_connector, make_import, make_run, ready_status
from tests.unit.core.seen_imports import (
    CANCELLED,
    CANCELLING,
    CHILD,
    FRESH,
    GIVEN_UP,
    LET_GO,
    PAUSE,
    PHASES,
    WAITING,
    seen,
)
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core.import_seen import ChildJob, Observed
from videovector_operator.core.importjob import (
    Action,
    Decision,
    EndRun,
    PatchChild,
    RequestCancel,
    StopChild,
    decide_import,
)
from videovector_operator.core.lost_access import LostAccess
from videovector_operator.core.records import RunState

FAILED = replace(CHILD, failed=True, ready=0, failed_reason="BackoffLimitExceeded", failed_message="too many failures")
STUCK = replace(CHILD, ready=0, trouble="Secret 'keys', which the pods need, is not there; create it again")
GOING = make_connector(status=ready_status(), meta={"deletionTimestamp": "2026-05-01T00:00:00Z"})


def without_access(fate: str) -> EndRun:
    message = (
        f"Connector 'footage' {fate}, and Secret 'keys', which the pods need, has not been there for 5 minutes: no worker can "
        "start. What was imported stays; create both, then a new ImportJob for the rest"
    )
    return EndRun(RunState.FAILED, Reason.CONNECTOR_DELETED, message)


LOST_ACCESS: dict[str, tuple[ImportJob, Observed, LostAccess, tuple[Action, ...]]] = {
    "it may come back: wait": (make_import(), seen(run=make_run(), child=STUCK, connector=None), WAITING, ()),
    "it may come back, and the Job gets its ttl meanwhile": (
        make_import(ttlSecondsAfterFinished=60),
        seen(run=make_run(), child=STUCK, connector=None),
        WAITING,
        (PatchChild(suspend=False, ttl_seconds=60),),
    ),
    "it does not come back: end it": (
        make_import(),
        seen(run=make_run(), child=STUCK, connector=None),
        GIVEN_UP,
        (without_access("is gone"),),
    ),
    "no worker ever began: end it too": (
        make_import(),
        seen(run=make_run(RunState.PENDING), child=STUCK, connector=None),
        GIVEN_UP,
        (without_access("is gone"),),
    ),
    "its Connector is held by somebody: end it too": (
        make_import(),
        seen(run=make_run(), child=STUCK, connector=GOING),
        GIVEN_UP,
        (without_access("is being deleted"),),
    ),
    "it is cancelled: end it as cancelled": (
        make_import(cancel=True),
        seen(run=CANCELLING, child=STUCK, connector=None),
        GIVEN_UP,
        (CANCELLED,),
    ),
    "it has ended: end its Job": (
        make_import(),
        seen(run=make_run(RunState.FAILED), child=STUCK, connector=None),
        GIVEN_UP,
        (StopChild(),),
    ),
}


@pytest.mark.parametrize("name", LOST_ACCESS)
def test_a_run_that_has_lost_its_access(name: str) -> None:
    job, observed, lost, expected = LOST_ACCESS[name]
    assert decide_import(job, observed, lost) == Decision(expected)


def ending_of(job: ImportJob, **changes: Any) -> EndRun:
    (action,) = decide_import(job, seen(**changes)).actions
    assert isinstance(action, EndRun)
    return action


def test_a_failed_job_ends_the_run_and_says_where_to_look() -> None:
    trouble = replace(FAILED, trouble="pod p: OOMKilled: out of memory")
    action = ending_of(make_import(), run=make_run(), child=trouble)
    assert (action.state, action.reason) == (RunState.FAILED, Reason.WORKER_FAILED)
    assert action.message == (
        "the worker Job vv-import-x-1 failed: too many failures; pod p: OOMKilled: out of memory. "
        "See: kubectl logs job/vv-import-x-1. What was imported stays; a new ImportJob imports the rest"
    )


@pytest.mark.parametrize(
    ("child", "words"),
    [
        (replace(FAILED, failed_message=""), "failed: BackoffLimitExceeded."),
        (replace(FAILED, failed_message="", failed_reason=""), "failed: its pods ended before the work was done."),
        (replace(CHILD, complete=True), "failed: its pods ended before the work was done."),
    ],
)
def test_a_job_that_ended_without_a_word_ends_the_run_too(child: ChildJob, words: str) -> None:
    assert words in ending_of(make_import(), run=make_run(), child=child).message


def test_a_job_that_fails_while_the_run_is_cancelled_ends_it_as_cancelled() -> None:
    action = ending_of(make_import(cancel=True), run=CANCELLING, child=FAILED)
    assert (action.state, action.reason) == (RunState.CANCELLED, Reason.CANCELLED)
    decision = decide_import(make_import(cancel=True), seen(run=make_run(), child=FAILED))
    assert decision.actions == (RequestCancel(), EndRun(RunState.CANCELLED, Reason.CANCELLED, action.message))


TERMINAL = [state for state in RunState if state.is_terminal]


@pytest.mark.parametrize("state", TERMINAL)
def test_a_run_that_has_ended_is_left_alone(state: RunState) -> None:
    run = make_run(state)
    assert decide_import(make_import(), seen(run=run)) == Decision()
    assert decide_import(make_import(), seen(run=run, child=FAILED)) == Decision()
    assert decide_import(make_import(meta=PAUSE), seen(run=run, child=CHILD)) == Decision()


def test_the_job_of_a_run_that_has_ended_gets_another_ttl_and_is_never_left_suspended() -> None:
    run = make_run(RunState.COMPLETED)
    short = make_import(ttlSecondsAfterFinished=1)
    expected = Decision((PatchChild(suspend=False, ttl_seconds=1),))
    assert decide_import(short, seen(run=run, child=replace(CHILD, complete=True))) == expected
    assert decide_import(make_import(), seen(run=run, child=replace(CHILD, suspended=True))) == Decision((LET_GO,))


@pytest.mark.parametrize("state", TERMINAL)
def test_a_run_that_its_status_calls_ended_is_not_started_again_when_the_catalog_has_lost_it(state: RunState) -> None:
    job = make_import(status={"observedGeneration": 1, "phase": PHASES[state]}, generation=2)
    assert decide_import(job, FRESH) == Decision()

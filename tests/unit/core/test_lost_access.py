from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.samples import NOW, make_connector, make_import, make_run, ready_status
from videovector_operator.api.v1alpha1.common import Condition
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import conditions
from videovector_operator.core.conditions import State, Verdict
from videovector_operator.core.import_seen import ChildJob, Observed
from videovector_operator.core.lost_access import assess_loss, depends_on_mounts, judge_loss
from videovector_operator.core.notices import CONNECTOR_GONE
from videovector_operator.core.records import RunState

Json = dict[str, Any]
KEYS = "Secret 'keys'"
TROUBLE = f"{KEYS}, which the pods need, is not there; create it again, and they start"
STUCK = ChildJob(name="vv-import-x-1", active=1, trouble=TROUBLE)
GOING = make_connector(meta={"deletionTimestamp": "2026-05-01T00:00:00Z"})
LOST = Observed(None, None, STUCK, make_run())

DEPENDS: dict[str, tuple[ImportJob, Observed, bool]] = {
    "its Connector is gone, and no pod starts": (make_import(), LOST, True),
    "its Connector is going": (make_import(), replace(LOST, connector=GOING), True),
    "no worker has begun": (make_import(), replace(LOST, run=make_run(RunState.PENDING)), True),
    "its Connector is there": (make_import(), replace(LOST, connector=make_connector()), False),
    "there is no run": (make_import(), replace(LOST, run=None), False),
    "it has ended": (make_import(), replace(LOST, run=make_run(RunState.FAILED)), False),
    "a pod works": (make_import(), replace(LOST, child=replace(STUCK, ready=1)), False),
    "nothing is known to be wrong": (make_import(), replace(LOST, child=replace(STUCK, trouble="")), False),
    "it has no Job": (make_import(), replace(LOST, child=None), False),
    "its Job has failed": (make_import(), replace(LOST, child=replace(STUCK, failed=True)), False),
    "its Job is complete": (make_import(), replace(LOST, child=replace(STUCK, complete=True)), False),
    "its Job is suspended": (make_import(), replace(LOST, child=replace(STUCK, suspended=True)), False),
    "it is paused": (make_import(meta={"annotations": {"videovector.io/paused": "true"}}), LOST, False),
    "it is to be cancelled": (make_import(cancel=True), LOST, False),
    "it is being cancelled": (make_import(), replace(LOST, run=make_run(cancel_requested=True)), False),
}


@pytest.mark.parametrize("name", DEPENDS)
def test_whether_a_run_has_nothing_left_but_its_mounts_when(name: str) -> None:
    job, observed, expected = DEPENDS[name]
    assert depends_on_mounts(job, observed) is expected


def told(status: str, reason: str, seconds_ago: float = 0) -> ImportJob:
    """An import whose status has said so since then."""
    said = ready_status(status=status, reason=reason)
    moment = NOW - timedelta(seconds=seconds_ago)
    said["conditions"][0]["lastTransitionTime"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return make_import(status=said)


SINCE: dict[str, tuple[ImportJob, float, bool]] = {
    "nothing was said yet": (make_import(), 0, False),
    "it has just been working": (told("Unknown", "Importing", 900), 0, False),
    "other trouble of its pods was said before": (told("Unknown", "WorkerNotStarting", 900), 0, False),
    "an outage was said before": (told("False", "CatalogUnavailable", 900), 0, False),
    "it has been said for a moment": (told("False", "WorkerNotStarting", 3), 3, False),
    "it has been said for nearly five minutes": (told("False", "WorkerNotStarting", 299), 299, False),
    "it has been said for five minutes": (told("False", "WorkerNotStarting", 300), 300, True),
    "nobody has looked for a day": (told("False", "WorkerNotStarting", 86_400), 86_400, True),
    "the clock of the operator before was ahead": (told("False", "WorkerNotStarting", -60), -60, False),
}


@pytest.mark.parametrize("name", SINCE)
def test_how_long_something_has_been_missing_when(name: str) -> None:
    job, seconds_ago, is_over = SINCE[name]
    lost = assess_loss(job, KEYS, NOW)
    assert (lost.missing, lost.since, lost.is_over) == (KEYS, NOW - timedelta(seconds=seconds_ago), is_over)


def judge(job: ImportJob, observed: Observed = LOST) -> Verdict:
    return judge_loss(job, observed, assess_loss(job, KEYS, NOW))


def test_the_status_says_what_is_true_and_until_when() -> None:
    verdict = judge(make_import())
    assert (verdict.state, verdict.reason, verdict.succeeded) == (State.RETRYING, Reason.WORKER_NOT_STARTING, "Unknown")
    assert verdict.message == (
        "no worker is running: Secret 'keys', which the pods need, is not there; create it again, and they start. Connector "
        "'footage' is gone: the run goes on with the access it began with only if Secret 'keys' is there again by "
        "2026-05-01T12:05:00Z; if it is not, the run fails"
    )
    assert CONNECTOR_GONE in verdict.message, "its loss is worth an Event"
    assert judge(told("False", "WorkerNotStarting", 60)).message.endswith(
        "by 2026-05-01T12:04:00Z; if it is not, the run fails"
    )


def test_a_connector_that_somebody_holds_is_not_called_gone() -> None:
    message = judge(make_import(), replace(LOST, connector=GOING)).message
    assert "Connector 'footage' is being deleted: the run goes on with the access it began with only if" in message


def test_the_time_begins_anew_after_an_outage() -> None:
    """Ready was False for something else: it must be seen to become False for this."""
    now, history = NOW, []
    job = told("False", "CatalogUnavailable", 900)
    for _ in range(3):
        verdict = judge_loss(job, LOST, assess_loss(job, KEYS, now))
        built = conditions.build_conditions(verdict, previous=job.status.conditions, generation=1, now=now)
        job = make_import(status={"conditions": [c.model_dump(mode="json", by_alias=True) for c in built]})
        history.append(_ready(built))
        now += timedelta(seconds=3)
    assert [ready.status for ready in history] == ["Unknown", "False", "False"]
    assert [ready.last_transition_time for ready in history[1:]] == [NOW + timedelta(seconds=3)] * 2
    assert "12:05:03Z" in history[2].message


def _ready(built: tuple[Condition, ...]) -> Condition:
    return next(condition for condition in built if condition.type == "Ready")

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kstatus import check_status
from tests.support.samples import NOW, make_connector, make_import, make_index, make_run, ready_status
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import names
from videovector_operator.core.conditions import State
from videovector_operator.core.import_seen import ChildJob, Observed
from videovector_operator.core.import_status import ListsHint, summarize_import
from videovector_operator.core.importjob import (
    Action,
    AdmitRun,
    Decision,
    EndRun,
    EnsureChild,
    LimitRequests,
    PatchChild,
    RequestCancel,
    StopChild,
    build_run_spec,
    decide_import,
)
from videovector_operator.core.lost_access import LostAccess
from videovector_operator.core.records import RequestRate, RunCounters, RunState

Json = dict[str, Any]
PAUSE: Json = {"annotations": {"videovector.io/paused": "true"}}
CONNECTOR = make_connector(status=ready_status())
INDEX = make_index()
FRESH = Observed(connector=CONNECTOR, index=INDEX, child=None, run=None)
CHILD = ChildJob(name="vv-import-x-1", active=1, ready=1, ttl_seconds=86_400)
LET_GO = PatchChild(suspend=False, ttl_seconds=86_400)


def seen(**changes: Any) -> Observed:
    return replace(FRESH, **changes)


def limit_to(limit: int | None) -> LimitRequests:
    return LimitRequests(names.connector_id("media", "footage"), limit)


STARTS = {
    "all is there": (make_import(), FRESH),
    "the Index is not summarized yet": (make_import(), seen(index=make_index(status={"observedGeneration": -1}))),
    "an old request token is there": (make_import(meta={"annotations": {"videovector.io/requestedAt": "t"}}), FRESH),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_run_starts_when(name: str) -> None:
    job, observed = STARTS[name]
    decision = decide_import(job, observed)
    assert decision.blocked is None
    assert decision.actions == (AdmitRun(build_run_spec(job, CONNECTOR), None), EnsureChild(CONNECTOR), LET_GO)


def test_the_limit_of_requests_is_known_before_the_first_pod_may_start() -> None:
    limited = make_connector(maxRequestsPerSecond=50, status=ready_status())
    decision = decide_import(make_import(), seen(connector=limited))
    admit = AdmitRun(build_run_spec(make_import(), limited), None)
    assert decision.actions == (admit, limit_to(50), EnsureChild(limited), LET_GO)


BLOCKED: dict[str, tuple[ImportJob, Observed, State, Reason, str]] = {
    "there is no Connector": (
        make_import(),
        seen(connector=None),
        State.STALLED,
        Reason.CONNECTOR_NOT_FOUND,
        "spec.connectorRef.name: there is no Connector 'footage' in namespace 'media'; create it",
    ),
    "there is no Index": (
        make_import(),
        seen(index=None),
        State.STALLED,
        Reason.INDEX_NOT_FOUND,
        "spec.indexRef.name: there is no Index 'films' in namespace 'media'; create it",
    ),
    "the Index is being deleted": (
        make_import(),
        seen(index=make_index(meta={"deletionTimestamp": "2026-05-01T00:00:00Z"})),
        State.STALLED,
        Reason.INDEX_NOT_FOUND,
        "spec.indexRef.name: Index 'films' in namespace 'media' is being deleted; create it again",
    ),
    "the Connector is for exports": (
        make_import(),
        seen(connector=make_connector(scopes=["export"], status=ready_status())),
        State.STALLED,
        Reason.SCOPE_NOT_ALLOWED,
        "Connector 'footage' does not have the scope import; add import to its spec.scopes",
    ),
    "the pattern makes no sense": (
        make_import(filePattern="{a,b}" * 30),
        FRESH,
        State.STALLED,
        Reason.INVALID_PATTERN,
        "spec.filePattern",
    ),
    "the pattern makes no sense and there is no Connector either": (
        make_import(filePattern="{a,b}" * 30),
        seen(connector=None),
        State.STALLED,
        Reason.INVALID_PATTERN,
        "spec.filePattern",
    ),
    "the Connector was not tested yet": (
        make_import(),
        seen(connector=make_connector()),
        State.PROGRESSING,
        Reason.CONNECTOR_NOT_READY,
        "waiting for Connector 'footage' to be ready",
    ),
    "the Connector's test failed": (
        make_import(),
        seen(connector=make_connector(status=ready_status(status="False", reason="AccessDenied"))),
        State.PROGRESSING,
        Reason.CONNECTOR_NOT_READY,
        "to be ready: AccessDenied: said before",
    ),
    "the Connector was changed since its test": (
        make_import(),
        seen(connector=make_connector(generation=2, status=ready_status(1))),
        State.PROGRESSING,
        Reason.CONNECTOR_NOT_READY,
        "waiting for Connector",
    ),
    "it is paused": (
        make_import(meta=PAUSE),
        FRESH,
        State.PROGRESSING,
        Reason.PAUSED,
        "remove the annotation videovector.io/paused to start",
    ),
    "it is cancelled, whatever else is wrong": (
        make_import(cancel=True),
        seen(connector=None, index=None),
        State.STALLED,
        Reason.CANCELLED,
        "cancelled before it began; nothing was imported",
    ),
}


@pytest.mark.parametrize("name", BLOCKED)
def test_a_run_does_not_start_when(name: str) -> None:
    job, observed, state, reason, words = BLOCKED[name]
    decision = decide_import(job, observed)
    assert decision.actions == ()
    assert decision.blocked is not None
    assert (decision.blocked.state, decision.blocked.reason) == (state, reason)
    assert words in decision.blocked.message
    assert decision.blocked.succeeded == ("False" if state is State.STALLED else "Unknown")


FAILED = replace(CHILD, failed=True, ready=0, failed_reason="BackoffLimitExceeded", failed_message="too many failures")
CANCELLING = make_run(cancel_requested=True)
CANCELLED = EndRun(RunState.CANCELLED, Reason.CANCELLED, "cancelled; what was imported stays")
LOST = EndRun(
    RunState.FAILED,
    Reason.CONNECTOR_DELETED,
    "its worker Job must be made again, but Connector 'footage' is gone and with it the way to the source. "
    "What was imported stays; create the Connector, then a new ImportJob for the rest",
)
SLOW = make_run(request_rate=RequestRate(50, 12.5))

RUNNING: dict[str, tuple[ImportJob, Observed, tuple[Action, ...]]] = {
    "all goes well: leave it alone": (make_import(), seen(run=make_run(), child=CHILD), ()),
    "its Connector and Index were deleted: it goes on": (
        make_import(),
        Observed(None, None, CHILD, make_run()),
        (),
    ),
    "its Job is gone: make it again": (make_import(), seen(run=make_run()), (EnsureChild(CONNECTOR), LET_GO)),
    "its Job and its Connector are gone: end it": (make_import(), Observed(None, None, None, make_run()), (LOST,)),
    "its Job and its Connector are gone, and it is cancelled: end it as cancelled": (
        make_import(cancel=True),
        Observed(None, None, None, CANCELLING),
        (CANCELLED,),
    ),
    "its Job and its Connector are gone, and it is paused: not now": (
        make_import(meta=PAUSE),
        Observed(None, None, None, make_run()),
        (),
    ),
    "a Job of somebody else has the name of its own: wait for that one to go": (
        make_import(),
        seen(run=make_run(), stranger=CHILD.name),
        (),
    ),
    "its Job was made and not let go: let it go": (
        make_import(),
        seen(run=make_run(RunState.PENDING), child=replace(CHILD, suspended=True, ready=0)),
        (LET_GO,),
    ),
    "its Connector has a limit of requests now: pass it on": (
        make_import(),
        seen(run=make_run(), child=CHILD, connector=make_connector(maxRequestsPerSecond=50)),
        (limit_to(50),),
    ),
    "its Connector has another limit now: pass it on, slowed down or not": (
        make_import(),
        seen(run=SLOW, child=CHILD, connector=make_connector(maxRequestsPerSecond=70)),
        (limit_to(70),),
    ),
    "its Connector has the limit that is known: leave it alone": (
        make_import(),
        seen(run=SLOW, child=CHILD, connector=make_connector(maxRequestsPerSecond=50)),
        (),
    ),
    "its Connector has no limit any more: take it off": (
        make_import(),
        seen(run=SLOW, child=CHILD),
        (limit_to(None),),
    ),
    "its Connector was deleted: its last limit stays": (make_import(), Observed(None, INDEX, CHILD, SLOW), ()),
    "its Connector has a limit and its Job is gone: first the limit": (
        make_import(),
        seen(run=SLOW),
        (limit_to(None), EnsureChild(CONNECTOR), LET_GO),
    ),
    "it is cancelled: tell the workers": (
        make_import(cancel=True),
        seen(run=make_run(), child=CHILD),
        (RequestCancel(),),
    ),
    "it was told already: wait": (make_import(cancel=True), seen(run=CANCELLING, child=CHILD), ()),
    "it is cancelled with no Job: nobody else can end it": (
        make_import(cancel=True),
        seen(run=make_run()),
        (RequestCancel(), CANCELLED),
    ),
    "it is cancelled and no worker can start: nobody else can end it": (
        make_import(cancel=True),
        seen(run=CANCELLING, child=replace(CHILD, ready=0, trouble="pod p: ErrImagePull")),
        (CANCELLED,),
    ),
    "it is cancelled before a worker began: nobody needs a Job": (
        make_import(cancel=True),
        seen(run=make_run(RunState.PENDING)),
        (RequestCancel(), CANCELLED),
    ),
    "it is paused: suspend the Job": (
        make_import(meta=PAUSE),
        seen(run=make_run(), child=CHILD),
        (PatchChild(suspend=True, ttl_seconds=86_400),),
    ),
    "it is paused and suspended: leave it": (
        make_import(meta=PAUSE),
        seen(run=make_run(), child=replace(CHILD, suspended=True)),
        (),
    ),
    "it is paused and its Job is gone: not now": (make_import(meta=PAUSE), seen(run=make_run()), ()),
    "it is resumed: let the Job go on": (
        make_import(),
        seen(run=make_run(), child=replace(CHILD, suspended=True)),
        (LET_GO,),
    ),
    "it is paused and cancelled: the cancellation must go through": (
        make_import(cancel=True, meta=PAUSE),
        seen(run=CANCELLING, child=replace(CHILD, suspended=True)),
        (LET_GO,),
    ),
    "it has another ttl: tell the Job": (
        make_import(ttlSecondsAfterFinished=60),
        seen(run=make_run(), child=CHILD),
        (PatchChild(suspend=False, ttl_seconds=60),),
    ),
}


@pytest.mark.parametrize("name", RUNNING)
def test_a_run_that_is_open(name: str) -> None:
    job, observed, expected = RUNNING[name]
    assert decide_import(job, observed) == Decision(expected)


STUCK = replace(CHILD, ready=0, trouble="Secret 'keys', which the pods mount, is not there; create it again")
GOING = make_connector(status=ready_status(), meta={"deletionTimestamp": "2026-05-01T00:00:00Z"})
WAITING = LostAccess("Secret 'keys'", NOW, is_over=False)
GIVEN_UP = LostAccess("Secret 'keys'", NOW, is_over=True)


def without_access(fate: str) -> EndRun:
    message = (
        f"Connector 'footage' {fate}, and Secret 'keys', which the pods mount, has not been there for 5 minutes: no worker can "
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
PHASES = {RunState.COMPLETED: "Completed", RunState.FAILED: "Failed", RunState.CANCELLED: "Cancelled"}


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


def test_the_run_spec_is_read_from_both_objects() -> None:
    job = make_import(sourcePrefix="in/", filePattern="*.mp4", recursive=False, failureThreshold="10%")
    s3 = {"bucket": "footage", "region": "eu", "endpoint": "https://minio:9000", "forcePathStyle": True}
    spec = build_run_spec(job, make_connector(importMode="new_only", s3=s3))
    assert (spec.run_id, spec.namespace, spec.name) == (names.import_run_id("uid-of-first"), "media", "first")
    assert spec.index_id == names.index_id("media", "films")
    assert spec.connector_id == names.connector_id("media", "footage")
    assert (spec.location, spec.source_prefix, spec.file_pattern) == ("s3://footage@minio:9000", "in/", "*.mp4")
    assert (spec.recursive, spec.import_mode, spec.failure_threshold) == (False, "new_only", "10%")
    assert spec.source == {"provider": "s3", **s3}
    assert "accessKeyId" not in str(spec)


@pytest.mark.parametrize(
    ("of_job", "of_connector", "expected"),
    [(None, "all", "all"), (None, "new_only", "new_only"), ("all", "new_only", "all"), ("new_only", "all", "new_only")],
)
def test_the_import_mode_of_the_job_goes_before_the_connectors(
    of_job: str | None, of_connector: str, expected: str
) -> None:
    job = make_import(**({"importMode": of_job} if of_job else {}))
    assert build_run_spec(job, make_connector(importMode=of_connector)).import_mode == expected


@pytest.mark.parametrize(("threshold", "expected"), [(None, None), (0, "0"), (7, "7"), ("0%", "0%")])
def test_the_failure_threshold_stays_the_users_text(threshold: int | str | None, expected: str | None) -> None:
    job = make_import(**({} if threshold is None else {"failureThreshold": threshold}))
    assert build_run_spec(job, CONNECTOR).failure_threshold == expected


children = st.builds(
    ChildJob,
    name=st.just("vv-import-x-1"),
    complete=st.booleans(),
    failed=st.booleans(),
    failed_message=st.sampled_from(["", "too many failures"]),
    ready=st.integers(0, 2),
    suspended=st.booleans(),
    ttl_seconds=st.sampled_from([None, 60, 86_400]),
    trouble=st.sampled_from(["", "pod p: OOMKilled"]),
)
runs = st.builds(
    make_run,
    st.sampled_from(RunState),
    scan_done=st.booleans(),
    cancel_requested=st.booleans(),
    counters=st.builds(
        RunCounters, st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)
    ),
    reason=st.sampled_from(["", "NoMatchingFiles", "WordOfTheFuture"]),
    message=st.sampled_from(["", "words"]),
    current_file=st.sampled_from([None, "a.mp4"]),
)
observations = st.builds(
    Observed,
    st.sampled_from([None, CONNECTOR, make_connector(), make_connector(scopes=["export"])]),
    st.sampled_from([None, INDEX]),
    st.none() | children,
    st.none() | runs,
)
jobs = st.builds(
    make_import,
    generation=st.integers(1, 3),
    meta=st.sampled_from([{}, PAUSE]),
    cancel=st.booleans(),
    filePattern=st.sampled_from(["*", "{a,b}" * 30]),
    status=st.sampled_from(
        [None, ready_status(1), *({"observedGeneration": 1, "phase": phase} for phase in PHASES.values())]
    ),
)


@settings(max_examples=300)
@given(jobs, observations, st.sampled_from([None, WAITING, GIVEN_UP]))
def test_laws_of_every_look_at_an_import(job: ImportJob, observed: Observed, lost: LostAccess | None) -> None:
    decision = decide_import(job, observed, lost)
    starts = any(isinstance(action, AdmitRun | EnsureChild | RequestCancel | EndRun) for action in decision.actions)
    has_ended = observed.run.state.is_terminal if observed.run is not None else job.status.phase in PHASES.values()
    assert not (has_ended and starts), "a run that has ended was touched again"
    assert not (decision.blocked and decision.actions), "blocked, and yet it acts"
    if job.spec.cancel:
        assert not any(isinstance(action, AdmitRun) for action in decision.actions), "a cancelled run began"
    status = summarize_import(job, observed, decision.blocked, hint=ListsHint("list {run}"), now=NOW, lost=lost)
    published = {
        "metadata": {"generation": job.metadata.generation},
        "status": status.model_dump(mode="json", by_alias=True),
    }
    assert check_status(published, end_of_pass=True) == []


@pytest.mark.parametrize(
    ("scopes", "base", "expected"),
    [
        (["import", "export"], "exports/team-a/", "exports/team-a/"),
        (["import", "export"], "exports", "exports/"),
        (["import", "export"], None, ""),
        (["import"], "exports", ""),
    ],
)
def test_what_the_connector_exports_is_left_out(scopes: list[str], base: str | None, expected: str) -> None:
    connector = make_connector(scopes=scopes, exportBasePath=base)
    assert build_run_spec(make_import(), connector).excluded_prefix == expected

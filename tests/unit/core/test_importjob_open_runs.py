"""What is done about a run that is open, as a table; and the laws of every look, whatever is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kstatus import check_status
from tests.support.samples import NOW, make_connector, make_import, make_run, ready_status
from tests.unit.core.seen_imports import (
    CANCELLED,
    CANCELLING,
    CHILD,
    CONNECTOR,
    GIVEN_UP,
    INDEX,
    LET_GO,
    PAUSE,
    PHASES,
    WAITING,
    limit_to,
    seen,
)
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core.import_seen import ChildJob, Observed
from videovector_operator.core.import_status import ListsHint, summarize_import
from videovector_operator.core.importjob import (
    Action,
    AdmitRun,
    Decision,
    EndRun,
    EnsureChild,
    PatchChild,
    RequestCancel,
    decide_import,
)
from videovector_operator.core.lost_access import LostAccess
from videovector_operator.core.records import RequestRate, RunCounters, RunState

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

"""ImportJob decisions: what to do next for one run, from what is seen of it. Pure.

The run's row in the catalog is the truth about the run; the batch/v1 Job is only what moves it. A run that has ended there
is a tombstone: whatever happens to its Job, it is never started again.
"""

from __future__ import annotations

from dataclasses import dataclass

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.reasons import Phase, Reason
from videovector_operator.core import conditions, names
from videovector_operator.core.conditions import Verdict
from videovector_operator.core.connection import location_of
from videovector_operator.core.import_seen import ChildJob, Observed
from videovector_operator.core.import_start import check_start
from videovector_operator.core.lost_access import LostAccess, describe_ending
from videovector_operator.core.paths import export_prefix
from videovector_operator.core.records import RunSpec, RunState, RunSummary
from videovector_operator.core.sources import build_source, source_to_json

_CANCELLED = "cancelled; what was imported stays"
_RUN_GONE = (
    "the catalog knows this run no more: its Index was deleted with all it held, or the catalog was replaced; "
    "create an ImportJob with another name to import again"
)
_ENDED = (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED)


@dataclass(frozen=True, slots=True)
class AdmitRun:
    """Create the run in the catalog, if it lets it in: what follows in the decision is for one that is in."""

    spec: RunSpec
    max_concurrent_runs: int | None


@dataclass(frozen=True, slots=True)
class LimitRequests:
    """Let the catalog know how many requests a second the Connector's pods may send together; None = as many as they like."""

    connector_id: str
    limit: int | None


@dataclass(frozen=True, slots=True)
class EnsureChild:
    """Create the batch/v1 Job."""

    connector: Connector


@dataclass(frozen=True, slots=True)
class RequestCancel:
    """Tell the workers to stop."""


@dataclass(frozen=True, slots=True)
class EndRun:
    """End the run in the catalog from outside: its workers are gone."""

    state: RunState
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class PatchChild:
    """Bring the Job's suspend and ttlSecondsAfterFinished to what the ImportJob says.

    Before a Job is let go (``suspend`` False), the Secret that its pods need must be there.
    """

    suspend: bool
    ttl_seconds: int


@dataclass(frozen=True, slots=True)
class StopChild:
    """End a Job that nobody else will end: the run is over and no worker ever started that could have noticed."""


OwnAction = LimitRequests | EnsureChild | RequestCancel | EndRun | PatchChild | StopChild
Action = AdmitRun | OwnAction


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, in order; ``blocked`` is what to publish while nothing can be done."""

    actions: tuple[Action, ...] = ()
    blocked: Verdict | None = None


def decide_import(job: ImportJob, observed: Observed, lost: LostAccess | None = None) -> Decision:
    """Decide the next actions. ``lost`` = its Connector goes, and its pods wait for what they need (`lost_access`).

    ======================================  ====================================================
    seen                                    do
    ======================================  ====================================================
    the run has ended                       nothing (keep the Job's ttl as asked)
    it ended before any worker began        end the Job, whose pods cannot start
    no run, but the status says it ended    the same: its Index was deleted with all runs
    no run any more, though it had begun    nothing: its Index was deleted with all runs
    no run yet, cancel                      nothing: cancelled before it began
    no run yet, something in the way        nothing: stalled or waiting (`import_start`)
    no run yet                              ask for its turn; create run and Job
    running, cancel                         pass it on to the workers
    running, Job failed                     end the run as failed (cancelled, if that was asked)
    running, no Job, no Connector           end the run as failed: no Job can be made
    running, no Connector, no access        wait for it a while, then end the run as failed
    running, no Job                         create the Job again
    running, Connector's limit is another   pass it on to the workers
    ======================================  ====================================================
    """
    run = observed.run
    if has_ended(job) if run is None else run.state.is_terminal:
        return Decision(_decide_over(job, observed.child, run))
    if run is None:
        return _decide_start(job, observed)
    return Decision(_decide_running(job, observed, run, lost))


def has_ended(job: ImportJob) -> bool:
    """True when the status says that the run is over."""
    return job.status.phase in _ENDED


def _decide_start(job: ImportJob, observed: Observed) -> Decision:
    if job.spec.cancel:
        message = "cancelled before it began; nothing was imported"
        return Decision(blocked=conditions.stalled(Reason.CANCELLED, message, "False"))
    if job.status.started_at is not None:
        return Decision(blocked=conditions.stalled(Reason.CANCELLED, _RUN_GONE, "False"))
    blocked = check_start(job, observed)
    if blocked is not None:
        return Decision(blocked=blocked)
    connector = observed.connector
    assert connector is not None
    admit = AdmitRun(build_run_spec(job, connector), connector.spec.max_concurrent_runs)
    # Before the first pod may start. That a limit is gone is seen at the next look.
    limit = () if connector.spec.max_requests_per_second is None else (_limit(connector),)
    return Decision((admit, *limit, EnsureChild(connector), _release(job)))


def _decide_over(job: ImportJob, child: ChildJob | None, run: RunSummary | None) -> tuple[Action, ...]:
    is_open = child is not None and not child.complete and not child.failed
    cannot_see_it = child is not None and child.ready == 0 and bool(child.trouble)
    if is_open and (run is None or run.started_at is None or cannot_see_it):
        return (StopChild(),)
    return _tidy_child(job, child, suspend=False)


def _decide_running(job: ImportJob, observed: Observed, run: RunSummary, lost: LostAccess | None) -> tuple[Action, ...]:
    actions: list[Action] = [*_decide_limit(observed, run)]
    wants_cancel = job.spec.cancel or run.cancel_requested
    if job.spec.cancel and not run.cancel_requested:
        actions.append(RequestCancel())
    child = observed.child
    if child is not None and (child.failed or child.complete):
        actions.append(_end_abandoned(child, wants_cancel=wants_cancel))
    elif wants_cancel and (child is None or (child.ready == 0 and child.trouble)):
        # No worker is there, and none will come, that could hear of it.
        actions.append(EndRun(RunState.CANCELLED, Reason.CANCELLED, _CANCELLED))
    elif child is None:
        actions.extend(_decide_without_child(job, observed))
    elif lost is not None and lost.is_over:
        actions.append(EndRun(RunState.FAILED, Reason.CONNECTOR_DELETED, describe_ending(job, observed, lost)))
    else:
        # A cancelled run must go on to its end, paused or not.
        actions.extend(_tidy_child(job, child, suspend=job.is_paused and not wants_cancel))
    return tuple(actions)


def _decide_limit(observed: Observed, run: RunSummary) -> tuple[LimitRequests, ...]:
    """What the Connector says now holds for runs that have begun, too; one that is gone leaves its last word."""
    if observed.connector is None:
        return ()
    known = run.request_rate.limit if run.request_rate is not None else None
    wanted = _limit(observed.connector)
    return () if wanted.limit == known else (wanted,)


def _limit(connector: Connector) -> LimitRequests:
    identity = names.connector_id(connector.metadata.namespace, connector.metadata.name)
    return LimitRequests(identity, connector.spec.max_requests_per_second)


def _decide_without_child(job: ImportJob, observed: Observed) -> tuple[Action, ...]:
    """The run goes on with another Job: as the Connector says, or not at all when there is none any more."""
    if job.is_paused or observed.stranger:
        return ()
    if observed.connector is None:
        message = (
            f"its worker Job must be made again, but Connector {job.spec.connector_ref.name!r} is gone and with it the way to "
            "the source. What was imported stays; create the Connector, then a new ImportJob for the rest"
        )
        return (EndRun(RunState.FAILED, Reason.CONNECTOR_DELETED, message),)
    return (EnsureChild(observed.connector), _release(job))


def _release(job: ImportJob) -> PatchChild:
    return PatchChild(suspend=False, ttl_seconds=job.spec.ttl_seconds_after_finished)


def _end_abandoned(child: ChildJob, *, wants_cancel: bool) -> EndRun:
    """The Job is over and the run is not: its workers could not say why."""
    if wants_cancel:
        return EndRun(RunState.CANCELLED, Reason.CANCELLED, _CANCELLED)
    why = child.failed_message or child.failed_reason or "its pods ended before the work was done"
    trouble = f"; {child.trouble}" if child.trouble else ""
    message = (
        f"the worker Job {child.name} failed: {why}{trouble}. "
        f"See: kubectl logs job/{child.name}. What was imported stays; a new ImportJob imports the rest"
    )
    return EndRun(RunState.FAILED, Reason.WORKER_FAILED, message)


def _tidy_child(job: ImportJob, child: ChildJob | None, *, suspend: bool) -> tuple[Action, ...]:
    if child is None:
        return ()
    ttl = job.spec.ttl_seconds_after_finished
    if child.ttl_seconds == ttl and (child.suspended == suspend or child.complete or child.failed):
        return ()
    return (PatchChild(suspend=suspend, ttl_seconds=ttl),)


def build_run_spec(job: ImportJob, connector: Connector) -> RunSpec:
    """Build what the workers need to know; the Connector is read once, when the run begins."""
    meta = job.metadata
    threshold = job.spec.failure_threshold
    return RunSpec(
        run_id=names.import_run_id(meta.uid),
        namespace=meta.namespace,
        name=meta.name,
        index_id=names.index_id(meta.namespace, job.spec.index_ref.name),
        connector_id=names.connector_id(meta.namespace, connector.metadata.name),
        location=location_of(connector),
        source=source_to_json(build_source(connector.spec)),
        source_prefix=job.spec.source_prefix,
        file_pattern=job.spec.file_pattern,
        recursive=job.spec.recursive,
        import_mode=job.spec.import_mode or connector.spec.import_mode,
        failure_threshold=None if threshold is None else str(threshold),
        # What is exported must not come back as media.
        excluded_prefix=export_prefix(connector.spec) if "export" in connector.spec.scopes else "",
    )

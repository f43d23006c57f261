"""ImportJob status: the bounded projection of a run that users read. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta

from videovector_operator.api.v1alpha1.common import MAX_LIST
from videovector_operator.api.v1alpha1.importjob import (
    FailedFile,
    ImportJob,
    ImportJobStatus,
    ImportProgress,
    SkippedFile,
)
from videovector_operator.api.v1alpha1.reasons import ConditionType, Phase, Reason
from videovector_operator.core import conditions, names
from videovector_operator.core.conditions import Verdict, shorten
from videovector_operator.core.import_seen import ChildJob, Observed
from videovector_operator.core.import_start import check_stranger
from videovector_operator.core.importjob import has_ended
from videovector_operator.core.lost_access import LostAccess, judge_loss
from videovector_operator.core.notices import CONNECTOR_GONE
from videovector_operator.core.pace import describe_rate
from videovector_operator.core.records import RunState, RunSummary

_ENDINGS: dict[str, Reason] = {Phase.COMPLETED: Reason.COMPLETED, Phase.CANCELLED: Reason.CANCELLED}
_LONGEST_ETA_SECONDS = 10 * 365 * 86_400
_PHASES = {
    RunState.PENDING: Phase.PENDING,
    RunState.SCANNING: Phase.SCANNING,
    RunState.IMPORTING: Phase.IMPORTING,
    RunState.COMPLETED: Phase.COMPLETED,
    RunState.FAILED: Phase.FAILED,
    RunState.CANCELLED: Phase.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class ListsHint:
    """How a user gets the full lists: ``command`` has {name}, {namespace} and {run} in it."""

    command: str


def summarize_import(
    job: ImportJob,
    observed: Observed,
    blocked: Verdict | None,
    *,
    hint: ListsHint,
    now: datetime,
    lost: LostAccess | None = None,
) -> ImportJobStatus:
    """Build the status from what is seen after the actions. ``blocked`` speaks when there is no run, ``lost`` of one that waits
    for what its pods need."""
    run = observed.run
    if has_ended(job) and (run is None or _was_closed_again(job, run)):
        return _keep_ended(job, now)
    verdict = judge_run(job, run, observed, lost) if run is not None else blocked
    if verdict is None:
        verdict = conditions.progressing(Reason.PENDING, "the run is about to be created", "Unknown")
    base = _base_status(job, verdict, now)
    if run is None:
        position = observed.place.position if verdict.reason is Reason.QUEUED else None
        return base.model_copy(update={"phase": _phase_before_start(verdict), "queue_position": position})
    fields = _run_fields(job, run, observed.child, hint, now)
    return base.model_copy(update=fields | {"import_mode": _import_mode(job, observed)})


def _base_status(job: ImportJob, verdict: Verdict, now: datetime) -> ImportJobStatus:
    old = job.status
    generation = job.metadata.generation
    return ImportJobStatus(
        observed_generation=conditions.observed_generation(
            verdict, previous=old.observed_generation, generation=generation
        ),
        conditions=conditions.build_conditions(verdict, previous=old.conditions, generation=generation, now=now),
        id=names.import_run_id(job.metadata.uid),
        last_handled_request=job.request_token,
        import_mode=old.import_mode,
        job_name=old.job_name,
        completed_at=_completed_at_without_run(old, verdict, now),
        # Of a run that the catalog has lost, what was last known of it is all there is.
        started_at=old.started_at,
        progress=old.progress,
    )


def _was_closed_again(job: ImportJob, run: RunSummary) -> bool:
    """A restored catalog had a run open that had ended, and its row was closed for that: what came of the run is in the status."""
    return run.state is RunState.CANCELLED and job.status.phase in (Phase.COMPLETED, Phase.FAILED)


def _keep_ended(job: ImportJob, now: datetime) -> ImportJobStatus:
    """Status of a run that has ended and of which the catalog no longer knows how (its Index was deleted, it was restored from
    an older state): it stays as it was."""
    old = job.status
    verdict = _verdict_of(old)
    generation = job.metadata.generation
    built = conditions.build_conditions(verdict, previous=old.conditions, generation=generation, now=now)
    changes = {"observed_generation": generation, "conditions": built, "last_handled_request": job.request_token}
    return old.model_copy(update=changes)


def _verdict_of(status: ImportJobStatus) -> Verdict:
    """The verdict that an ended run was published with; made from its phase when a failed look was published since."""
    found = conditions.find_condition(status.conditions, ConditionType.READY)
    reason, message = (
        _ENDINGS.get(status.phase, Reason.WORKER_FAILED),
        "the run has ended; the catalog knows it no more",
    )
    is_final = found is not None and not conditions.is_true(status.conditions, ConditionType.RECONCILING)
    if found is not None and is_final and found.reason in set(Reason):
        reason, message = Reason(found.reason), found.message
    if status.phase == Phase.COMPLETED.value:
        return conditions.ready(reason, message, "True")
    return conditions.stalled(reason, message, "False")


def _completed_at_without_run(old: ImportJobStatus, verdict: Verdict, now: datetime) -> datetime | None:
    if verdict.reason is not Reason.CANCELLED:
        return None
    return old.completed_at or now.replace(microsecond=0)


def _import_mode(job: ImportJob, observed: Observed) -> str | None:
    """The mode in force: fixed when the run began, even if the Connector's has changed since."""
    of_connector = observed.connector.spec.import_mode if observed.connector is not None else None
    return job.spec.import_mode or job.status.import_mode or of_connector


def _phase_before_start(verdict: Verdict) -> Phase:
    match verdict.reason:
        case Reason.CANCELLED:
            return Phase.CANCELLED
        case Reason.PAUSED:
            return Phase.PAUSED
        case _:
            return Phase.PENDING


def _run_fields(
    job: ImportJob, run: RunSummary, child: ChildJob | None, hint: ListsHint, now: datetime
) -> dict[str, object]:
    truncated = _truncated(run)
    phase = _PHASES[run.state]
    if not run.state.is_terminal and job.is_paused and not run.cancel_requested:
        phase = Phase.PAUSED
    return {
        "phase": phase.value,
        "progress": _progress(run, now),
        "started_at": _whole(run.started_at),
        "completed_at": _whole(run.completed_at),
        "job_name": child.name if child is not None else job.status.job_name,
        "video_ids": run.media_ids[:MAX_LIST],
        "failed_files": tuple(
            FailedFile(path=shorten(f.path, 1024), reason=f.reason, error=shorten(f.message, 1024), attempts=f.attempts)
            for f in run.failed_files[:MAX_LIST]
        ),
        "skipped_files": tuple(
            SkippedFile(path=shorten(f.path, 1024), reason=f.reason, message=shorten(f.message, 1024))
            for f in run.skipped_files[:MAX_LIST]
        ),
        "truncated_lists": truncated,
        "full_lists": _fill_in(hint.command, run) if truncated else None,
    }


def _fill_in(command: str, run: RunSummary) -> str:
    return command.format(run=run.run_id, namespace=run.namespace, name=run.name)


def _truncated(run: RunSummary) -> tuple[str, ...]:
    lists = (
        ("videoIds", run.counters.imported),
        ("failedFiles", run.counters.failed),
        ("skippedFiles", run.counters.skipped),
    )
    return tuple(name for name, count in lists if count > MAX_LIST)


def _whole(moment: datetime | None) -> datetime | None:
    return moment.replace(microsecond=0) if moment is not None else None


def _progress(run: RunSummary, now: datetime) -> ImportProgress:
    counters = run.counters
    done = counters.imported + counters.failed + counters.skipped
    rate = _rate(run, done, now)
    is_open = not run.state.is_terminal
    return ImportProgress(
        total_files=counters.total,
        imported=counters.imported,
        failed=counters.failed,
        skipped=counters.skipped,
        bytes_transferred=counters.bytes_transferred,
        current_file=shorten(run.current_file, 1024) if run.current_file and is_open else None,
        files_per_second=f"{rate:.1f}" if rate is not None else None,
        eta=_eta(run, done, rate) if is_open else None,
    )


def _rate(run: RunSummary, done: int, now: datetime) -> float | None:
    """Files a second. Measured up to the run's last change, so that a status at rest does not change by itself."""
    if run.started_at is None or done == 0:
        return None
    end = run.completed_at or min(run.updated_at, now)
    seconds = (end - run.started_at).total_seconds()
    return done / seconds if seconds > 0 else None


def _eta(run: RunSummary, done: int, rate: float | None) -> datetime | None:
    if not run.scan_done or not rate:
        return None
    seconds = max(run.counters.total - done, 0) / rate
    if seconds > _LONGEST_ETA_SECONDS:
        return None
    return (run.updated_at + timedelta(seconds=seconds)).replace(microsecond=0)


def judge_run(job: ImportJob, run: RunSummary, observed: Observed, lost: LostAccess | None = None) -> Verdict:
    """Say what the state of the run means for the ImportJob."""
    match run.state:
        case RunState.COMPLETED:
            reason = Reason(run.reason) if run.reason in set(Reason) else Reason.COMPLETED
            return conditions.ready(reason, run.message or _counts(run), "True")
        case RunState.CANCELLED:
            return conditions.stalled(Reason.CANCELLED, f"cancelled; what was imported stays ({_counts(run)})", "False")
        case RunState.FAILED:
            reason = Reason(run.reason) if run.reason in set(Reason) else Reason.WORKER_FAILED
            return conditions.stalled(reason, run.message or _counts(run), "False")
        case _ if lost is not None:
            return judge_loss(job, observed, lost)
        case _:
            verdict = _judge_open(job, run, observed)
            if observed.connector is not None:
                return verdict
            gone = f"{verdict.message}. Connector {job.spec.connector_ref.name!r} {CONNECTOR_GONE}"
            return dataclasses.replace(verdict, message=gone)


def _judge_open(job: ImportJob, run: RunSummary, observed: Observed) -> Verdict:
    child = observed.child
    if run.cancel_requested or job.spec.cancel:
        return conditions.progressing(Reason.CANCELLING, f"cancelling; {_counts(run)}", "Unknown")
    if job.is_paused:
        message = f"paused; {_counts(run)}; remove the annotation {names.PAUSED} to go on"
        return conditions.progressing(Reason.PAUSED, message, "Unknown")
    stranger = check_stranger(job, observed)
    if stranger is not None:
        return stranger
    if child is not None and child.trouble and child.ready == 0:
        message = f"no worker is running: {child.trouble}"
        return conditions.progressing(Reason.WORKER_NOT_STARTING, message, "Unknown")
    if run.state is RunState.PENDING:
        return conditions.progressing(Reason.PENDING, "waiting for the first worker to start", "Unknown")
    reason = Reason.SCANNING if run.state is RunState.SCANNING else Reason.IMPORTING
    return conditions.progressing(reason, _counts(run) + describe_rate(run.request_rate), "Unknown")


def _counts(run: RunSummary) -> str:
    c = run.counters
    return f"{c.total} files found: {c.imported} imported, {c.failed} failed, {c.skipped} skipped"

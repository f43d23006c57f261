"""How a run ends: pure decisions shared by the PostgreSQL catalog and its fake. No SQL, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core.records import RunControl, RunCounters, RunSpec, RunState

MAX_ATTEMPTS = 5
"""A file claimed this often without a result is not claimed again: it fails as WorkerCrashed."""

CRASHED_MESSAGE = (
    f"{MAX_ATTEMPTS} workers began with this file and none reported back; the last one may have run out of memory."
)
CANCELLED_MESSAGE = "The import was cancelled before this file's turn."
ALREADY_IMPORTED_MESSAGE = "This version of the file is in the index already."
STOPPED_MESSAGE = "Not imported: the run had failed before this file's turn."


class RunEvent(StrEnum):
    """Types of a run's events: the contract's words."""

    STARTED = "import_job.started"
    PROGRESS = "import_job.progress"
    COMPLETED = "import_job.completed"
    PARTIAL_COMPLETED = "import_job.partial_completed"
    FAILED = "import_job.failed"


@dataclass(frozen=True, slots=True)
class Ending:
    """A run's last word."""

    state: RunState
    reason: str
    message: str


def decide_ending(spec: RunSpec, control: RunControl) -> Ending | None:
    """Choose how the run ends now; None = it goes on.

    ============================================  =========  ========================
    first that holds                              state      reason
    ============================================  =========  ========================
    cancellation was asked for                    cancelled  Cancelled
    more failures than failure_threshold          failed     FailureThresholdExceeded
    the scan goes on, or files are open           (goes on)
    no file matched                               completed  NoMatchingFiles
    some files failed                             completed  CompletedWithFailures
    otherwise                                     completed  Completed
    ============================================  =========  ========================
    """
    counters = control.counters
    if control.cancel_requested:
        return Ending(RunState.CANCELLED, Reason.CANCELLED, cancelled_message(counters))
    early = decide_early_ending(spec, control)
    if early is not None:
        return early
    if not control.scan_done or open_files(counters):
        return None
    if counters.total == 0:
        where = f'whose key starts with "{spec.source_prefix}"' if spec.source_prefix else "in the bucket"
        message = f'No object {where} matches the pattern "{spec.file_pattern}".'
        return Ending(RunState.COMPLETED, Reason.NO_MATCHING_FILES, message)
    reason = Reason.COMPLETED_WITH_FAILURES if counters.failed else Reason.COMPLETED
    return Ending(RunState.COMPLETED, reason, describe_counters(counters))


def decide_early_ending(spec: RunSpec, control: RunControl) -> Ending | None:
    """Choose whether too many files have failed to go on, even while files are open."""
    counters = control.counters
    if control.cancel_requested or not is_over_threshold(spec.failure_threshold, counters, scan_done=control.scan_done):
        return None
    return Ending(RunState.FAILED, Reason.FAILURE_THRESHOLD_EXCEEDED, _threshold_message(spec, counters))


def event_of(ending: Ending) -> RunEvent:
    """Name the event that reports ``ending``; a cancelled run has kept a part, so it is partial."""
    if ending.state is RunState.FAILED:
        return RunEvent.FAILED
    if ending.state is RunState.CANCELLED or ending.reason == Reason.COMPLETED_WITH_FAILURES:
        return RunEvent.PARTIAL_COMPLETED
    return RunEvent.COMPLETED


def is_over_threshold(threshold: str | None, counters: RunCounters, *, scan_done: bool) -> bool:
    """True when strictly more files failed than ``threshold`` ("5", "10%" of all files) tolerates.

    A percentage is judged once the scan is done and the total is known. Text that is neither tolerates everything.
    """
    if threshold is None:
        return False
    is_percentage = threshold.endswith("%")
    try:
        limit = Decimal(threshold.removesuffix("%"))
    except InvalidOperation:
        return False
    if is_percentage:
        return scan_done and counters.failed * 100 > limit * counters.total
    return counters.failed > limit


def open_files(counters: RunCounters) -> int:
    """Count the files that have no outcome yet."""
    return counters.total - counters.imported - counters.failed - counters.skipped


def describe_counters(counters: RunCounters) -> str:
    """Say in one sentence what became of the files."""
    parts = [f"imported {counters.imported} of {_files(counters.total)}"]
    if counters.failed:
        parts.append(f"{counters.failed} failed")
    if counters.skipped:
        parts.append(f"{counters.skipped} skipped")
    sentence = ", ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def cancelled_message(counters: RunCounters) -> str:
    """Say what was kept of a cancelled run."""
    if counters.total == 0:
        return "Cancelled before any file was listed."
    return (
        f"Cancelled; {_files(counters.imported)} imported before that {'is' if counters.imported == 1 else 'are'} kept."
    )


def _threshold_message(spec: RunSpec, counters: RunCounters) -> str:
    return (
        f"{_files(counters.failed)} failed, more than failureThreshold {spec.failure_threshold} tolerates "
        f"(of {_files(counters.total)} listed). Look at status.failedFiles, then create a new ImportJob."
    )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"

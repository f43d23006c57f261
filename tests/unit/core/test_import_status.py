from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.kstatus import compute_kstatus
from tests.support.samples import NOW, make_connector, make_import, make_run, ready_status
from videovector_operator.api.v1alpha1.importjob import ImportJob, ImportJobStatus
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import conditions, names
from videovector_operator.core.conditions import Verdict
from videovector_operator.core.import_seen import ChildJob, Observed
from videovector_operator.core.import_status import ListsHint, summarize_import
from videovector_operator.core.records import FileOutcome, RequestRate, RunCounters, RunState, RunSummary

Json = dict[str, Any]
HINT = ListsHint("files {run} -n {namespace}")
PAUSE: Json = {"annotations": {"videovector.io/paused": "true"}}
CHILD = ChildJob(name="vv-import-x-1", ready=1)
COUNTERS = RunCounters(total=10, imported=3, failed=1, skipped=1, bytes_transferred=999)
COUNTED = "10 files found: 3 imported, 1 failed, 1 skipped"


def summarize(
    run: RunSummary | None, job: ImportJob | None = None, child: ChildJob | None = CHILD, blocked: Verdict | None = None
) -> ImportJobStatus:
    observed = Observed(make_connector(status=ready_status()), None, child, run)
    return summarize_import(job or make_import(), observed, blocked, hint=HINT, now=NOW)


def words_of(status: ImportJobStatus) -> tuple[str, str, str]:
    ready = status.conditions[0]
    return status.phase, ready.reason, ready.message


def open_run(state: RunState = RunState.IMPORTING, **changes: Any) -> RunSummary:
    return make_run(state, counters=COUNTERS, **changes)


SPOKEN: dict[str, tuple[ImportJobStatus, tuple[str, str, str], str]] = {
    "about to be created": (summarize(None), ("Pending", "Pending", "the run is about to be created"), "InProgress"),
    "waiting for a worker": (
        summarize(make_run(RunState.PENDING), child=None),
        ("Pending", "Pending", "waiting for the first worker to start"),
        "InProgress",
    ),
    "scanning": (
        summarize(open_run(RunState.SCANNING)),
        ("Scanning", "Scanning", COUNTED),
        "InProgress",
    ),
    "importing": (summarize(open_run()), ("Importing", "Importing", COUNTED), "InProgress"),
    "importing as fast as the Connector says": (
        summarize(open_run(request_rate=RequestRate(50, 49.6))),
        ("Importing", "Importing", COUNTED),
        "InProgress",
    ),
    "importing more slowly": (
        summarize(open_run(request_rate=RequestRate(50, 12.4))),
        ("Importing", "Importing", f"{COUNTED}; the storage throttles: slowed down to 12 of 50 requests a second"),
        "InProgress",
    ),
    "left alone": (
        summarize(open_run(RunState.SCANNING, request_rate=RequestRate(50, 25, NOW + timedelta(seconds=30.9)))),
        (
            "Scanning",
            "Scanning",
            f"{COUNTED}; the storage throttles and asked to be left alone until 2026-05-01T12:00:30Z",
        ),
        "InProgress",
    ),
    "paused": (
        summarize(open_run(), make_import(meta=PAUSE)),
        ("Paused", "Paused", f"paused; {COUNTED}; remove the annotation videovector.io/paused to go on"),
        "InProgress",
    ),
    "cancelling": (
        summarize(open_run(cancel_requested=True), make_import(cancel=True)),
        ("Importing", "Cancelling", f"cancelling; {COUNTED}"),
        "InProgress",
    ),
    "cancelling though paused": (
        summarize(open_run(cancel_requested=True), make_import(cancel=True, meta=PAUSE)),
        ("Importing", "Cancelling", f"cancelling; {COUNTED}"),
        "InProgress",
    ),
    "a worker that does not start": (
        summarize(make_run(RunState.PENDING), child=replace(CHILD, ready=0, trouble="pod p: ImagePullBackOff")),
        ("Pending", "WorkerNotStarting", "no worker is running: pod p: ImagePullBackOff"),
        "InProgress",
    ),
    "a second worker that does not start is no matter": (
        summarize(open_run(), child=replace(CHILD, ready=1, trouble="pod q: Strange")),
        ("Importing", "Importing", COUNTED),
        "InProgress",
    ),
    "completed": (
        summarize(open_run(RunState.COMPLETED, reason="Completed", message="all done")),
        ("Completed", "Completed", "all done"),
        "Current",
    ),
    "completed with failures": (
        summarize(open_run(RunState.COMPLETED, reason="CompletedWithFailures", message="1 failed")),
        ("Completed", "CompletedWithFailures", "1 failed"),
        "Current",
    ),
    "completed without words": (
        summarize(open_run(RunState.COMPLETED)),
        ("Completed", "Completed", COUNTED),
        "Current",
    ),
    "completed for a reason of the future": (
        summarize(open_run(RunState.COMPLETED, reason="New", message="new")),
        ("Completed", "Completed", "new"),
        "Current",
    ),
    "failed": (
        summarize(open_run(RunState.FAILED, reason="SourceUnusable", message="no such bucket")),
        ("Failed", "SourceUnusable", "no such bucket"),
        "Failed",
    ),
    "failed for a reason of the future": (
        summarize(open_run(RunState.FAILED, reason="New")),
        ("Failed", "WorkerFailed", COUNTED),
        "Failed",
    ),
    "cancelled": (
        summarize(open_run(RunState.CANCELLED, reason="Cancelled")),
        ("Cancelled", "Cancelled", f"cancelled; what was imported stays ({COUNTED})"),
        "Failed",
    ),
    "cancelled though paused": (
        summarize(open_run(RunState.CANCELLED), make_import(meta=PAUSE)),
        ("Cancelled", "Cancelled", f"cancelled; what was imported stays ({COUNTED})"),
        "Failed",
    ),
    "blocked": (
        summarize(None, blocked=conditions.stalled(Reason.INDEX_NOT_FOUND, "no index", "False")),
        ("Pending", "IndexNotFound", "no index"),
        "Failed",
    ),
    "paused before it began": (
        summarize(None, blocked=conditions.progressing(Reason.PAUSED, "paused", "Unknown")),
        ("Paused", "Paused", "paused"),
        "InProgress",
    ),
    "cancelled before it began": (
        summarize(None, blocked=conditions.stalled(Reason.CANCELLED, "never began", "False")),
        ("Cancelled", "Cancelled", "never began"),
        "Failed",
    ),
}


@pytest.mark.parametrize("name", SPOKEN)
def test_what_users_and_kstatus_read(name: str) -> None:
    status, words, kstatus = SPOKEN[name]
    assert words_of(status) == words
    published = {"metadata": {"generation": 1}, "status": status.model_dump(mode="json", by_alias=True)}
    assert compute_kstatus(published) == kstatus


SUCCESS = {"completed": "True", "failed": "False", "cancelled": "False"}


@pytest.mark.parametrize("state", RunState)
def test_a_run_succeeds_or_not_only_when_it_has_ended(state: RunState) -> None:
    found = {c.type: c.status for c in summarize(make_run(state)).conditions}
    assert found["Succeeded"] == SUCCESS.get(state.value, "Unknown")


def test_the_progress_is_exact() -> None:
    status = summarize(open_run(scan_done=True, current_file="a/b.mp4"))
    progress = status.progress
    assert (progress.total_files, progress.imported, progress.failed, progress.skipped) == (10, 3, 1, 1)
    assert (progress.bytes_transferred, progress.current_file) == (999, "a/b.mp4")
    assert progress.files_per_second == "0.5"
    assert progress.eta == NOW + timedelta(seconds=10)
    assert (status.started_at, status.completed_at, status.job_name) == (NOW - timedelta(seconds=10), None, CHILD.name)
    assert status.id == names.import_run_id("uid-of-first")


RATES: dict[str, tuple[RunSummary, str | None]] = {
    "nothing is done yet": (make_run(), None),
    "it has not begun": (make_run(RunState.PENDING, counters=COUNTERS), None),
    "no time has passed": (open_run(updated_at=NOW - timedelta(seconds=10)), None),
    "its last change lies before its start": (open_run(updated_at=NOW - timedelta(days=1)), None),
    "it ended": (open_run(RunState.COMPLETED, completed_at=NOW - timedelta(seconds=5)), "1.0"),
    "the catalog's clock is ahead": (open_run(updated_at=NOW + timedelta(seconds=90)), "0.5"),
}


@pytest.mark.parametrize("name", RATES)
def test_the_speed_when(name: str) -> None:
    run, expected = RATES[name]
    assert summarize(run).progress.files_per_second == expected


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (open_run(scan_done=False), "files may still be found"),
        (open_run(RunState.COMPLETED, scan_done=True), "it is over"),
        (make_run(scan_done=True), "there is no speed"),
        (
            make_run(
                scan_done=True,
                started_at=NOW - timedelta(days=10),
                counters=RunCounters(total=1_000_000, imported=1),
            ),
            "it lies thousands of years ahead",
        ),
    ],
)
def test_there_is_no_eta_when(run: RunSummary, why: str) -> None:
    assert summarize(run).progress.eta is None, why


def test_an_eta_is_not_in_the_past_of_the_last_change() -> None:
    over = make_run(scan_done=True, counters=RunCounters(total=1, imported=3))
    assert summarize(over).progress.eta == NOW


def test_a_run_that_has_ended_works_on_no_file() -> None:
    assert summarize(open_run(RunState.FAILED, current_file="a")).progress.current_file is None


def outcomes(count: int) -> tuple[FileOutcome, ...]:
    return tuple(FileOutcome(f"{n:03d}.mp4", "UnreadableMedia", "broken", 3) for n in range(count))


def test_lists_are_cut_at_fifty_and_say_so() -> None:
    run = make_run(
        counters=RunCounters(total=200, imported=51, failed=60, skipped=50),
        media_ids=tuple(f"vid_{n}" for n in range(51)),
        failed_files=outcomes(60),
        skipped_files=outcomes(50),
    )
    status = summarize(run)
    assert (len(status.video_ids), len(status.failed_files), len(status.skipped_files)) == (50, 50, 50)
    assert status.truncated_lists == ("videoIds", "failedFiles")
    assert status.full_lists == "files job_x -n media"
    assert status.failed_files[0].model_dump() == {
        "path": "000.mp4",
        "reason": "UnreadableMedia",
        "error": "broken",
        "attempts": 3,
    }
    assert status.skipped_files[49].path == "049.mp4"


def test_whole_lists_need_no_command() -> None:
    status = summarize(make_run(counters=RunCounters(total=1, failed=1), failed_files=outcomes(1)))
    assert (status.truncated_lists, status.full_lists) == ((), None)


def test_long_texts_fit_the_crd() -> None:
    long = FileOutcome("p" * 2000, "UnreadableMedia", "m" * 2000)
    run = make_run(counters=COUNTERS, failed_files=(long,), skipped_files=(long,), current_file="c" * 2000)
    status = summarize(run)
    ImportJobStatus.model_validate(status.model_dump(mode="json", by_alias=True))
    assert status.failed_files[0].path.endswith("…")


def test_the_mode_in_force_stays_what_it_was_when_the_run_began() -> None:
    changed = Observed(make_connector(importMode="all"), None, CHILD, make_run())
    job = make_import(status={"importMode": "new_only"})
    assert summarize_import(job, changed, None, hint=HINT, now=NOW).import_mode == "new_only"
    assert summarize(make_run()).import_mode == "all"
    assert summarize(make_run(), make_import(importMode="new_only")).import_mode == "new_only"
    nothing = Observed(None, None, CHILD, make_run())
    assert summarize_import(make_import(), nothing, None, hint=HINT, now=NOW).import_mode is None


def test_the_name_of_a_job_that_is_gone_stays() -> None:
    job = make_import(status={"jobName": "vv-import-x-1"})
    assert summarize(make_run(RunState.COMPLETED), job, child=None).job_name == "vv-import-x-1"


def test_a_run_cancelled_before_it_began_ended_once() -> None:
    blocked = conditions.stalled(Reason.CANCELLED, "never began", "False")
    first = summarize(None, blocked=blocked)
    assert first.completed_at == NOW
    again = make_import(status=first.model_dump(mode="json", by_alias=True), cancel=True)
    later = summarize_import(again, Observed(None, None, None, None), blocked, hint=HINT, now=NOW + timedelta(hours=1))
    assert later == first


ENDED = {
    state: summarize(open_run(state, reason=reason, message="last words")).model_dump(mode="json", by_alias=True)
    for state, reason in (
        (RunState.COMPLETED, "CompletedWithFailures"),
        (RunState.FAILED, "SourceUnusable"),
        (RunState.CANCELLED, "Cancelled"),
    )
}


@pytest.mark.parametrize("state", ENDED)
def test_a_run_that_the_catalog_has_lost_keeps_its_last_words(state: RunState) -> None:
    token = {"annotations": {"videovector.io/requestedAt": "t2"}}
    job = make_import(status=ENDED[state], generation=2, meta=token)
    kept = summarize(None, job).model_dump(mode="json", by_alias=True)
    assert kept["lastHandledRequest"] == "t2"
    assert kept["observedGeneration"] == 2
    assert {c["observedGeneration"] for c in kept["conditions"]} == {2}
    assert words_of(summarize(None, job)) == words_of(ImportJobStatus.model_validate(ENDED[state]))
    assert kept["progress"] == ENDED[state]["progress"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [(RunState.COMPLETED, "Completed"), (RunState.FAILED, "WorkerFailed"), (RunState.CANCELLED, "Cancelled")],
)
def test_or_words_made_from_its_phase_when_a_failed_look_spoke_last(state: RunState, reason: str) -> None:
    lost = conditions.retrying(Reason.CATALOG_UNAVAILABLE, "no database", "Unknown")
    built = conditions.build_conditions(lost, previous=(), generation=1, now=NOW)
    status = ImportJobStatus.model_validate(ENDED[state]).model_copy(update={"conditions": built})
    job = make_import(status=status.model_dump(mode="json", by_alias=True))
    assert words_of(summarize(None, job))[1:] == (reason, "the run has ended; the catalog knows it no more")


REOPENED = [(RunState.COMPLETED, "True"), (RunState.FAILED, "False")]


@pytest.mark.parametrize(("state", "succeeded"), REOPENED)
def test_a_row_that_a_restored_catalog_had_open_takes_nothing_back(state: RunState, succeeded: str) -> None:
    job = make_import(status=ENDED[state], generation=2)
    closed = open_run(RunState.CANCELLED, reason="Cancelled", message="it was restored from an older state")
    status = summarize(closed, job)
    assert words_of(status) == words_of(ImportJobStatus.model_validate(ENDED[state]))
    assert {c.type: c.status for c in status.conditions}["Succeeded"] == succeeded
    assert status.observed_generation == 2


def test_a_status_that_called_a_run_cancelled_is_corrected_by_its_row() -> None:
    """It was written while the operator looked into another catalog."""
    job = make_import(status=ENDED[RunState.CANCELLED], generation=2)
    assert words_of(summarize(open_run(RunState.COMPLETED), job))[:2] == ("Completed", "Completed")


@given(
    total=st.integers(0, 10**12),
    imported=st.integers(0, 10**12),
    seconds=st.integers(0, 10**9),
    scan_done=st.booleans(),
    state=st.sampled_from(RunState),
)
def test_no_counters_and_no_clocks_break_the_status(
    total: int, imported: int, seconds: int, scan_done: bool, state: RunState
) -> None:
    run = make_run(
        state,
        scan_done=scan_done,
        started_at=NOW - timedelta(seconds=seconds),
        counters=RunCounters(total=total, imported=imported),
    )
    status = summarize(run)
    ImportJobStatus.model_validate(status.model_dump(mode="json", by_alias=True))

import pytest

from videovector_operator.catalog.outcome import (
    Ending,
    RunEvent,
    decide_early_ending,
    decide_ending,
    event_of,
    is_over_threshold,
)
from videovector_operator.core.records import RunControl, RunCounters, RunSpec, RunState


def spec(threshold: str | None = None, prefix: str = "") -> RunSpec:
    return RunSpec(
        "job_1",
        "default",
        "july",
        "idx_1",
        "conn_1",
        "s3://b",
        {},
        source_prefix=prefix,
        file_pattern="*.mp4",
        failure_threshold=threshold,
    )


def control(
    total: int = 0,
    imported: int = 0,
    failed: int = 0,
    skipped: int = 0,
    *,
    scan_done: bool = True,
    cancel: bool = False,
) -> RunControl:
    return RunControl(RunState.IMPORTING, cancel, scan_done, RunCounters(total, imported, failed, skipped))


@pytest.mark.parametrize(
    ("threshold", "total", "failed", "scan_done", "expected"),
    [
        pytest.param(None, 10, 10, True, False, id="no threshold tolerates everything"),
        pytest.param("5", 10, 5, False, False, id="as many as the number are tolerated"),
        pytest.param("5", 10, 6, False, True, id="one more than the number is too many, even while scanning"),
        pytest.param("0", 10, 1, False, True, id="zero tolerates none"),
        pytest.param("10%", 10, 1, True, False, id="exactly the percentage is tolerated"),
        pytest.param("10%", 10, 2, True, True, id="more than the percentage is too many"),
        pytest.param("10%", 10, 9, False, False, id="a percentage waits for the total"),
        pytest.param("2.5%", 1000, 25, True, False, id="fractions of a percent are exact"),
        pytest.param("2.5%", 1000, 26, True, True, id="fractions of a percent are exact, above"),
        pytest.param("0%", 10, 1, True, True, id="zero percent tolerates none"),
        pytest.param("many", 10, 10, True, False, id="text that is no threshold tolerates everything"),
    ],
)
def test_threshold(threshold: str | None, total: int, failed: int, scan_done: bool, expected: bool) -> None:
    assert is_over_threshold(threshold, RunCounters(total=total, failed=failed), scan_done=scan_done) is expected


@pytest.mark.parametrize(
    ("given", "state", "reason", "message"),
    [
        (control(), RunState.COMPLETED, "NoMatchingFiles", 'No object in the bucket matches the pattern "*.mp4".'),
        (control(2, 2), RunState.COMPLETED, "Completed", "Imported 2 of 2 files."),
        (control(1, 1), RunState.COMPLETED, "Completed", "Imported 1 of 1 file."),
        (control(3, 1, 0, 2), RunState.COMPLETED, "Completed", "Imported 1 of 3 files, 2 skipped."),
        (
            control(14, 10, 3, 1),
            RunState.COMPLETED,
            "CompletedWithFailures",
            "Imported 10 of 14 files, 3 failed, 1 skipped.",
        ),
        (
            control(5, 1, cancel=True),
            RunState.CANCELLED,
            "Cancelled",
            "Cancelled; 1 file imported before that is kept.",
        ),
        (
            control(scan_done=False, cancel=True),
            RunState.CANCELLED,
            "Cancelled",
            "Cancelled before any file was listed.",
        ),
    ],
)
def test_endings(given: RunControl, state: RunState, reason: str, message: str) -> None:
    assert decide_ending(spec(), given) == Ending(state, reason, message)


@pytest.mark.parametrize("given", [control(3, 1), control(0, scan_done=False), control(2, 2, scan_done=False)])
def test_goes_on_while_files_are_open_or_the_scan_is(given: RunControl) -> None:
    assert decide_ending(spec(), given) is None


def test_the_prefix_is_named_when_nothing_matches() -> None:
    ending = decide_ending(spec(prefix="a/b"), control())

    assert ending is not None
    assert ending.message == 'No object whose key starts with "a/b" matches the pattern "*.mp4".'


def test_too_many_failures_end_the_run_while_files_are_open() -> None:
    ending = decide_early_ending(spec("1"), control(10, 1, 2, scan_done=False))

    assert ending is not None
    assert (ending.state, ending.reason) == (RunState.FAILED, "FailureThresholdExceeded")
    assert "2 files failed, more than failureThreshold 1" in ending.message
    assert decide_ending(spec("1"), control(10, 1, 2, scan_done=False)) == ending


def test_cancellation_comes_before_the_threshold() -> None:
    given = control(10, 1, 9, cancel=True)

    assert decide_early_ending(spec("1"), given) is None
    ending = decide_ending(spec("1"), given)
    assert ending is not None
    assert ending.state is RunState.CANCELLED


@pytest.mark.parametrize(
    ("state", "reason", "event"),
    [
        (RunState.COMPLETED, "Completed", RunEvent.COMPLETED),
        (RunState.COMPLETED, "NoMatchingFiles", RunEvent.COMPLETED),
        (RunState.COMPLETED, "CompletedWithFailures", RunEvent.PARTIAL_COMPLETED),
        (RunState.CANCELLED, "Cancelled", RunEvent.PARTIAL_COMPLETED),
        (RunState.FAILED, "SourceUnusable", RunEvent.FAILED),
    ],
)
def test_events_of_endings(state: RunState, reason: str, event: RunEvent) -> None:
    assert event_of(Ending(state, reason, "")) is event

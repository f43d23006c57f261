"""How runs end: decided under the lock of the run's row, with its open files closed and its event written.

The choice itself is `outcome.decide_ending`.
"""

from __future__ import annotations

import dataclasses

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.catalog import events
from videovector_operator.catalog.files import close_crashed
from videovector_operator.catalog.outcome import (
    CANCELLED_MESSAGE,
    STOPPED_MESSAGE,
    Ending,
    decide_early_ending,
    decide_ending,
    event_of,
)
from videovector_operator.catalog.pool import Connection, allow_statement
from videovector_operator.catalog.run_rows import GONE, LockedRun, lock_run, observe_control
from videovector_operator.catalog.text import plain
from videovector_operator.core.records import FileState, RunControl, RunState

ENDING_SECONDS = 300.0
"""Ending a run may have to close millions of open files."""

_CLOSE_OPEN_FILES = """
WITH closed AS (
    UPDATE run_files SET state = %(state)s, reason = %(reason)s, message = %(message)s, lease_owner = NULL, lease_until = NULL
    WHERE run_id = %(run_id)s AND (state = 'pending' OR state = 'leased')
    RETURNING 1
)
UPDATE runs AS r SET skipped = r.skipped + CASE %(state)s WHEN 'skipped' THEN n ELSE 0 END,
                failed = r.failed + CASE %(state)s WHEN 'failed' THEN n ELSE 0 END
FROM (SELECT count(*) AS n FROM closed) AS counted WHERE run_id = %(run_id)s
"""

_END = """
UPDATE runs SET state = %(state)s, reason = %(reason)s, message = %(message)s, current_file = NULL, scan_until = NULL,
                completed_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE run_id = %(run_id)s
"""


async def finish_run(connection: Connection, run_id: str) -> RunControl:
    """See `WorkerCatalog.finish_run`."""
    run = await lock_run(connection, run_id)
    if run is None or run.control.state.is_terminal:
        return GONE if run is None else run.control
    if await close_crashed(connection, run_id):
        run = dataclasses.replace(run, control=await observe_control(connection, run_id))
        await events.notify_run(connection, run_id)
    return await _end_with(connection, run, decide_ending(run.spec, run.control))


async def end_if_over_threshold(connection: Connection, run: LockedRun) -> RunControl:
    """End the locked run early when too many files have failed; returns where it stands then."""
    return await _end_with(connection, run, decide_early_ending(run.spec, run.control))


async def _end_with(connection: Connection, run: LockedRun, ending: Ending | None) -> RunControl:
    if ending is None:
        return run.control
    await write_ending(connection, run.spec.run_id, ending)
    return await observe_control(connection, run.spec.run_id)


async def fail_run(connection: Connection, run_id: str, reason: str, message: str) -> RunControl:
    """See `WorkerCatalog.fail_run`. Open files were not tried: they are skipped."""
    run = await lock_run(connection, run_id)
    if run is None or run.control.state.is_terminal:
        return GONE if run is None else run.control
    await write_ending(connection, run_id, Ending(RunState.FAILED, reason, message))
    return await observe_control(connection, run_id)


async def end_run(connection: Connection, run_id: str, ending: Ending) -> bool:
    """See `OperatorCatalog.end_run`."""
    run = await lock_run(connection, run_id)
    if run is None or run.control.state.is_terminal:
        return False
    await write_ending(connection, run_id, ending, open_files_fail=ending.state is RunState.FAILED)
    return True


async def write_ending(connection: Connection, run_id: str, ending: Ending, *, open_files_fail: bool = False) -> None:
    """Close the open files, end the run, write its event, notify. The caller holds the run's lock."""
    if ending.state is not RunState.COMPLETED:
        await _close_open_files(connection, run_id, ending, fail=open_files_fail)
    values = {
        "run_id": run_id,
        "state": ending.state.value,
        "reason": str(ending.reason),
        "message": plain(ending.message),
    }
    await connection.execute(_END, values)
    await events.write_run_event(connection, run_id, event_of(ending))
    await events.notify_run(connection, run_id)


async def _close_open_files(connection: Connection, run_id: str, ending: Ending, *, fail: bool) -> None:
    if fail:
        state, reason, message = FileState.FAILED, FileReason.WORKER_CRASHED, plain(ending.message)
    else:
        state, reason = FileState.SKIPPED, FileReason.CANCELLED
        message = CANCELLED_MESSAGE if ending.state is RunState.CANCELLED else STOPPED_MESSAGE
    values = {"run_id": run_id, "state": state.value, "reason": reason.value, "message": message}
    await allow_statement(connection, ENDING_SECONDS)
    await connection.execute(_CLOSE_OPEN_FILES, values)

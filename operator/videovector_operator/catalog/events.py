"""The outbox: event rows, written in the transaction of the change that they report; and the NOTIFY that goes with it.

`media.created` is written by `registration`, in the statement that makes the media. Keys inside ``data`` are as
`text.escape` leaves them (jsonb cannot hold NUL).
"""

from __future__ import annotations

from videovector_operator.catalog.outcome import RunEvent
from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.schema import RUNS_CHANNEL

_RUN_EVENT = """
INSERT INTO events (type, namespace, index_id, run_id, data)
SELECT %(type)s, namespace, index_id, run_id, jsonb_build_object(
    'job_id', run_id, 'namespace', namespace, 'name', name, 'index_id', index_id, 'connector_id', spec -> 'connector_id',
    'status', state, 'reason', reason, 'message', message,
    'created_at', created_at, 'started_at', started_at, 'completed_at', completed_at,
    'progress', jsonb_build_object(
        'total_files', total, 'imported', imported, 'failed', failed, 'skipped', skipped,
        'bytes_transferred', bytes_transferred, 'current_file', current_file))
FROM runs WHERE run_id = %(run_id)s
"""

_PROGRESS_TOLD = "UPDATE runs SET progress_told_at = clock_timestamp() WHERE run_id = %s"


async def write_run_event(connection: Connection, run_id: str, event: RunEvent) -> None:
    """Add an import_job event that shows the run as this transaction sees it."""
    await connection.execute(_RUN_EVENT, {"run_id": run_id, "type": event.value})


async def write_progress(connection: Connection, run_id: str) -> None:
    """Add import_job.progress; `run_rows.LockedRun.progress_due` says when."""
    await connection.execute(_PROGRESS_TOLD, [run_id])
    await write_run_event(connection, run_id, RunEvent.PROGRESS)


async def notify_run(connection: Connection, run_id: str) -> None:
    """Wake the listeners when this transaction commits."""
    await connection.execute("SELECT pg_notify(%s, %s)", [RUNS_CHANNEL, run_id])

"""Runs: started, asked to stop, listed. They come in by `admission`, end in `endings`; `summary` is what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.catalog import endings, events
from videovector_operator.catalog.outcome import Ending, RunEvent, cancelled_message
from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.run_rows import GONE, lock_run, observe_control, read_spec
from videovector_operator.core.records import RunControl, RunSpec, RunState

CHANGED_RUNS_LIMIT = 1000

_START = """
UPDATE runs SET state = 'scanning', started_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE run_id = %s AND state = 'pending'
"""

_REQUEST_CANCEL = "UPDATE runs SET cancel_requested = true, updated_at = clock_timestamp() WHERE run_id = %s"

_CHANGED = (
    "SELECT namespace, name, index_id FROM runs WHERE updated_at > now() - %s::interval ORDER BY updated_at LIMIT %s"
)


async def load_run(connection: Connection, run_id: str) -> RunSpec | None:
    """See `WorkerCatalog.load_run`."""
    row = await (await connection.execute("SELECT spec FROM runs WHERE run_id = %s", [run_id])).fetchone()
    return None if row is None else read_spec(row["spec"])


async def start_run(connection: Connection, run_id: str) -> RunControl:
    """See `WorkerCatalog.start_run`."""
    started = await connection.execute(_START, [run_id])
    if started.rowcount:
        await events.write_run_event(connection, run_id, RunEvent.STARTED)
        await events.notify_run(connection, run_id)
    return await observe_control(connection, run_id)


async def request_cancel(connection: Connection, run_id: str) -> None:
    """See `OperatorCatalog.request_cancel`."""
    run = await lock_run(connection, run_id)
    control = GONE if run is None else run.control
    if control.state.is_terminal or control.cancel_requested:
        return
    await connection.execute(_REQUEST_CANCEL, [run_id])
    if control.state is RunState.PENDING:
        ending = Ending(RunState.CANCELLED, Reason.CANCELLED, cancelled_message(control.counters))
        await endings.write_ending(connection, run_id, ending)
    else:
        await events.notify_run(connection, run_id)


async def changed_runs(connection: Connection, within: timedelta) -> Sequence[tuple[str, str, str]]:
    """See `OperatorCatalog.changed_runs`."""
    rows = await (await connection.execute(_CHANGED, [within, CHANGED_RUNS_LIMIT])).fetchall()
    return [(row["namespace"], row["name"], row["index_id"]) for row in rows]

"""Indexes: made known, summarised, deleted in batches."""

from __future__ import annotations

from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.catalog import endings
from videovector_operator.catalog.outcome import Ending
from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.run_rows import lock_run
from videovector_operator.core.records import IndexSummary, KindTotals, RunState

KINDS = ("video", "audio", "image")

_ENSURE = """
INSERT INTO indexes AS known (index_id, namespace, name) VALUES (%s, %s, %s)
ON CONFLICT (index_id) DO UPDATE SET name = EXCLUDED.name WHERE known.name = ''
"""

_TOTALS = "SELECT kind, count, bytes FROM index_totals WHERE index_id = %s"

_LAST_RUN = """
SELECT name, run_id, state, imported, completed_at FROM runs
WHERE index_id = %s AND completed_at IS NOT NULL ORDER BY completed_at DESC LIMIT 1
"""

_OPEN_RUNS = """
SELECT run_id FROM runs WHERE index_id = %s AND state IN ('pending', 'scanning', 'importing') ORDER BY run_id
"""

_DELETE_MEDIA = """
WITH gone AS (
    DELETE FROM media WHERE media_id IN (SELECT media_id FROM media WHERE index_id = %(index_id)s LIMIT %(batch)s FOR UPDATE)
    RETURNING kind, size
), counted AS (
    UPDATE index_totals AS known SET count = known.count - gone_by_kind.count, bytes = known.bytes - gone_by_kind.bytes
    FROM (SELECT kind, count(*) AS count, sum(size) AS bytes FROM gone GROUP BY kind) AS gone_by_kind
    WHERE known.index_id = %(index_id)s AND known.kind = gone_by_kind.kind
)
SELECT count(*) AS deleted FROM gone
"""

_SOME_RUN = "SELECT run_id FROM runs WHERE index_id = %s LIMIT 1"

_DELETE_RUN_FILES = """
DELETE FROM run_files WHERE run_id = %(run_id)s AND path IN (
    SELECT path FROM run_files WHERE run_id = %(run_id)s ORDER BY path LIMIT %(batch)s FOR UPDATE)
"""


async def ensure_index(connection: Connection, index_id: str, namespace: str, name: str) -> None:
    """See `OperatorCatalog.ensure_index`."""
    await connection.execute(_ENSURE, [index_id, namespace, name])


async def observe_index(connection: Connection, index_id: str) -> IndexSummary:
    """See `OperatorCatalog.observe_index`."""
    rows = await (await connection.execute(_TOTALS, [index_id])).fetchall()
    found = {row["kind"]: KindTotals(row["count"], row["bytes"]) for row in rows}
    by_kind = {kind: found.get(kind, KindTotals()) for kind in KINDS}
    last = await (await connection.execute(_LAST_RUN, [index_id])).fetchone()
    if last is None:
        return IndexSummary(index_id, by_kind)
    return IndexSummary(
        index_id,
        by_kind,
        last_run_name=last["name"],
        last_run_id=last["run_id"],
        last_run_state=RunState(last["state"]),
        last_run_imported=last["imported"],
        last_run_completed_at=last["completed_at"],
    )


async def stop_runs(connection: Connection, index_id: str) -> None:
    """Cancel every open run of the index, so that no worker adds to what is being deleted."""
    rows = await (await connection.execute(_OPEN_RUNS, [index_id])).fetchall()
    for row in rows:
        run = await lock_run(connection, row["run_id"])
        if run is not None and not run.control.state.is_terminal:
            ending = Ending(RunState.CANCELLED, Reason.CANCELLED, "Cancelled: its Index was deleted with all media.")
            await endings.write_ending(connection, row["run_id"], ending)


async def delete_media_batch(connection: Connection, index_id: str, batch: int) -> int:
    """Delete up to ``batch`` media of the index and take them off its totals; returns how many."""
    row = await (await connection.execute(_DELETE_MEDIA, {"index_id": index_id, "batch": batch})).fetchone()
    return 0 if row is None else int(row["deleted"])


async def delete_run_batch(connection: Connection, index_id: str, batch: int) -> bool:
    """Delete up to ``batch`` files of one run of the index, or the run when it has none left; False = no run is left."""
    row = await (await connection.execute(_SOME_RUN, [index_id])).fetchone()
    if row is None:
        return False
    deleted = await connection.execute(_DELETE_RUN_FILES, {"run_id": row["run_id"], "batch": batch})
    if deleted.rowcount == 0:
        await connection.execute("DELETE FROM runs WHERE run_id = %s", [row["run_id"]])
    return True


async def delete_index_row(connection: Connection, index_id: str) -> None:
    """Forget the index itself."""
    await connection.execute("DELETE FROM index_totals WHERE index_id = %s", [index_id])
    await connection.execute("DELETE FROM indexes WHERE index_id = %s", [index_id])

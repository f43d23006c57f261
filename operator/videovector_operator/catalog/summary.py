"""The bounded projection of a run that its status is made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.sql import SQL

from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.rates import PRESENT_RATE
from videovector_operator.catalog.run_rows import read_counters
from videovector_operator.catalog.text import unescape
from videovector_operator.core.records import FileOutcome, FileState, RequestRate, RunState, RunSummary

_RUN = SQL("""
SELECT runs.*, max_per_second, {present_rate} AS present_rate,
       CASE WHEN held_until > clock_timestamp() THEN held_until END AS held_until
FROM runs LEFT JOIN request_rates USING (connector_id) WHERE run_id = %s
""").format(present_rate=PRESENT_RATE)

# Each branch reads its first rows from the index run_files_done.
_FILES = """
(SELECT state, path, reason, message, attempts, media_id FROM run_files
 WHERE run_id = %(run_id)s AND state = 'imported' ORDER BY path LIMIT %(limit)s)
UNION ALL
(SELECT state, path, reason, message, attempts, media_id FROM run_files
 WHERE run_id = %(run_id)s AND state = 'failed' ORDER BY path LIMIT %(limit)s)
UNION ALL
(SELECT state, path, reason, message, attempts, media_id FROM run_files
 WHERE run_id = %(run_id)s AND state = 'skipped' ORDER BY path LIMIT %(limit)s)
"""


async def observe_run(connection: Connection, run_id: str, list_limit: int) -> RunSummary | None:
    """See `OperatorCatalog.observe_run`."""
    run = await (await connection.execute(_RUN, [run_id])).fetchone()
    if run is None:
        return None
    files: Sequence[dict[str, Any]] = []
    if run["total"]:
        files = await (await connection.execute(_FILES, {"run_id": run_id, "limit": list_limit})).fetchall()
    return RunSummary(
        run_id=run_id,
        namespace=run["namespace"],
        name=run["name"],
        index_id=run["index_id"],
        state=RunState(run["state"]),
        scan_done=run["scan_done"],
        cancel_requested=run["cancel_requested"],
        counters=read_counters(run),
        current_file=None if run["current_file"] is None else unescape(run["current_file"]),
        created_at=run["created_at"],
        started_at=run["started_at"],
        completed_at=run["completed_at"],
        updated_at=run["updated_at"],
        reason=run["reason"],
        message=run["message"],
        media_ids=tuple(row["media_id"] for row in files if row["state"] == FileState.IMPORTED),
        failed_files=_outcomes(files, FileState.FAILED),
        skipped_files=_outcomes(files, FileState.SKIPPED),
        request_rate=_request_rate(run),
    )


def _request_rate(row: dict[str, Any]) -> RequestRate | None:
    if row["max_per_second"] is None:
        return None
    return RequestRate(row["max_per_second"], row["present_rate"], row["held_until"])


def _outcomes(files: Sequence[dict[str, Any]], state: FileState) -> tuple[FileOutcome, ...]:
    return tuple(
        FileOutcome(unescape(row["path"]), row["reason"], row["message"], row["attempts"])
        for row in files
        if row["state"] == state
    )

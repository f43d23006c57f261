"""The full list of a run's files, page by page: what stands behind the bounded lists of a status. Reads only."""

from __future__ import annotations

from collections.abc import Sequence

from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.text import escape, unescape
from videovector_operator.core.records import FileState, RunFile

# By key, not by OFFSET: the last page of a million files costs what the first one does.
_PAGE = """
SELECT path, size, state, reason, message, media_id, attempts FROM run_files
WHERE run_id = %(run_id)s AND path > %(after)s AND (%(state)s::text IS NULL OR state = %(state)s)
AND (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY path LIMIT %(limit)s
"""


async def list_run_files(
    connection: Connection, run_id: str, state: FileState | None, reason: str | None, *, after: str, limit: int
) -> Sequence[RunFile]:
    """See `OperatorCatalog.list_run_files`."""
    values = {"run_id": run_id, "state": state, "reason": reason, "after": escape(after), "limit": limit}
    rows = await (await connection.execute(_PAGE, values)).fetchall()
    return [
        RunFile(
            path=unescape(row["path"]),
            size=row["size"],
            state=FileState(row["state"]),
            reason=row["reason"],
            message=row["message"],
            media_id=row["media_id"],
            attempts=row["attempts"],
        )
        for row in rows
    ]

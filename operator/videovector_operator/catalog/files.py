"""The queue of a run's files: claimed under a lease by the database's clock, renewed, given back, given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.catalog import events
from videovector_operator.catalog.outcome import CRASHED_MESSAGE, MAX_ATTEMPTS
from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.run_rows import GONE, lock_run, observe_control
from videovector_operator.catalog.text import escape, unescape
from videovector_operator.core.records import ClaimedFile, RunControl

# Abandoned files first: there are few, and their turn came long ago. Each branch reads one small partial index.
CLAIM = """
WITH run AS (
    SELECT 1 FROM runs
    WHERE run_id = %(run_id)s AND NOT cancel_requested AND state IN ('pending', 'scanning', 'importing')
), abandoned AS (
    SELECT ctid FROM run_files
    WHERE run_id = %(run_id)s AND state = 'leased' AND lease_until < clock_timestamp() AND attempts < %(max_attempts)s
      AND EXISTS (SELECT FROM run)
    ORDER BY path LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), fresh AS (
    SELECT ctid FROM run_files
    WHERE run_id = %(run_id)s AND state = 'pending' AND EXISTS (SELECT FROM run)
    ORDER BY path LIMIT greatest(0, %(limit)s - (SELECT count(*) FROM abandoned)) FOR UPDATE SKIP LOCKED
)
UPDATE run_files AS f SET state = 'leased', lease_owner = %(owner)s, lease_until = clock_timestamp() + %(lease)s,
                          attempts = attempts + 1
FROM (SELECT ctid FROM abandoned UNION ALL SELECT ctid FROM fresh) AS chosen
WHERE f.ctid = chosen.ctid
RETURNING f.path, f.size, f.fingerprint, f.modified_at, f.attempts
"""

_HAS_CRASHED = """
SELECT EXISTS (
    SELECT FROM run_files
    WHERE run_id = %(run_id)s AND state = 'leased' AND lease_until < clock_timestamp() AND attempts >= %(max_attempts)s
) AS found
"""

_CLOSE_CRASHED = """
WITH closed AS (
    UPDATE run_files SET state = 'failed', reason = %(reason)s, message = %(message)s, lease_owner = NULL, lease_until = NULL
    WHERE run_id = %(run_id)s AND state = 'leased' AND lease_until < clock_timestamp() AND attempts >= %(max_attempts)s
    RETURNING 1
)
UPDATE runs AS r SET failed = r.failed + counted.n, updated_at = clock_timestamp()
FROM (SELECT count(*) AS n FROM closed) AS counted WHERE run_id = %(run_id)s AND counted.n > 0
"""

_RENEW_SCAN = """
UPDATE runs SET scan_until = clock_timestamp() + %(lease)s
WHERE run_id = %(run_id)s AND scan_owner = %(owner)s AND NOT scan_done
"""

_NOTE_CURRENT_FILE = """
UPDATE runs SET current_file = %(current_file)s, updated_at = clock_timestamp()
WHERE run_id = %(run_id)s AND current_file IS DISTINCT FROM %(current_file)s
"""

_RENEW_FILES = """
UPDATE run_files SET lease_until = clock_timestamp() + %(lease)s
WHERE run_id = %(run_id)s AND lease_owner = %(owner)s AND state = 'leased'
"""

_RELEASE = """
UPDATE run_files SET state = 'pending', lease_owner = NULL, lease_until = NULL, attempts = attempts - 1
WHERE run_id = %s AND path = ANY(%s) AND state = 'leased' AND lease_owner = %s
"""


async def claim_files(
    connection: Connection, run_id: str, owner: str, limit: int, lease: timedelta
) -> Sequence[ClaimedFile]:
    """See `WorkerCatalog.claim_files`."""
    values = {"run_id": run_id, "owner": owner, "limit": limit, "lease": lease, "max_attempts": MAX_ATTEMPTS}
    rows = await (await connection.execute(CLAIM, values)).fetchall()
    files = [
        ClaimedFile(
            unescape(row["path"]), row["size"], unescape(row["fingerprint"]), row["modified_at"], row["attempts"]
        )
        for row in rows
    ]
    return sorted(files, key=lambda file: escape(file.path))


async def close_crashed_files(connection: Connection, run_id: str) -> None:
    """Fail the files that no worker survived, if there are any."""
    values = {"run_id": run_id, "max_attempts": MAX_ATTEMPTS}
    row = await (await connection.execute(_HAS_CRASHED, values)).fetchone()
    if row is not None and row["found"] and await lock_run(connection, run_id) is not None:
        await close_crashed(connection, run_id)
        await events.notify_run(connection, run_id)


async def close_crashed(connection: Connection, run_id: str) -> bool:
    """Do the work of `close_crashed_files`; the caller holds the run's lock. True = there were some."""
    values = {
        "run_id": run_id,
        "max_attempts": MAX_ATTEMPTS,
        "reason": FileReason.WORKER_CRASHED.value,
        "message": CRASHED_MESSAGE,
    }
    return (await connection.execute(_CLOSE_CRASHED, values)).rowcount > 0


async def renew_leases(
    connection: Connection, run_id: str, owner: str, lease: timedelta, current_file: str | None
) -> RunControl:
    """See `WorkerCatalog.renew_leases`."""
    run = await lock_run(connection, run_id)
    if run is None or run.control.state.is_terminal:
        return GONE if run is None else run.control
    values = {"run_id": run_id, "owner": owner, "lease": lease}
    await connection.execute(_RENEW_SCAN, values)
    await connection.execute(_RENEW_FILES, values)
    if current_file is not None:
        noted = await connection.execute(_NOTE_CURRENT_FILE, {"run_id": run_id, "current_file": escape(current_file)})
        if noted.rowcount:
            await events.notify_run(connection, run_id)
    return await observe_control(connection, run_id)


async def release_files(connection: Connection, run_id: str, owner: str, paths: Sequence[str]) -> None:
    """See `WorkerCatalog.release_files`."""
    if await lock_run(connection, run_id) is not None:
        await connection.execute(_RELEASE, [run_id, [escape(path) for path in paths], owner])

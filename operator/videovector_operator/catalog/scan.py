"""The scan of a run: one scanner at a time, which stores the listing page by page with the cursor that resumes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.catalog import events
from videovector_operator.catalog.outcome import ALREADY_IMPORTED_MESSAGE
from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.run_rows import LockedRun, lock_run
from videovector_operator.catalog.text import escape, plain, unescape
from videovector_operator.core.records import Candidate, ScanLease

_CLAIM = """
UPDATE runs SET scan_owner = %(owner)s, scan_until = clock_timestamp() + %(lease)s
WHERE run_id = %(run_id)s AND NOT scan_done AND NOT cancel_requested AND state IN ('pending', 'scanning')
  AND (scan_owner IS NULL OR scan_owner = %(owner)s OR scan_until < clock_timestamp())
RETURNING scan_cursor
"""

_PAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS scan_page (
    path text COLLATE "C", size bigint, fingerprint text, modified_at timestamptz, skip_reason text, skip_message text
) ON COMMIT DELETE ROWS
"""

_COPY_PAGE = "COPY scan_page (path, size, fingerprint, modified_at, skip_reason, skip_message) FROM STDIN"

# The join leaves unchanged objects out before ON CONFLICT could lock (and so write) their rows.
_MERGE_SOURCE_OBJECTS = """
INSERT INTO source_objects AS known (location, path, fingerprint, size, modified_at)
SELECT %(location)s, p.path, p.fingerprint, p.size, p.modified_at
FROM scan_page p LEFT JOIN LATERAL (
    SELECT * FROM source_objects o WHERE o.location = %(location)s AND o.path = p.path LIMIT 1
) AS k ON true
WHERE k.path IS NULL OR k.last_seen_at < clock_timestamp() - interval '1 day'
   OR (k.fingerprint, k.size, k.modified_at) IS DISTINCT FROM (p.fingerprint, p.size, p.modified_at)
ORDER BY p.path
ON CONFLICT (location, path) DO UPDATE SET
    fingerprint = EXCLUDED.fingerprint, size = EXCLUDED.size, modified_at = EXCLUDED.modified_at,
    last_seen_at = clock_timestamp(),
    fingerprint_seen_at = CASE WHEN known.fingerprint = EXCLUDED.fingerprint
                               THEN known.fingerprint_seen_at ELSE clock_timestamp() END
"""

_MERGE_RUN_FILES = """
WITH added AS (
    INSERT INTO run_files (run_id, path, size, fingerprint, modified_at, state, reason, message, media_id)
    SELECT %(run_id)s, p.path, p.size, p.fingerprint, p.modified_at,
           CASE WHEN p.skip_reason IS NULL AND m.media_id IS NULL THEN 'pending' ELSE 'skipped' END,
           coalesce(p.skip_reason, CASE WHEN m.media_id IS NULL THEN '' ELSE %(duplicate)s END),
           CASE WHEN m.media_id IS NULL THEN p.skip_message ELSE %(duplicate_message)s END,
           m.media_id
    FROM scan_page p LEFT JOIN LATERAL (
        SELECT k.media_id FROM media k
        WHERE k.index_id = %(index_id)s AND k.location = %(location)s AND k.path = p.path AND k.fingerprint = p.fingerprint LIMIT 1
    ) AS m ON %(new_only)s AND p.skip_reason IS NULL
    ORDER BY p.path
    ON CONFLICT DO NOTHING
    RETURNING state
)
UPDATE runs AS r SET total = r.total + counted.added, skipped = r.skipped + counted.skipped, scan_cursor = %(cursor)s,
                scan_until = clock_timestamp() + %(lease)s, updated_at = clock_timestamp()
FROM (SELECT count(*) AS added, count(*) FILTER (WHERE state = 'skipped') AS skipped FROM added) AS counted
WHERE run_id = %(run_id)s
"""

_FINISH = """
UPDATE runs SET scan_done = true, state = 'importing', scan_until = NULL, updated_at = clock_timestamp() WHERE run_id = %s
"""


async def claim_scan(connection: Connection, run_id: str, owner: str, lease: timedelta) -> ScanLease | None:
    """See `WorkerCatalog.claim_scan`."""
    row = await (await connection.execute(_CLAIM, {"run_id": run_id, "owner": owner, "lease": lease})).fetchone()
    return None if row is None else ScanLease(run_id, unescape(row["scan_cursor"]))


async def add_candidates(
    connection: Connection, run_id: str, owner: str, candidates: Sequence[Candidate], *, cursor: str, lease: timedelta
) -> bool:
    """See `WorkerCatalog.add_candidates`."""
    run = await lock_run(connection, run_id)
    if run is None or not _may_scan(run, owner):
        return False
    await _copy_page(connection, candidates)
    values = {
        "run_id": run_id,
        "index_id": run.spec.index_id,
        "location": escape(run.spec.location),
        "new_only": run.spec.import_mode == "new_only",
        "duplicate": FileReason.ALREADY_IMPORTED.value,
        "duplicate_message": ALREADY_IMPORTED_MESSAGE,
        "cursor": escape(cursor),
        "lease": lease,
    }
    if candidates:
        await connection.execute(_MERGE_SOURCE_OBJECTS, values)
    await connection.execute(_MERGE_RUN_FILES, values)
    await events.notify_run(connection, run_id)
    return True


async def finish_scan(connection: Connection, run_id: str, owner: str) -> bool:
    """See `WorkerCatalog.finish_scan`."""
    run = await lock_run(connection, run_id)
    if run is None or run.scan_owner != owner:
        return False
    if run.control.scan_done:
        return True
    if run.control.state.is_terminal:
        return False
    await connection.execute(_FINISH, [run_id])
    await events.notify_run(connection, run_id)
    return True


def _may_scan(run: LockedRun, owner: str) -> bool:
    return run.scan_owner == owner and not run.control.scan_done and not run.control.state.is_terminal


async def _copy_page(connection: Connection, candidates: Sequence[Candidate]) -> None:
    await connection.execute(_PAGE)
    # One row a key: a listing that names a key twice must not fail the merge.
    unique = {candidate.path: candidate for candidate in candidates}
    async with connection.cursor() as cursor, cursor.copy(_COPY_PAGE) as copy:
        for item in unique.values():
            await copy.write_row(
                (
                    escape(item.path),
                    item.size,
                    escape(item.fingerprint),
                    item.modified_at,
                    item.skip_reason,
                    plain(item.skip_message),
                )
            )

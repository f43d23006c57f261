"""Results of claimed files: media, events, file states, counters and index totals, all in one transaction."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.catalog import events
from videovector_operator.catalog.endings import end_if_over_threshold
from videovector_operator.catalog.outcome import ALREADY_IMPORTED_MESSAGE
from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.run_rows import GONE, LockedRun, lock_run, read_control
from videovector_operator.catalog.text import escape, plain, plain_json
from videovector_operator.core.records import FileResult, FileState, MediaRecord, RunControl

# The fence: only these files are the caller's, and nobody can claim them away (or move their rows) before this
# transaction ends.
_LOCK_LEASED = """
SELECT ctid AS file, path, size, fingerprint FROM run_files
WHERE run_id = %s AND path = ANY(%s) AND state = 'leased' AND lease_owner = %s
ORDER BY path FOR UPDATE
"""

_PAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS result_page (
    file tid, path text COLLATE "C", size bigint, fingerprint text, state text, reason text, message text, bytes_read bigint,
    media_id text COLLATE "C", kind text, title text, content_type text, container text, duration_seconds double precision,
    width integer, height integer, frame_rate double precision, video_codec text, audio_codec text, sample_rate integer,
    channels integer, technical jsonb
) ON COMMIT DELETE ROWS
"""

_COPY_PAGE = """
COPY result_page (file, path, size, fingerprint, state, reason, message, bytes_read, media_id, kind, title, content_type, container,
    duration_seconds, width, height, frame_rate, video_codec, audio_codec, sample_rate, channels, technical) FROM STDIN
"""

_MAKE_MEDIA = """
WITH made AS (
    INSERT INTO media (media_id, index_id, location, path, fingerprint, kind, title, content_type, container, size,
        duration_seconds, width, height, frame_rate, video_codec, audio_codec, sample_rate, channels, technical, run_id)
    SELECT media_id, %(index_id)s, %(location)s, path, fingerprint, kind, title, content_type, container, size,
        duration_seconds, width, height, frame_rate, video_codec, audio_codec, sample_rate, channels, technical, %(run_id)s
    FROM result_page WHERE state = 'imported' ORDER BY path
    ON CONFLICT DO NOTHING
    RETURNING *
), counted AS (
    INSERT INTO index_totals AS known (index_id, kind, count, bytes)
    SELECT %(index_id)s, kind, count(*), sum(size) FROM made GROUP BY kind ORDER BY kind
    ON CONFLICT (index_id, kind) DO UPDATE SET count = known.count + EXCLUDED.count, bytes = known.bytes + EXCLUDED.bytes
)
INSERT INTO events (type, namespace, index_id, run_id, media_id, data)
SELECT 'media.created', %(namespace)s, index_id, run_id, media_id, jsonb_build_object(
    'video_id', media_id, 'media_type', kind, 'title', title, 'index_id', index_id, 'job_id', run_id, 'status', 'not_processed',
    'location', location, 'path', path, 'fingerprint', fingerprint, 'content_type', content_type, 'size_bytes', size,
    'duration_seconds', duration_seconds, 'width', width, 'height', height, 'created_at', created_at)
FROM made ORDER BY path
"""

# kind and size stay: they belong to the content, and the index totals count them.
# LATERAL with LIMIT, here and in `scan`: one look-up in the index for each row, also while the planner has no statistics
# and would take the few rows it knows of for all.
_REFRESH_MEDIA = """
UPDATE media AS m SET title = p.title, content_type = p.content_type, container = p.container,
    duration_seconds = p.duration_seconds, width = p.width, height = p.height, frame_rate = p.frame_rate,
    video_codec = p.video_codec, audio_codec = p.audio_codec, sample_rate = p.sample_rate, channels = p.channels,
    technical = p.technical, updated_at = clock_timestamp()
FROM result_page p, LATERAL (
    SELECT k.media_id FROM media k
    WHERE k.index_id = %(index_id)s AND k.location = %(location)s AND k.path = p.path AND k.fingerprint = p.fingerprint LIMIT 1
) AS known
WHERE p.state = 'imported' AND m.media_id = known.media_id AND m.run_id <> %(run_id)s
"""

_CLOSE_FILES = """
WITH verdict AS (
    SELECT p.file, p.state, p.reason, p.message, p.bytes_read, m.media_id,
           %(new_only)s AND m.run_id <> %(run_id)s AS is_duplicate
    FROM result_page p LEFT JOIN LATERAL (
        SELECT k.media_id, k.run_id FROM media k
        WHERE k.index_id = %(index_id)s AND k.location = %(location)s AND k.path = p.path AND k.fingerprint = p.fingerprint LIMIT 1
    ) AS m ON p.state = 'imported'
), closed AS (
    UPDATE run_files AS f SET
        state = CASE WHEN v.is_duplicate THEN 'skipped' ELSE v.state END,
        reason = CASE WHEN v.is_duplicate THEN %(duplicate)s ELSE v.reason END,
        message = CASE WHEN v.is_duplicate THEN %(duplicate_message)s ELSE v.message END,
        media_id = v.media_id, bytes_read = v.bytes_read, lease_owner = NULL, lease_until = NULL
    FROM verdict v WHERE f.ctid = v.file
    RETURNING f.state, f.bytes_read
)
UPDATE runs AS r SET imported = r.imported + counted.imported, failed = r.failed + counted.failed, skipped = r.skipped + counted.skipped,
                bytes_transferred = r.bytes_transferred + counted.bytes, updated_at = clock_timestamp()
FROM (SELECT count(*) FILTER (WHERE state = 'imported') AS imported, count(*) FILTER (WHERE state = 'failed') AS failed,
             count(*) FILTER (WHERE state = 'skipped') AS skipped, coalesce(sum(bytes_read), 0) AS bytes FROM closed) AS counted
WHERE run_id = %(run_id)s
RETURNING r.state, cancel_requested, scan_done, total, r.imported, r.failed, r.skipped, bytes_transferred,
          (SELECT max_per_second FROM request_rates WHERE connector_id = r.connector_id) AS request_limit
"""

_RESULT_STATES = (FileState.IMPORTED, FileState.FAILED, FileState.SKIPPED)
_NO_MEDIA: tuple[object, ...] = (None,) * 14


async def register_files(connection: Connection, run_id: str, owner: str, results: Sequence[FileResult]) -> RunControl:
    """See `WorkerCatalog.register_files`."""
    run = await lock_run(connection, run_id)
    if run is None or run.control.state.is_terminal:
        return GONE if run is None else run.control
    by_path = {escape(result.path): result for result in results}
    rows = await connection.execute(_LOCK_LEASED, [run_id, list(by_path), owner])
    leased = [(row["file"], row["path"], row["size"], row["fingerprint"]) for row in await rows.fetchall()]
    if not leased:
        return run.control
    await _copy_page(connection, [(*file, *_columns(by_path[file[1]])) for file in leased])
    imported = sum(by_path[file[1]].state is FileState.IMPORTED for file in leased)
    run = dataclasses.replace(run, control=await _merge(connection, run, imported))
    control = await end_if_over_threshold(connection, run)
    if not control.state.is_terminal:
        if run.progress_due:
            await events.write_progress(connection, run_id)
        await events.notify_run(connection, run_id)
    return control


async def _copy_page(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    await connection.execute(_PAGE)
    async with connection.cursor() as cursor, cursor.copy(_COPY_PAGE) as copy:
        for row in rows:
            await copy.write_row(row)


async def _merge(connection: Connection, run: LockedRun, imported: int) -> RunControl:
    values = {
        "run_id": run.spec.run_id,
        "namespace": run.spec.namespace,
        "index_id": run.spec.index_id,
        "location": escape(run.spec.location),
        "new_only": run.spec.import_mode == "new_only",
        "duplicate": FileReason.ALREADY_IMPORTED.value,
        "duplicate_message": ALREADY_IMPORTED_MESSAGE,
    }
    # Statement after statement: each sees what the one before it wrote.
    made = await connection.execute(_MAKE_MEDIA, values)
    if made.rowcount < imported:
        await connection.execute(_REFRESH_MEDIA, values)
    row = await (await connection.execute(_CLOSE_FILES, values)).fetchone()
    return GONE if row is None else read_control(row)


def _columns(result: FileResult) -> tuple[object, ...]:
    """Lay one result out as `_COPY_PAGE` wants it, behind the file's own."""
    if result.state not in _RESULT_STATES or (result.state is FileState.IMPORTED) != (result.media is not None):
        raise ValueError(f"{result.path!r}: a result is imported with media, or skipped or failed without")
    outcome = (result.state.value, str(result.reason), plain(result.message), result.bytes_read)
    return (*outcome, *(_NO_MEDIA if result.media is None else _media_columns(result.media)))


def _media_columns(media: MediaRecord) -> tuple[object, ...]:
    return (
        media.media_id,
        media.kind,
        plain(media.title),
        plain(media.content_type),
        plain(media.container),
        _finite(media.duration_seconds),
        media.width,
        media.height,
        _finite(media.frame_rate),
        _plain_or_none(media.video_codec),
        _plain_or_none(media.audio_codec),
        media.sample_rate,
        media.channels,
        plain_json(media.technical),
    )


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _plain_or_none(text: str | None) -> str | None:
    return None if text is None else plain(text)

"""Indexes, media, source objects, runs with their files, and the outbox of events.

There are no foreign keys between the big tables: their rows are written in bulk by transactions that hold the run's
row, and deleted by `delete_index` in batches.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

INDEXES = """
CREATE TABLE indexes (
    index_id    text PRIMARY KEY,
    namespace   text NOT NULL,
    name        text NOT NULL,          -- '' until the Index itself is reconciled
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Exact at every commit: changed by the transactions that change media.
CREATE TABLE index_totals (
    index_id    text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('video', 'audio', 'image')),
    count       bigint NOT NULL,
    bytes       bigint NOT NULL,
    PRIMARY KEY (index_id, kind)
) WITH (fillfactor = 50);
"""

MEDIA = """
CREATE TABLE media (
    media_id          text COLLATE "C" PRIMARY KEY,
    index_id          text NOT NULL,
    location          text NOT NULL,
    path              text COLLATE "C" NOT NULL,
    fingerprint       text NOT NULL,
    kind              text NOT NULL CHECK (kind IN ('video', 'audio', 'image')),
    title             text NOT NULL,
    content_type      text NOT NULL,
    container         text NOT NULL,
    size              bigint NOT NULL,
    duration_seconds  double precision,
    width             integer,
    height            integer,
    frame_rate        double precision,
    video_codec       text,
    audio_codec       text,
    sample_rate       integer,
    channels          integer,
    technical         jsonb NOT NULL DEFAULT '{}',
    run_id            text NOT NULL,    -- the run that made the row
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT media_identity UNIQUE (index_id, location, path, fingerprint)
);

-- What was ever listed. A row is written when it is new or has changed, and last_seen_at at most once a day.
CREATE TABLE source_objects (
    location             text NOT NULL,
    path                 text COLLATE "C" NOT NULL,
    fingerprint          text NOT NULL,
    size                 bigint NOT NULL,
    modified_at          timestamptz NOT NULL,
    first_seen_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    fingerprint_seen_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (location, path)
) WITH (fillfactor = 90);
"""

RUNS = """
CREATE TABLE runs (
    run_id             text PRIMARY KEY,
    namespace          text NOT NULL,
    name               text NOT NULL,
    index_id           text NOT NULL,
    location           text NOT NULL,
    import_mode        text NOT NULL CHECK (import_mode IN ('all', 'new_only')),
    spec               jsonb NOT NULL,
    state              text NOT NULL DEFAULT 'pending'
                       CHECK (state IN ('pending', 'scanning', 'importing', 'completed', 'failed', 'cancelled')),
    reason             text NOT NULL DEFAULT '',
    message            text NOT NULL DEFAULT '',
    cancel_requested   boolean NOT NULL DEFAULT false,
    scan_done          boolean NOT NULL DEFAULT false,
    scan_cursor        text NOT NULL DEFAULT '',
    scan_owner         text,
    scan_until         timestamptz,
    total              bigint NOT NULL DEFAULT 0,
    imported           bigint NOT NULL DEFAULT 0,
    failed             bigint NOT NULL DEFAULT 0,
    skipped            bigint NOT NULL DEFAULT 0,
    bytes_transferred  bigint NOT NULL DEFAULT 0,
    current_file       text,
    progress_told_at   timestamptz,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at         timestamptz,
    completed_at       timestamptz,
    updated_at         timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
CREATE INDEX runs_updated ON runs (updated_at);
CREATE INDEX runs_of_index ON runs (index_id, completed_at DESC);

CREATE TABLE run_files (
    run_id       text NOT NULL,
    path         text COLLATE "C" NOT NULL,
    size         bigint NOT NULL,
    fingerprint  text NOT NULL,
    modified_at  timestamptz NOT NULL,
    state        text NOT NULL CHECK (state IN ('pending', 'leased', 'imported', 'failed', 'skipped')),
    reason       text NOT NULL DEFAULT '',
    message      text NOT NULL DEFAULT '',
    media_id     text,
    attempts     integer NOT NULL DEFAULT 0,
    lease_owner  text,
    lease_until  timestamptz,
    bytes_read   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, path),
    CHECK (state <> 'imported' OR media_id IS NOT NULL),
    CHECK ((state = 'leased') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL))
) WITH (fillfactor = 90);
-- A file is in one of these three at a time. The queue stays small however many files are done.
CREATE INDEX run_files_pending ON run_files (run_id, path) WHERE state = 'pending';
CREATE INDEX run_files_leased ON run_files (run_id, lease_owner, path) WHERE state = 'leased';
CREATE INDEX run_files_done ON run_files (run_id, state, path) WHERE state IN ('imported', 'failed', 'skipped');
"""

EVENTS = """
-- The outbox. transaction_id lets a reader stop before changes that are not committed yet: sequence numbers are given
-- at insert, not at commit.
CREATE TABLE events (
    sequence        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              text NOT NULL UNIQUE DEFAULT 'evt_' || replace(gen_random_uuid()::text, '-', ''),
    type            text NOT NULL,
    namespace       text NOT NULL,
    index_id        text NOT NULL,
    run_id          text,
    media_id        text,
    data            jsonb NOT NULL,
    transaction_id  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""


def upgrade() -> None:
    for statements in (INDEXES, MEDIA, RUNS, EVENTS):
        op.get_bind().exec_driver_sql(statements)

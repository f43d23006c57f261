"""Runs know their Connector: what `admit_run` counts.

The column is made from the spec by PostgreSQL itself, so rows that are there get it, and so do those that an operator of
the version before still writes while this one is rolled out. Workers of that version read and write what they did.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

RUNS_OF_CONNECTORS = """
ALTER TABLE runs ADD COLUMN connector_id text NOT NULL GENERATED ALWAYS AS (coalesce(spec ->> 'connector_id', '')) STORED;
-- Small however many runs have ended.
CREATE INDEX runs_open ON runs (connector_id) WHERE state IN ('pending', 'scanning', 'importing');
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(RUNS_OF_CONNECTORS)

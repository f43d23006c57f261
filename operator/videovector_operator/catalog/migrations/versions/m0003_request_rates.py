"""How fast the pods of each Connector with a limit may send: one row each, the line that they all stand in (`core.pace`).

Workers of the version before know nothing of it and keep no pace, as before.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

REQUEST_RATES = """
-- Written several times a second while a run of the Connector reads, and otherwise not at all.
CREATE TABLE request_rates (
    connector_id    text PRIMARY KEY,
    max_per_second  integer CHECK (max_per_second > 0),  -- NULL = the limit was taken off
    rate            double precision NOT NULL CHECK (rate > 0),
    next_free_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    decreased_at    timestamptz NOT NULL DEFAULT 'epoch',
    held_until      timestamptz NOT NULL DEFAULT 'epoch',
    revision        bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 25);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(REQUEST_RATES)

"""Request rates: the line that all pods of a Connector stand in, one row each. What is done here, `core.pace` explains.

Every function is one statement by the database's clock, and runs without a transaction around it: nobody holds the row while
its answer is on its way. What a crash of PostgreSQL may take back is over by the time that it is up again, so commits do not
wait for the disk.
"""

from __future__ import annotations

from psycopg.sql import SQL, Literal

from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.text import escape
from videovector_operator.core import pace
from videovector_operator.core.records import Reservation
from videovector_operator.core.retry import LONGEST_RETRY_AFTER_SECONDS

_NUMBERS = {
    "recovery": Literal(pace.RECOVERY_SHARE),
    "decrease": Literal(pace.DECREASE_FACTOR),
    "lowest_rate": Literal(pace.LOWEST_RATE),
    "lowest_share": Literal(pace.LOWEST_SHARE),
    "same_burst": SQL("make_interval(secs => {})").format(pace.SAME_BURST_SECONDS),
    "burst": SQL("make_interval(secs => {})").format(pace.BURST_SECONDS),
    "trust": Literal(pace.TRUST_SECONDS),
    "batch": Literal(pace.BATCH_SECONDS),
}

PRESENT_RATE = SQL("""
least(max_per_second, rate + {recovery} * max_per_second
      * greatest(0, extract(epoch FROM clock_timestamp() - greatest(decreased_at + {same_burst}, held_until))::double precision))
""").format(**_NUMBERS)
"""`core.pace.present_rate` of a row; NULL = there is no limit."""

# The clock is read once the row is held. `present` is the row as its last holder left it.
_PRESENT = SQL("""
WITH held AS (
    SELECT * FROM request_rates WHERE connector_id = %(connector_id)s AND max_per_second IS NOT NULL FOR NO KEY UPDATE
), present AS MATERIALIZED (
    SELECT held.*, {present_rate} AS present_rate, clock_timestamp() AS now, set_config('synchronous_commit', 'off', true)
    FROM held
)
""").format(present_rate=PRESENT_RATE)

_RESERVE = SQL("""
{present}, taken AS (
    SELECT connector_id, now, present_rate, least(%(count)s::integer, ceil(present_rate * {batch})::integer) AS granted,
           greatest(now - {burst}, next_free_at, held_until) AS start_at
    FROM present
)
UPDATE request_rates AS line SET next_free_at = start_at + make_interval(secs => granted / present_rate)
FROM taken WHERE line.connector_id = taken.connector_id
RETURNING granted, extract(epoch FROM start_at - now)::double precision AS start_in, 1 / present_rate AS spacing, line.revision
""").format(present=_PRESENT, **_NUMBERS)

_CONFIRM = "SELECT 1 FROM request_rates WHERE connector_id = %s AND revision = %s AND max_per_second IS NOT NULL"

_REPORT = SQL("""
{present}, judged AS (
    SELECT *, now + make_interval(secs => %(hold)s) AS hold_until,
           now + make_interval(secs => {trust} + 1.0 / max_per_second) AS begin_at,
           now >= greatest(decreased_at + {same_burst}, held_until) AS is_new,
           least(greatest({lowest_rate}, {lowest_share} * max_per_second), present_rate) AS lowest
    FROM present
)
UPDATE request_rates AS line
SET rate = CASE WHEN is_new THEN greatest(lowest, present_rate * {decrease}) ELSE present_rate END,
    decreased_at = CASE WHEN is_new THEN now ELSE judged.decreased_at END,
    held_until = greatest(judged.held_until, hold_until),
    next_free_at = greatest(begin_at, judged.held_until, hold_until),
    revision = judged.revision + 1
FROM judged WHERE line.connector_id = judged.connector_id
    AND (is_new OR hold_until > greatest(judged.held_until, now) + {same_burst})
""").format(present=_PRESENT, **_NUMBERS)

_SET_LIMIT = SQL("""
INSERT INTO request_rates AS line (connector_id, max_per_second, rate) VALUES (%(connector_id)s, %(limit)s, %(limit)s)
ON CONFLICT (connector_id) DO UPDATE
SET max_per_second = excluded.max_per_second, revision = line.revision + 1,
    next_free_at = clock_timestamp() + make_interval(secs => {trust} + 1.0 / excluded.max_per_second)
WHERE line.max_per_second IS DISTINCT FROM excluded.max_per_second
""").format(**_NUMBERS)

_TAKE_LIMIT_OFF = """
UPDATE request_rates SET max_per_second = NULL, revision = revision + 1
WHERE connector_id = %(connector_id)s AND max_per_second IS NOT NULL
"""


async def set_request_limit(connection: Connection, connector_id: str, limit: int | None) -> None:
    """See `OperatorCatalog.set_request_limit`."""
    values = {"connector_id": escape(connector_id), "limit": limit}
    await connection.execute(_TAKE_LIMIT_OFF if limit is None else _SET_LIMIT, values)


async def reserve_requests(connection: Connection, connector_id: str, count: int) -> Reservation | None:
    """See `RequestRates.reserve_requests`."""
    values = {"connector_id": escape(connector_id), "count": count}
    row = await (await connection.execute(_RESERVE, values)).fetchone()
    return None if row is None else Reservation(row["granted"], row["start_in"], row["spacing"], row["revision"])


async def confirm_reservation(connection: Connection, connector_id: str, revision: int) -> bool:
    """See `RequestRates.confirm_reservation`."""
    return await (await connection.execute(_CONFIRM, [escape(connector_id), revision])).fetchone() is not None


async def report_throttled(connection: Connection, connector_id: str, retry_after: float) -> None:
    """See `RequestRates.report_throttled`."""
    hold = min(max(retry_after, 0.0), LONGEST_RETRY_AFTER_SECONDS)
    await connection.execute(_REPORT, {"connector_id": escape(connector_id), "hold": hold})

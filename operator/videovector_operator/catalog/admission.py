"""Admission: which runs of a Connector may begin, decided under one lock a Connector.

A run that has its row has been admitted for ever. Whoever asks holds the lock until its transaction ends, so any number of
operators, one more at a leader change, never admit more than allowed. The order of the waiting is the caller's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from videovector_operator.catalog import events
from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.run_rows import write_spec
from videovector_operator.catalog.text import escape
from videovector_operator.core.records import OpenRun, RunSpec

OPEN_RUNS_LIMIT = 2000

# Two keys: no other lock of the project can be meant. Two Connectors with one hash wait for each other, no more.
_LOCK_CONNECTOR = "SELECT pg_advisory_xact_lock(7611, hashtext(%s))"

_ENSURE_INDEX = "INSERT INTO indexes (index_id, namespace, name) VALUES (%s, %s, '') ON CONFLICT DO NOTHING"

_ADMIT = """
INSERT INTO runs (run_id, namespace, name, index_id, location, import_mode, spec)
SELECT %(run_id)s, %(namespace)s, %(name)s, %(index_id)s, %(location)s, %(import_mode)s, %(spec)s
WHERE %(limit)s::integer IS NULL OR %(limit)s > (
    SELECT count(*) FROM (
        SELECT run_id FROM runs WHERE connector_id = %(connector_id)s AND state IN ('pending', 'scanning', 'importing')
        UNION SELECT unnest(%(unfinished)s::text[])
    ) AS active
)
ON CONFLICT DO NOTHING
"""

_IS_THERE = "SELECT 1 FROM runs WHERE run_id = %s"

_OPEN = """
SELECT run_id, namespace, name,
       greatest(updated_at, scan_until) < clock_timestamp() - interval '60 seconds' AND NOT EXISTS (
           SELECT 1 FROM run_files f WHERE f.run_id = r.run_id AND f.state = 'leased' AND f.lease_until > clock_timestamp()
       ) AS is_quiet
FROM runs r WHERE connector_id = %s AND state IN ('pending', 'scanning', 'importing')
ORDER BY created_at, run_id LIMIT %s
"""


async def admit_run(
    connection: Connection, spec: RunSpec, max_concurrent_runs: int | None, unfinished: Collection[str]
) -> bool:
    """See `OperatorCatalog.admit_run`."""
    if await _is_there(connection, spec.run_id):
        return True
    await connection.execute(_ENSURE_INDEX, [spec.index_id, spec.namespace])
    await connection.execute(_LOCK_CONNECTOR, [spec.connector_id])
    values = {
        "run_id": spec.run_id,
        "namespace": spec.namespace,
        "name": spec.name,
        "index_id": spec.index_id,
        "location": escape(spec.location),
        "import_mode": spec.import_mode,
        "spec": write_spec(spec),
        "connector_id": escape(spec.connector_id),
        "limit": max_concurrent_runs,
        "unfinished": list(unfinished),
    }
    made = await connection.execute(_ADMIT, values)
    if made.rowcount:
        await events.notify_run(connection, spec.run_id)
        return True
    return await _is_there(connection, spec.run_id)


async def _is_there(connection: Connection, run_id: str) -> bool:
    return await (await connection.execute(_IS_THERE, [run_id])).fetchone() is not None


async def open_runs(connection: Connection, connector_id: str) -> Sequence[OpenRun]:
    """See `OperatorCatalog.open_runs`."""
    rows = await (await connection.execute(_OPEN, [escape(connector_id), OPEN_RUNS_LIMIT])).fetchall()
    return [OpenRun(row["run_id"], row["namespace"], row["name"], row["is_quiet"]) for row in rows]

"""The catalog's tables as tests see them, past the catalog: what is counted there must be what the catalog says."""

from __future__ import annotations

from typing import Any

import psycopg


class Tables:
    """The tables as a test sees them, past the catalog."""

    def __init__(self, connection: psycopg.AsyncConnection[dict[str, Any]]) -> None:
        self._connection = connection

    async def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return await (await self._connection.execute(statement.encode(), values)).fetchall()

    async def value(self, statement: str, *values: object) -> Any:
        (row,) = await self.rows(statement, *values)
        (value,) = row.values()
        return value

    async def change(self, statement: str, *values: object) -> int:
        return (await self._connection.execute(statement.encode(), values)).rowcount


async def expire_leases(tables: Tables) -> None:
    await tables.change("UPDATE run_files SET lease_until = clock_timestamp() - interval '1s' WHERE state = 'leased'")


async def events(tables: Tables, kind: str = "%") -> list[Any]:
    return [
        row["type"] for row in await tables.rows("SELECT type FROM events WHERE type LIKE %s ORDER BY sequence", kind)
    ]


async def assert_counters_are_exact(tables: Tables, run_id: str = "job_1") -> None:
    """The incremental counters and totals equal what a count of the rows gives."""
    (kept,) = await tables.rows(
        "SELECT total, imported, failed, skipped, bytes_transferred FROM runs WHERE run_id = %s", run_id
    )
    (counted,) = await tables.rows(
        """SELECT count(*) AS total, count(*) FILTER (WHERE state = 'imported') AS imported,
                  count(*) FILTER (WHERE state = 'failed') AS failed, count(*) FILTER (WHERE state = 'skipped') AS skipped,
                  coalesce(sum(bytes_read), 0)::bigint AS bytes_transferred
           FROM run_files WHERE run_id = %s""",
        run_id,
    )
    assert kept == counted
    totals = await tables.rows("SELECT index_id, kind, count, bytes FROM index_totals WHERE count <> 0 ORDER BY 1, 2")
    counted_totals = await tables.rows(
        "SELECT index_id, kind, count(*) AS count, sum(size)::bigint AS bytes FROM media GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert totals == counted_totals

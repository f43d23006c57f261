"""LISTEN: waking up the operator when runs change. A wake-up only: what changed is read from the tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from videovector_operator.catalog.pool import Database
from videovector_operator.catalog.schema import RUNS_CHANNEL
from videovector_operator.errors import CatalogUnavailable

CHECK_SECONDS = 30.0
"""A silent connection is asked this often whether it is still alive."""

_ANSWER_SECONDS = 10.0


async def listen(database: Database) -> AsyncIterator[str]:
    """See `OperatorCatalog.listen`."""
    async with database.dedicated() as connection:
        await connection.execute(f"LISTEN {RUNS_CHANNEL}")
        while not connection.closed:
            async for notice in connection.notifies(timeout=CHECK_SECONDS):
                yield notice.payload
            async with asyncio.timeout(_ANSWER_SECONDS):
                await connection.execute("SELECT 1")
    raise CatalogUnavailable("PostgreSQL ended the connection that listens for changed runs.")

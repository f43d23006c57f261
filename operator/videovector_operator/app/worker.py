"""Wires the commands that need no Kubernetes: the import worker, migrations, the lists of files."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TextIO

from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.errors import CatalogUnavailable
from videovector_operator.settings import Settings

_MIGRATE_RETRY_SECONDS = 1.0


async def run_migrations(settings: Settings, wait_seconds: float) -> None:
    """Migrate the catalog; while PostgreSQL does not answer, try again for ``wait_seconds``."""
    from videovector_operator.catalog.migrate import migrate

    dsn = settings.catalog_dsn.get_secret_value()
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            await asyncio.to_thread(migrate, dsn)
        except CatalogUnavailable:
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(_MIGRATE_RETRY_SECONDS)
        else:
            return

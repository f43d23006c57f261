"""Wires the commands that need no Kubernetes: the import worker, migrations, the lists of files."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import structlog

from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.records import FileState
from videovector_operator.errors import CatalogUnavailable, VideoVectorError
from videovector_operator.settings import Settings

_MIGRATE_RETRY_SECONDS = 1.0
_PAGE = 1000
_log = structlog.get_logger(__name__)


def _open_catalog(settings: Settings) -> PostgresCatalog:
    return PostgresCatalog(settings.catalog_dsn.get_secret_value(), max_connections=settings.catalog_pool_size)


async def run_import_worker(settings: Settings, run_id: str) -> int:
    """Work on one run until it has ended; returns the exit code of the process. SIGTERM gives the work back."""
    from videovector_operator.imports.mounts import Mounts
    from videovector_operator.imports.run import WorkerPorts, run_import
    from videovector_operator.storage.endpoint_policy import EndpointPolicy
    from videovector_operator.storage.open import open_storage
    from videovector_operator.storage.port import Pace, Source, Storage, StorageOptions

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    directory, ca_bundle = settings.credentials_directory, settings.ca_bundle_file
    mounts = Mounts(
        Path(directory) if directory else None,
        Path(ca_bundle) if ca_bundle else None,
        settings.credentials_secret,
    )
    async with _open_catalog(settings) as catalog:
        endpoints = EndpointPolicy(allow_loopback=settings.allow_loopback_endpoints)

        def open_paced(source: Source, pace: Pace) -> Storage:
            return open_storage(source, StorageOptions(endpoints=endpoints, pace=pace))

        ports = WorkerPorts(catalog, open_paced, mounts)
        return int(await run_import(run_id, _unique_owner(settings), ports, stop=stop))


def _unique_owner(settings: Settings) -> str:
    """Name of this process in its leases: no two processes may share one, not even a pod and its restart."""
    return f"{settings.worker_name or socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


async def run_migrations(settings: Settings, wait_seconds: float) -> None:
    """Migrate the catalog; while PostgreSQL does not answer, try again for ``wait_seconds``. Raises CatalogUnavailable."""
    from videovector_operator.catalog.migrate import migrate

    dsn = settings.catalog_dsn.get_secret_value()
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            found = await asyncio.to_thread(migrate, dsn)
        except CatalogUnavailable as error:
            if time.monotonic() >= deadline:
                raise
            _log.info("waiting for PostgreSQL", error=error.message)
            await asyncio.sleep(_MIGRATE_RETRY_SECONDS)
        else:
            _log.info("the catalog's schema is up to date", found=found or "empty database")
            return


async def print_run_files(settings: Settings, run_id: str, state: FileState | None, out: TextIO) -> None:
    """Print a run's files as JSON lines, in path order. Raises VideoVectorError when there is no such run."""
    after = ""
    async with _open_catalog(settings) as catalog:
        if await catalog.observe_run(run_id, list_limit=0) is None:
            raise VideoVectorError(f"the catalog knows no run {run_id!r}; see status.id of the ImportJob")
        while True:
            page = await catalog.list_run_files(run_id, state=state, after=after, limit=_PAGE)
            out.writelines(json.dumps(asdict(file), ensure_ascii=False) + "\n" for file in page)
            if len(page) < _PAGE:
                return
            after = page[-1].path

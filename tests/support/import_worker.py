"""The import worker as a process of its own, with short leases so that tests need not wait for the real ones.

Run: python -m tests.support.import_worker RUN OWNER, with CATALOG_DSN and CREDENTIALS in the environment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.support.local_storage import open_local
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.imports.mounts import Mounts
from videovector_operator.imports.run import WorkerPorts, run_import
from videovector_operator.imports.settings import ImportSettings

SETTINGS = ImportSettings(
    in_flight=4,
    claim_batch=16,
    register_batch=5,
    register_interval=0.05,
    lease=1.5,
    heartbeat=0.2,
    idle_poll=0.2,
    list_page_size=10,
    file_attempts=2,
    lonely_attempts=3,
)


async def work(run_id: str, owner: str) -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with PostgresCatalog(os.environ["CATALOG_DSN"]) as catalog:
        ports = WorkerPorts(catalog, open_local, Mounts(Path(os.environ["CREDENTIALS"])))
        return int(await run_import(run_id, owner, ports, SETTINGS, stop=stop))


if __name__ == "__main__":
    sys.exit(asyncio.run(work(sys.argv[1], sys.argv[2])))

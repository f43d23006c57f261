"""A worker in a world of fakes: a bucket in memory, a catalog in memory, short times."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.support.worker_catalog import MemoryWorkerCatalog
from tools.sample_media import iterate_small
from videovector_operator.core.records import RunSpec
from videovector_operator.imports.exit_codes import ExitCode
from videovector_operator.imports.mounts import Mounts
from videovector_operator.imports.run import WorkerPorts, run_import
from videovector_operator.imports.settings import ImportSettings
from videovector_operator.storage.fake import FakeStorage
from videovector_operator.storage.port import Pace, Source, Storage

SPEC = RunSpec(
    run_id="job_1",
    namespace="media",
    name="july",
    index_id="idx_1",
    connector_id="conn_1",
    location="s3://bucket",
    source={"provider": "s3", "bucket": "bucket", "region": "eu-central-1"},
)
QUICK = ImportSettings(
    in_flight=4,
    claim_batch=8,
    register_batch=4,
    register_interval=0.02,
    lease=30.0,  # none runs out by itself, however slow the machine is
    heartbeat=0.02,
    idle_poll=0.02,
    list_page_size=5,
    file_attempts=2,
    lonely_attempts=3,
    source_outage=0.5,
    credentials_wait=5.0,
    first_credentials_wait=0.3,
    catalog_outage=1.0,
)


class Opening:
    """One opening of a bucket: what was opened twice is two storages."""

    def __init__(self, bucket: FakeStorage) -> None:
        self._bucket = bucket

    def __getattr__(self, name: str) -> object:
        return getattr(self._bucket, name)


class World:
    """One run, one bucket. ``opened`` records the sources that were opened."""

    def __init__(self, spec: RunSpec | None = SPEC, settings: ImportSettings = QUICK) -> None:
        self.bucket = FakeStorage("bucket")
        self.catalog = MemoryWorkerCatalog(spec)
        self.settings = settings
        self.opened: list[Source] = []
        self.credentials: Path | None = None
        self.ca_bundle: Path | None = None
        self.stop = asyncio.Event()

    def fill(self, count: int) -> list[str]:
        """Put small media files; their keys."""
        files = dict(iterate_small(count))
        for key, data in files.items():
            self.bucket.put(key, data)
        return list(files)

    def open(self, source: Source, pace: Pace | None = None) -> Storage:
        self.opened.append(source)
        self.pace = pace
        self.bucket.closed = False
        return Opening(self.bucket)  # type: ignore[return-value]  # delegates everything

    async def run(self, owner: str = "w1", **changes: float) -> ExitCode:
        ports = WorkerPorts(self.catalog, self.open, Mounts(self.credentials, self.ca_bundle), lambda: 0.5)
        settings = replace(self.settings, **changes) if changes else self.settings  # type: ignore[arg-type]  # names are checked by replace
        async with asyncio.timeout(120):
            return await run_import("job_1", owner, ports, settings, stop=self.stop)


async def eventually(condition: object, seconds: float = 30.0) -> None:
    """Wait until ``condition()`` holds."""
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)

"""A bucket of sample media on a real gateway, a real catalog, and workers in this process or in their own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.contract.catalog_tables import Tables
from tests.support.import_worker import SETTINGS
from tests.support.local_storage import open_local
from tools.sample_media import QUICKSTART, generate, iterate_small
from tools.testservers import VersityGateway
from tools.testservers.clients import s3_client
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.names import media_id
from videovector_operator.core.records import RunSpec
from videovector_operator.imports.exit_codes import ExitCode
from videovector_operator.imports.mounts import Mounts
from videovector_operator.imports.run import WorkerPorts, run_import
from videovector_operator.storage.port import Pace, Source, Storage

REGION = "us-east-1"
SMALL = 60
ROOT = Path(__file__).parents[2]


class MediaServer:
    """One gateway with the bucket "media": the quickstart's files below ``quickstart/``, many small ones below ``small/``."""

    def __init__(self, gateway: VersityGateway, folder: Path) -> None:
        self.gateway = gateway
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        (self.credentials / "accessKeyId").write_text(gateway.access_key)
        (self.credentials / "secretAccessKey").write_text(gateway.secret_key)
        self.client = s3_client(gateway)
        self.client.create_bucket(Bucket="media")
        generate(folder / "quickstart")
        for sample in QUICKSTART:
            self.put(f"quickstart/{sample.path}", (folder / "quickstart" / sample.path).read_bytes())
        for path, data in iterate_small(SMALL):
            self.put(f"small/{path}", data)

    def put(self, key: str, data: bytes) -> str:
        """Upload; the object's fingerprint."""
        return str(self.client.put_object(Bucket="media", Key=key, Body=data)["ETag"]).strip('"')

    def fingerprints(self, prefix: str) -> dict[str, str]:
        listed = self.client.list_objects_v2(Bucket="media", Prefix=prefix)
        return {entry["Key"]: entry["ETag"].strip('"') for entry in listed.get("Contents", [])}

    def spec(self, run_id: str, prefix: str, **changes: Any) -> RunSpec:
        source: dict[str, Any] = {"provider": "s3", "bucket": "media", "region": REGION}
        source |= {"endpoint": self.gateway.endpoint, "forcePathStyle": True}
        spec = RunSpec(
            run_id=run_id,
            namespace="media",
            name=run_id,
            index_id=f"idx_{run_id}",
            connector_id="conn_1",
            location="s3://media",
            source=source,
            source_prefix=prefix,
        )
        return replace(spec, **changes)

    async def work(
        self,
        catalog: PostgresCatalog,
        spec: RunSpec,
        owner: str = "w1",
        open_source: Callable[[Source, Pace], Storage] = open_local,
        stop: asyncio.Event | None = None,
    ) -> ExitCode:
        """Run a worker in this process to its end."""
        await catalog.admit_run(spec)
        ports = WorkerPorts(catalog, open_source, Mounts(self.credentials))
        async with asyncio.timeout(60):
            return await run_import(spec.run_id, owner, ports, SETTINGS, stop=stop)

    async def start_process(self, dsn: str, run_id: str, owner: str) -> asyncio.subprocess.Process:
        """Start a worker process."""
        environment = {
            **os.environ,
            "CATALOG_DSN": dsn,
            "CREDENTIALS": str(self.credentials),
            "PYTHONPATH": f"{ROOT / 'operator'}{os.pathsep}{ROOT}",
        }
        command = (sys.executable, "-m", "tests.support.import_worker", run_id, owner)
        return await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL
        )


async def assert_catalogued_once(tables: Tables, spec: RunSpec, fingerprints: dict[str, str]) -> None:
    """Exactly these files are media of the run's index, each with one row and one event, and the run has ended well."""
    expected = {media_id(spec.index_id, spec.location, key, etag): key for key, etag in fingerprints.items()}
    rows = await tables.rows("SELECT media_id, path FROM media WHERE index_id = %s", spec.index_id)
    assert {row["media_id"]: row["path"] for row in rows} == expected
    events = await tables.rows("SELECT media_id FROM events WHERE run_id = %s AND type = 'media.created'", spec.run_id)
    assert sorted(str(row["media_id"]) for row in events) == sorted(expected)
    (run,) = await tables.rows("SELECT * FROM runs WHERE run_id = %s", spec.run_id)
    assert (run["state"], run["total"], run["imported"], run["failed"], run["skipped"]) == (
        "completed",
        len(expected),
        len(expected),
        0,
        0,
    )
    assert await tables.value("SELECT sum(count) FROM index_totals WHERE index_id = %s", spec.index_id) == len(expected)


def kill(process: asyncio.subprocess.Process) -> None:
    """As the kernel does when memory is short."""
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)

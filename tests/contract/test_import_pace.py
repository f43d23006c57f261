"""Three workers of one Connector, the product's own program, keep its limit together: on a real gateway behind a proxy that
counts and refuses."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.catalog_tables import Tables
from tests.contract.import_servers import ROOT, assert_catalogued_once, kill
from tests.support.windows import most_in_a_window
from tools.sample_media import iterate_small
from tools.testservers import VersityGateway
from tools.testservers.clients import s3_client
from tools.testservers.faultproxy import FaultProxy, delaying, refusing_s3
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.records import JsonValue, RequestRate, RunSpec
from videovector_operator.imports.exit_codes import ExitCode

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract

FILES = 400
LIMIT = 50
LATE = 20
"""Requests that a busy machine lets come late, beside those that are on time."""
WORKERS = 3


class Source:
    """A bucket of many small files."""

    def __init__(self, gateway: VersityGateway, folder: Path) -> None:
        self.gateway = gateway
        self.credentials = folder
        (folder / "accessKeyId").write_text(gateway.access_key)
        (folder / "secretAccessKey").write_text(gateway.secret_key)
        client = s3_client(gateway)
        client.create_bucket(Bucket="media")
        with ThreadPoolExecutor(4) as threads:
            etags = threads.map(
                lambda file: (file[0], client.put_object(Bucket="media", Key=file[0], Body=file[1])["ETag"]),
                iterate_small(FILES),
            )
            self.fingerprints = {key: etag.strip('"') for key, etag in etags}

    def spec(self, proxy: FaultProxy, run_id: str) -> RunSpec:
        where: dict[str, JsonValue] = {"provider": "s3", "bucket": "media", "region": "us-east-1"}
        reached = {**where, "endpoint": proxy.endpoint, "forcePathStyle": True}
        return RunSpec(run_id, "media", run_id, f"idx_{run_id}", "conn_1", "s3://media", reached)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    with VersityGateway(f"pace-tests-{os.getpid()}") as gateway:
        yield Source(gateway, tmp_path_factory.mktemp("credentials"))


@pytest.fixture
def proxy(source: Source) -> Iterator[FaultProxy]:
    with FaultProxy(source.gateway.endpoint) as proxy:
        yield proxy


class Import:
    """A run and its worker processes."""

    def __init__(self, catalog: PostgresCatalog, spec: RunSpec) -> None:
        self.catalog = catalog
        self.spec = spec
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self, credentials: Path, dsn: str) -> None:
        await self.catalog.admit_run(self.spec)
        environment = {
            **os.environ,
            "VIDEOVECTOR_CATALOG_DSN": dsn,
            "VIDEOVECTOR_CREDENTIALS_DIRECTORY": str(credentials),
            "VIDEOVECTOR_ALLOW_LOOPBACK_ENDPOINTS": "true",
            "PYTHONPATH": str(ROOT / "operator"),
        }
        command = (sys.executable, "-m", "videovector_operator", "worker", "import", "--run", self.spec.run_id)
        for _ in range(WORKERS):
            started = asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
            self.processes.append(await started)

    async def finish(self) -> None:
        async with asyncio.timeout(60):
            codes = [await process.wait() for process in self.processes]
        assert codes == [ExitCode.OK] * WORKERS

    async def imported(self) -> int:
        run = await self.catalog.observe_run(self.spec.run_id, list_limit=0)
        assert run is not None
        return run.counters.imported

    async def rate(self) -> RequestRate:
        run = await self.catalog.observe_run(self.spec.run_id, list_limit=0)
        assert run is not None
        assert run.request_rate is not None
        return run.request_rate


@contextmanager
def ended(run: Import) -> Iterator[Import]:
    """Leave no process behind, whatever fails."""
    try:
        yield run
    finally:
        for process in run.processes:
            kill(process)


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Wait until the awaitable of ``condition()`` gives true."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


def count(moments: list[float], start: float, end: float) -> int:
    return sum(start <= moment < end for moment in moments)


async def test_workers_keep_the_limit_slow_down_when_refused_and_recover(
    source: Source, proxy: FaultProxy, catalog: PostgresCatalog, tables: Tables, dsn: str
) -> None:
    spec = source.spec(proxy, "job_pace")
    await catalog.set_request_limit(spec.connector_id, LIMIT)
    with ended(Import(catalog, spec)) as run:
        await run.start(source.credentials, dsn)

        async def is_well_on_its_way() -> bool:
            return await run.imported() >= 100

        await eventually(is_well_on_its_way)
        refused_at = time.monotonic()
        proxy.inject(refusing_s3(503, "SlowDown", {"Retry-After": "3"}), times=None)

        async def is_held() -> bool:
            return (await run.rate()).held_until is not None

        await eventually(is_held)
        slowed_down = (await run.rate()).present
        assert slowed_down == pytest.approx(LIMIT / 2, rel=0.01)
        proxy.clear()
        await run.finish()
        recovered = (await run.rate()).present

    await assert_catalogued_once(tables, spec, source.fingerprints)
    sent = [seen.begun for seen in proxy.requests()]
    refused = [seen.begun for seen in proxy.requests() if seen.status == 503]
    # Long windows, and some more: a proxy that stood still for a moment sees what it has missed at once.
    for width in (2.0, 4.0):
        assert most_in_a_window(sent, width) <= LIMIT * width + 2 * LATE
    # The best second, before and afterwards: the machine may have stopped all of them in any other.
    before = [moment for moment in sent if moment < refused_at]
    assert most_in_a_window(before, 1.0) >= 0.7 * LIMIT, "the limit was used up before"
    assert len(refused) <= LIMIT, "half a second after the first refusal nobody asked any more"
    assert count(sent, refused[0] + 1.5, refused[0] + 2.9) == 0
    again = next(moment for moment in sent if moment > refused[0] + 2.9)
    assert count(sent, again, again + 3.0) <= 2.2 * LIMIT
    assert recovered >= slowed_down + 0.1 * LIMIT
    afterwards = [moment for moment in sent if moment >= again]
    assert most_in_a_window(afterwards, 1.0) >= slowed_down + 0.1 * LIMIT, "what the line gives again is used"


async def test_another_limit_reaches_workers_that_are_at_work(
    source: Source, proxy: FaultProxy, catalog: PostgresCatalog, tables: Tables, dsn: str
) -> None:
    spec = source.spec(proxy, "job_change")
    proxy.inject(delaying(1.0), methods="GET", times=None)
    with ended(Import(catalog, spec)) as run:
        await run.start(source.credentials, dsn)

        async def has_begun() -> bool:
            return await run.imported() >= 50

        await eventually(has_begun)
        assert proxy.peak_rate() > 30, "nothing holds them yet"
        limited_at = time.monotonic()
        await catalog.set_request_limit(spec.connector_id, 10)

        async def has_heard() -> bool:
            """By a heartbeat, of which there is one a second."""
            now = time.monotonic()
            return now > limited_at + 2.5 and count([seen.begun for seen in proxy.requests()], now - 1.0, now) <= 14

        await eventually(has_heard)
        heard_at = time.monotonic()

        async def has_gone_on() -> bool:
            return count([seen.begun for seen in proxy.requests()], heard_at, time.monotonic()) > 15

        await eventually(has_gone_on)
        freed_at = time.monotonic()
        await catalog.set_request_limit(spec.connector_id, None)
        await run.finish()

    await assert_catalogued_once(tables, spec, source.fingerprints)
    sent = [seen.begun for seen in proxy.requests()]
    assert freed_at - heard_at >= 1.1, "15 requests, at ten a second"
    assert count(sent, freed_at, freed_at + 4.0) > 4 * 10 + LATE, "many more than ten a second"

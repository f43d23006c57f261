"""Three worker processes of one Connector keep its limit together, on a real gateway behind a proxy that counts and refuses."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.contract.catalog_tables import Tables
from tests.contract.import_servers import MediaServer, assert_catalogued_once, kill
from tests.support.windows import most_in_a_window
from tools.sample_media import iterate_small
from tools.testservers import VersityGateway
from tools.testservers.faultproxy import FaultProxy, delaying, refusing_s3
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.records import RequestRate, RunSpec
from videovector_operator.imports.exit_codes import ExitCode

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract

FILES = 360
LIMIT = 50
MOST_IN_A_SECOND = 60
"""The limit, and what may come late on a busy machine."""
WORKERS = ("w1", "w2", "w3")


@pytest.fixture(scope="module")
def media_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaServer]:
    with VersityGateway(f"pace-tests-{os.getpid()}") as gateway:
        server = MediaServer(gateway, tmp_path_factory.mktemp("media"))
        for path, data in iterate_small(FILES):
            server.put(f"many/{path}", data)
        yield server


@pytest.fixture
def proxy(media_server: MediaServer) -> Iterator[FaultProxy]:
    with FaultProxy(media_server.gateway.endpoint) as proxy:
        yield proxy


def through(proxy: FaultProxy, media_server: MediaServer, run_id: str) -> RunSpec:
    spec = media_server.spec(run_id, "many/")
    return media_server.spec(run_id, "many/", source={**spec.source, "endpoint": proxy.endpoint})


class Import:
    """A run and its worker processes."""

    def __init__(self, catalog: PostgresCatalog, spec: RunSpec) -> None:
        self.catalog = catalog
        self.spec = spec
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self, media_server: MediaServer, dsn: str) -> None:
        await self.catalog.admit_run(self.spec)
        for owner in WORKERS:
            self.processes.append(await media_server.start_process(dsn, self.spec.run_id, owner))

    async def finish(self) -> None:
        async with asyncio.timeout(40):
            codes = [await process.wait() for process in self.processes]
        assert codes == [ExitCode.OK] * len(WORKERS)

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


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Wait until the awaitable of ``condition()`` gives true."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


def count(moments: list[float], start: float, end: float) -> int:
    return sum(start <= moment < end for moment in moments)


async def test_workers_keep_the_limit_slow_down_when_refused_and_recover(
    media_server: MediaServer, proxy: FaultProxy, catalog: PostgresCatalog, tables: Tables, dsn: str
) -> None:
    spec = through(proxy, media_server, "job_pace")
    await catalog.set_request_limit(spec.connector_id, LIMIT)
    with ended(Import(catalog, spec)) as run:
        await run.start(media_server, dsn)

        async def is_well_on_its_way() -> bool:
            return await run.imported() >= 100

        await eventually(is_well_on_its_way)
        refused_at = time.monotonic()
        proxy.inject(refusing_s3(503, "SlowDown", {"Retry-After": "2"}), times=None)

        async def is_held() -> bool:
            return (await run.rate()).held_until is not None

        await eventually(is_held)
        assert (await run.rate()).present == pytest.approx(LIMIT / 2, rel=0.01)
        await asyncio.sleep(refused_at + 1.0 - time.monotonic())
        proxy.clear()
        await run.finish()

    await assert_catalogued_once(tables, spec, media_server.fingerprints("many/"))
    sent = [seen.begun for seen in proxy.requests()]
    refused = [seen.begun for seen in proxy.requests() if seen.status == 503]
    assert most_in_a_window(sent, 1.0) <= MOST_IN_A_SECOND
    assert count(sent, refused_at - 1.0, refused_at) >= 0.7 * LIMIT, "the limit was used up before"
    assert len(refused) <= LIMIT, "half a second after the first refusal nobody asked any more"
    assert count(sent, refused[0] + 0.8, refused[0] + 1.9) == 0
    again = next(moment for moment in sent if moment > refused[0] + 1.9)
    assert count(sent, again, again + 1.0) <= 0.8 * LIMIT
    assert count(sent, again, again + 1.0) < count(sent, sent[-1] - 2.0, sent[-1] - 1.0)


async def test_another_limit_reaches_workers_that_are_at_work(
    media_server: MediaServer, proxy: FaultProxy, catalog: PostgresCatalog, tables: Tables, dsn: str
) -> None:
    spec = through(proxy, media_server, "job_change")
    proxy.inject(delaying(0.1), methods="GET", times=None)
    with ended(Import(catalog, spec)) as run:
        await run.start(media_server, dsn)

        async def has_begun() -> bool:
            return await run.imported() >= 50

        await eventually(has_begun)
        assert proxy.peak_rate() > 30, "nothing holds them yet"
        limited_at = time.monotonic()
        await catalog.set_request_limit(spec.connector_id, 10)
        await asyncio.sleep(4.0)
        freed_at = time.monotonic()
        await catalog.set_request_limit(spec.connector_id, None)
        await run.finish()

    await assert_catalogued_once(tables, spec, media_server.fingerprints("many/"))
    sent = [seen.begun for seen in proxy.requests()]
    assert 15 <= count(sent, limited_at + 1.5, freed_at) <= 10 * 2.5 + 3
    assert count(sent, freed_at, freed_at + 2.0) > 40

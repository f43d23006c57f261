"""PostgreSQL goes away and comes back. A server of its own: nobody else's tests are to notice."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from tests.contract.catalog_samples import LEASE, imported, make_spec, scan
from tools.testservers import PostgresServer
from videovector_operator.catalog.migrate import migrate
from videovector_operator.catalog.pool import Timeouts
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.errors import CatalogUnavailable

pytestmark = pytest.mark.contract

T = TypeVar("T")
IMPATIENT = Timeouts(connection=6.0, reconnect=1.0)


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    with PostgresServer(f"catalog-outage-{os.getpid()}") as server:
        yield server


@pytest.fixture
async def own_catalog(own_server: PostgresServer) -> AsyncIterator[PostgresCatalog]:
    own_server.start()
    dsn = await asyncio.to_thread(own_server.create_database, "outage")
    await asyncio.to_thread(migrate, dsn)
    async with PostgresCatalog(dsn, timeouts=IMPATIENT) as catalog:
        yield catalog
    own_server.start()
    own_server.drop_database("outage")


async def eventually(call: Callable[[], Awaitable[T]]) -> T:
    async with asyncio.timeout(30):
        while True:
            try:
                return await call()
            except CatalogUnavailable:
                await asyncio.sleep(0.1)


async def test_work_goes_on_after_a_restart_and_nothing_is_lost_or_doubled(
    own_catalog: PostgresCatalog, own_server: PostgresServer
) -> None:
    await own_catalog.admit_run(make_spec())
    await scan(own_catalog, ["a", "b"])
    await own_catalog.claim_files("job_1", "w1", 1, LEASE)

    await asyncio.to_thread(own_server.kill)
    with pytest.raises(CatalogUnavailable) as caught:
        await own_catalog.register_files("job_1", "w1", [imported("a")])
    assert "password" not in str(caught.value)

    await asyncio.to_thread(own_server.start)
    control = await eventually(lambda: own_catalog.register_files("job_1", "w1", [imported("a")]))
    assert control.counters.imported == 1
    assert [file.path for file in await own_catalog.claim_files("job_1", "w1", 5, LEASE)] == ["b"]


async def test_a_listener_ends_with_catalog_unavailable(
    own_catalog: PostgresCatalog, own_server: PostgresServer
) -> None:
    await own_catalog.admit_run(make_spec())
    changes = own_catalog.listen()
    first = asyncio.ensure_future(anext(changes))
    async with asyncio.timeout(10):
        while not first.done():
            await own_catalog.admit_run(make_spec(f"job_{os.urandom(4).hex()}"))
            await asyncio.sleep(0.02)
    await first

    async def drain() -> None:
        async for _ in changes:
            pass

    waiting = asyncio.ensure_future(drain())
    await asyncio.to_thread(own_server.restart)
    with pytest.raises(CatalogUnavailable):
        await asyncio.wait_for(waiting, 20)
    with pytest.raises(StopAsyncIteration):
        await anext(changes)


async def test_a_server_that_was_never_there() -> None:
    async with PostgresCatalog("postgresql://someone:hunter2@127.0.0.1:9/none", timeouts=IMPATIENT) as catalog:
        with pytest.raises(CatalogUnavailable) as caught:
            await catalog.ping()
        assert "hunter2" not in str(caught.value)
        with pytest.raises(CatalogUnavailable):
            await anext(catalog.listen())

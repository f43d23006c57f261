"""Which runs of a Connector may begin: one suite over PostgreSQL and the fake, with two operators at a time."""

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import psycopg
import pytest

from tests.contract.catalog_samples import LEASE, make_spec, scan
from tests.contract.catalog_tables import Tables, expire_leases
from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.catalog.migrate import migrate
from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.catalog.run_rows import write_spec
from videovector_operator.core.records import OpenRun, RunSpec, RunState

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract


def spec_of(number: int, connector: str = "conn_1") -> RunSpec:
    return dataclasses.replace(make_spec(f"job_{number:02}"), connector_id=connector)


@pytest.fixture(params=["postgres", "fake"])
async def catalogs(request: pytest.FixtureRequest) -> AsyncIterator[Sequence[OperatorCatalog]]:
    """Two operators' ways to one catalog."""
    if request.param == "fake":
        fake = FakeCatalog(lambda: datetime.now(UTC))
        yield (fake, fake)
        return
    dsn = request.getfixturevalue("dsn")
    async with PostgresCatalog(dsn, max_connections=8) as one, PostgresCatalog(dsn, max_connections=8) as two:
        yield (one, two)


@pytest.fixture
def catalog(catalogs: Sequence[OperatorCatalog]) -> OperatorCatalog:
    return catalogs[0]


async def end(catalog: OperatorCatalog, run_id: str) -> None:
    assert await catalog.end_run(run_id, RunState.CANCELLED, "Cancelled", "over")


async def ids(catalog: OperatorCatalog, connector: str = "conn_1") -> list[str]:
    return [run.run_id for run in await catalog.open_runs(connector)]


async def test_no_more_runs_are_admitted_than_allowed(catalog: OperatorCatalog) -> None:
    assert [await catalog.admit_run(spec_of(number), 2) for number in range(4)] == [True, True, False, False]
    assert await ids(catalog) == ["job_00", "job_01"]
    assert await catalog.observe_run("job_02") is None

    await end(catalog, "job_00")
    assert [await catalog.admit_run(spec_of(number), 2) for number in (2, 3)] == [True, False]


async def test_what_was_admitted_stays_admitted(catalog: OperatorCatalog) -> None:
    assert await catalog.admit_run(spec_of(1), 1)
    assert await catalog.admit_run(spec_of(1), 1)
    await catalog.admit_run(spec_of(2), None)
    assert await catalog.admit_run(spec_of(1), 1), "the limit was lowered below what runs"
    await end(catalog, "job_01")
    assert await catalog.admit_run(spec_of(1), 1), "it has ended: a tombstone, not a new run"
    run = await catalog.observe_run("job_01")
    assert run is not None
    assert run.state is RunState.CANCELLED


async def test_a_limit_is_one_connectors_alone_and_none_is_no_limit(catalog: OperatorCatalog) -> None:
    assert await catalog.admit_run(spec_of(1), 1)
    assert await catalog.admit_run(spec_of(2, "conn_2"), 1)
    assert [await catalog.admit_run(spec_of(number), None) for number in (3, 4, 5)] == [True] * 3
    assert not await catalog.admit_run(spec_of(6), 4)
    assert await catalog.admit_run(spec_of(6), 5)
    assert await catalog.open_runs("conn_2") == [OpenRun("job_02", "media", "import-job_02")]
    assert await catalog.open_runs("conn_3") == []


async def test_workers_of_ended_runs_take_up_room_until_they_are_gone(catalog: OperatorCatalog) -> None:
    assert await catalog.admit_run(spec_of(1), 2)
    assert not await catalog.admit_run(spec_of(2), 2, unfinished={"job_88"} | {"job_99"})
    assert not await catalog.admit_run(spec_of(2), 2, unfinished=["job_01", "job_99"]), "one that runs counts once"
    assert await catalog.admit_run(spec_of(2), 2, unfinished=["job_01"])


async def test_operators_that_ask_at_once_never_admit_more_than_allowed(catalogs: Sequence[OperatorCatalog]) -> None:
    """Fifty runs, two operators, three allowed: whenever one ends, exactly one more gets in."""
    limit, chance = 3, random.Random(4)
    most = 0

    async def ask(number: int) -> None:
        nonlocal most
        for _ in range(2000):
            if await catalogs[number % 2].admit_run(spec_of(number), limit):
                break
            await asyncio.sleep(chance.random() / 50)
        else:
            raise AssertionError(f"run {number} never came in")
        most = max(most, len(await catalogs[(number + 1) % 2].open_runs("conn_1")))
        await asyncio.sleep(chance.random() / 50)
        await end(catalogs[number % 2], f"job_{number:02}")

    await asyncio.gather(*(ask(number) for number in range(50)))
    assert most == limit
    assert await catalogs[0].open_runs("conn_1") == []


async def test_fifty_that_ask_in_one_moment(catalogs: Sequence[OperatorCatalog]) -> None:
    answers = await asyncio.gather(
        *(catalog.admit_run(spec_of(number), 7) for number in range(25) for catalog in catalogs)
    )
    admitted = [number for number in range(25) if answers[2 * number] or answers[2 * number + 1]]
    assert len(admitted) == 7
    assert await ids(catalogs[1]) == await ids(catalogs[0])
    assert sorted(await ids(catalogs[0])) == [f"job_{number:02}" for number in admitted]


async def test_a_server_with_a_stricter_default_admits_no_more(dsn: str) -> None:
    """Under repeatable read a caller would not see what others have admitted while it waited for them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            f"ALTER DATABASE {connection.info.dbname} SET default_transaction_isolation = 'repeatable read'"
        )
    async with PostgresCatalog(dsn, max_connections=8) as catalog:
        answers = await asyncio.gather(*(catalog.admit_run(spec_of(number), 1) for number in range(16)))
    assert answers.count(True) == 1


async def test_runs_of_the_version_before_are_counted(empty_dsn: str) -> None:
    """A database of the first schema, with runs in it and an operator of that version still at work."""
    older = """
        INSERT INTO runs (run_id, namespace, name, index_id, location, import_mode, state, spec)
        VALUES (%s, 'media', 'x', 'idx_1', 's3://bucket', 'all', %s, %s)
    """
    spec = write_spec(spec_of(90))
    migrate_to(empty_dsn, "0001")
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(older, ["job_90", "importing", spec])
        connection.execute(older, ["job_91", "completed", spec])
        assert migrate(empty_dsn) == "0001"
        connection.execute(older, ["job_92", "pending", spec])
    async with PostgresCatalog(empty_dsn) as catalog:
        assert await ids(catalog) == ["job_90", "job_92"]
        assert not await catalog.admit_run(spec_of(1), 2)
        await end(catalog, "job_90")
        assert await catalog.admit_run(spec_of(1), 2)


async def test_a_run_is_quiet_when_nothing_has_been_heard_of_it_for_a_minute(dsn: str, tables: Tables) -> None:
    minutes_ago = "UPDATE runs SET updated_at = clock_timestamp() - interval '61 seconds', scan_until = NULL"

    async def is_quiet(catalog: PostgresCatalog) -> bool:
        (run,) = await catalog.open_runs("conn_1")
        return run.is_quiet

    async with PostgresCatalog(dsn) as catalog:
        await catalog.admit_run(spec_of(1))
        assert not await is_quiet(catalog)
        await tables.change(minutes_ago)
        assert await is_quiet(catalog)
        await scan(catalog, ["a"], "job_01")
        await catalog.claim_files("job_01", "w1", 1, LEASE)
        await tables.change(minutes_ago)
        assert not await is_quiet(catalog), "a worker holds a file"
        await expire_leases(tables)
        assert await is_quiet(catalog)
        await tables.change("UPDATE runs SET scan_until = clock_timestamp() + interval '1 second'")
        assert not await is_quiet(catalog), "a worker scans"


async def test_the_count_reads_the_open_runs_alone(dsn: str, tables: Tables) -> None:
    await tables.change(
        """
        INSERT INTO runs (run_id, namespace, name, index_id, location, import_mode, state, spec)
        SELECT 'old_' || n, 'media', 'x', 'idx_1', 's3://bucket', 'all', 'completed', '{"connector_id": "conn_1"}'
        FROM generate_series(1, 5000) AS n
        """
    )
    async with PostgresCatalog(dsn) as catalog:
        assert await catalog.admit_run(spec_of(1), 1)
    plan = await tables.rows(
        "EXPLAIN SELECT run_id FROM runs WHERE connector_id = 'conn_1' AND state IN ('pending', 'scanning', 'importing')"
    )
    assert any("runs_open" in row["QUERY PLAN"] for row in plan)


def migrate_to(dsn: str, revision: str) -> None:
    """Bring a database to an older schema."""
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    from videovector_operator import catalog

    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", f"{next(iter(catalog.__path__))}/migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()

"""Migrations on a real PostgreSQL."""

import asyncio

import psycopg
import pytest

from videovector_operator.catalog.migrate import migrate
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.catalog.schema import SCHEMA_REVISION
from videovector_operator.errors import CatalogUnavailable

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract


def test_migrating_twice_changes_nothing(empty_dsn: str) -> None:
    assert migrate(empty_dsn) is None
    assert migrate(empty_dsn) == SCHEMA_REVISION


async def test_migrations_that_start_together_do_the_work_once(empty_dsn: str) -> None:
    found = await asyncio.gather(*(asyncio.to_thread(migrate, empty_dsn) for _ in range(4)))

    assert sorted(found, key=str) == sorted([None, *[SCHEMA_REVISION] * 3], key=str)
    async with PostgresCatalog(empty_dsn) as catalog:
        await catalog.ping()


async def test_a_newer_schema_is_refused_and_left_alone(empty_dsn: str) -> None:
    migrate(empty_dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(CatalogUnavailable, match="9999, which is newer"):
        migrate(empty_dsn)
    async with PostgresCatalog(empty_dsn) as catalog:
        with pytest.raises(CatalogUnavailable, match="schema 9999"):
            await catalog.ping()


async def test_a_database_without_schema_names_the_command(empty_dsn: str) -> None:
    async with PostgresCatalog(empty_dsn) as catalog:
        with pytest.raises(CatalogUnavailable, match="run `videovector-operator migrate`"):
            await catalog.ping()
        with pytest.raises(CatalogUnavailable, match="run `videovector-operator migrate`"):
            await catalog.observe_run("job_1")


def test_a_server_that_is_not_there_is_said_so_without_the_password() -> None:
    with pytest.raises(CatalogUnavailable, match="Connection refused") as caught:
        migrate("postgresql://someone:hunter2@127.0.0.1:9/none")

    assert "hunter2" not in str(caught.value)


def test_a_dsn_that_cannot_be_read_is_not_quoted() -> None:
    with pytest.raises(CatalogUnavailable, match="DSN") as caught:
        migrate("host=db password=hunter2 hunter2")

    assert "hunter2" not in str(caught.value)

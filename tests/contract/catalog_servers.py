"""Fixtures of the catalog's contract tests: one PostgreSQL for the session, one migrated database for each test."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.contract.catalog_tables import Tables
from tools.testservers import PostgresServer
from videovector_operator.catalog.migrate import migrate
from videovector_operator.catalog.postgres import PostgresCatalog

_TEMPLATE = "catalog_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer(f"catalog-tests-{os.getpid()}") as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    migrate(postgres_server.create_database(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def empty_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"empty_{next(_numbers)}"
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)


@pytest.fixture
def dsn(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template}".encode())
    yield postgres_server.dsn_of(name)
    postgres_server.drop_database(name)


@pytest.fixture
async def catalog(dsn: str) -> AsyncIterator[PostgresCatalog]:
    async with PostgresCatalog(dsn, max_connections=8) as opened:
        yield opened


@pytest.fixture
async def tables(dsn: str) -> AsyncIterator[Tables]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        yield Tables(connection)

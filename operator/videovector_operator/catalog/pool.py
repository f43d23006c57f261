"""Connections to PostgreSQL: the pool, its time-outs, and the border where psycopg's errors become CatalogUnavailable.

Every unit of work is one transaction that may be run again from its start. No table may be named here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg import conninfo, errors
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from videovector_operator.catalog.dsn import parse_dsn
from videovector_operator.catalog.schema import MIGRATE_COMMAND
from videovector_operator.errors import CatalogUnavailable

Connection = psycopg.AsyncConnection[DictRow]
T = TypeVar("T")

_RETRIED = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
_RETRY_DELAYS = (0.05, 0.2, 0.8)
_SCHEMA_MISSING = (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedObject)
_REFUSED = (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction, errors.InvalidCatalogName)
_OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TooManyRequests, TimeoutError)

# How the network tells a dead server from a slow one; the DSN may say otherwise.
_CONNECTION_DEFAULTS = {
    "application_name": "videovector-operator",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}

# force_custom_plan: a plan made while a table was empty must not live on while a scan fills it. read committed, whatever the
# server's default: who has waited for a lock must see what its holder has written.
_SETTINGS = """
SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false),
       set_config('idle_in_transaction_session_timeout', %s, false), set_config('plan_cache_mode', 'force_custom_plan', false),
       set_config('client_min_messages', 'warning', false), set_config('timezone', 'UTC', false),
       set_config('default_transaction_isolation', 'read committed', false)
"""

_SET_STATEMENT_TIMEOUT = "SELECT set_config('statement_timeout', %s, true)"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``statement`` and ``lock`` bind the server; ``connection`` is the wait for one; ``work`` bounds all."""

    statement: float = 30.0
    lock: float = 10.0
    connection: float = 10.0
    work: float = 60.0
    reconnect: float = 5.0


class Database:
    """A small pool of connections. Opened by `open`, or by the first use."""

    def __init__(self, dsn: str, *, min_size: int = 1, max_size: int = 4, timeouts: Timeouts | None = None) -> None:
        self._timeouts = timeouts or Timeouts()
        self._conninfo = _complete_dsn(dsn)
        self._opening = asyncio.Lock()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self._conninfo,
            connection_class=psycopg.AsyncConnection[DictRow],
            kwargs={"autocommit": True, "row_factory": dict_row},
            min_size=min_size,
            max_size=max_size,
            open=False,
            configure=self._configure,
            check=AsyncConnectionPool.check_connection,
            timeout=self._timeouts.connection,
            # Short, so that no attempt waits long after PostgreSQL is back: the next use starts new ones.
            reconnect_timeout=self._timeouts.reconnect,
            max_idle=300.0,
            max_lifetime=1800.0,
            name="catalog",
        )

    async def open(self) -> None:
        """Start the pool; connections are made in the background. Safe to repeat."""
        async with self._opening:
            if self._pool.closed:
                await self._pool.open()

    async def close(self) -> None:
        """Close all connections. The object cannot be used afterwards."""
        await self._pool.close()

    async def run(
        self, work: Callable[[Connection], Awaitable[T]], *, seconds: float | None = None, one_statement: bool = False
    ) -> T:
        """Run ``work`` in one transaction, again after a deadlock or lock time-out (bounded), and commit.

        ``seconds`` replaces the total time-out for work that may be long (and says so to PostgreSQL by `allow_statement`).
        With ``one_statement`` the work's only statement is the transaction: no row stays locked while its answer travels.
        Raises CatalogUnavailable.
        """
        for delay in (*_RETRY_DELAYS, None):
            try:
                return await self._run_once(work, seconds, one_statement=one_statement)
            except _RETRIED as error:
                if delay is None:
                    raise CatalogUnavailable(
                        f"PostgreSQL: {_describe(error)} (tried {len(_RETRY_DELAYS) + 1} times)."
                    ) from error
                await asyncio.sleep(delay)
        raise AssertionError("unreachable: the last round returns or raises")

    async def _run_once(
        self, work: Callable[[Connection], Awaitable[T]], seconds: float | None, *, one_statement: bool
    ) -> T:
        with _translated():
            await self.open()
            async with (
                asyncio.timeout(seconds or self._timeouts.work),
                self._pool.connection() as connection,
                nullcontext() if one_statement else connection.transaction(),
            ):
                return await work(connection)

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[Connection]:
        """Open a connection outside the pool (autocommit), for LISTEN. Raises CatalogUnavailable."""
        with _translated():
            async with asyncio.timeout(self._timeouts.connection):
                connection = await psycopg.AsyncConnection.connect(
                    self._conninfo, autocommit=True, row_factory=dict_row
                )
            async with connection:
                yield connection

    async def _configure(self, connection: Connection) -> None:
        limits = (self._timeouts.statement, self._timeouts.lock, self._timeouts.work)
        await connection.execute(_SETTINGS, [_milliseconds(seconds) for seconds in limits])


async def allow_statement(connection: Connection, seconds: float) -> None:
    """Let the statements of this transaction take as long as ``seconds`` each."""
    await connection.execute(_SET_STATEMENT_TIMEOUT, [_milliseconds(seconds)])


@contextmanager
def _translated() -> Iterator[None]:
    """Turn psycopg's errors into CatalogUnavailable; what may be retried and our own bugs pass."""
    try:
        yield
    except _RETRIED:
        raise
    except _SCHEMA_MISSING as error:
        raise CatalogUnavailable(
            f"PostgreSQL answers, but the catalog's schema is missing or old: run `{MIGRATE_COMMAND}`."
        ) from error
    except (*_OUTAGES, *_REFUSED) as error:
        raise CatalogUnavailable(f"PostgreSQL: {_describe(error)}.") from error


def _complete_dsn(dsn: str) -> str:
    given = parse_dsn(dsn)
    return conninfo.make_conninfo(
        dsn, **{key: value for key, value in _CONNECTION_DEFAULTS.items() if key not in given}
    )


def _milliseconds(seconds: float) -> str:
    return f"{int(seconds * 1000)}ms"


def _describe(error: BaseException) -> str:
    """Say what PostgreSQL said, in one line; libpq never quotes a password once the DSN has been parsed."""
    if isinstance(error, PoolTimeout):
        return "no connection could be made or became free in time; is the server up and reachable?"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return (primary or str(error) or type(error).__name__).strip().splitlines()[0].rstrip(".")

"""`videovector-operator migrate`: brings a database to this version's schema.

The only place that imports alembic and SQLAlchemy, and only when called: the operator and its workers never do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from videovector_operator.catalog.schema import SCHEMA_REVISION
from videovector_operator.errors import CatalogUnavailable

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

_LOCK_KEY = 7_611_493_120_001
"""Advisory lock: any number of migrations may start at once, one works and the others then find nothing to do."""


def migrate(dsn: str) -> str | None:
    """Create or upgrade the schema in one transaction; returns the revision found (None = empty database).

    Safe to repeat and to run twice at once. Raises CatalogUnavailable when PostgreSQL cannot be reached or used, or when
    its schema is newer than this version.
    """
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: _connect(dsn), poolclass=sqlalchemy.pool.NullPool
    )
    try:
        with engine.begin() as connection:
            return _upgrade(connection)
    except sqlalchemy.exc.DBAPIError as error:
        said = str(error.orig).strip().splitlines()[0]
        raise CatalogUnavailable(f"The schema was not changed. PostgreSQL: {said}.") from error
    finally:
        engine.dispose()


def _connect(dsn: str) -> object:
    import psycopg

    from videovector_operator.catalog.dsn import parse_dsn

    parse_dsn(dsn)
    return psycopg.connect(dsn, connect_timeout=10)


def _upgrade(connection: Connection) -> str | None:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '15min'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
    found = MigrationContext.configure(connection).get_current_revision()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    if found is not None and not _is_known(ScriptDirectory.from_config(config), found):
        raise CatalogUnavailable(
            f"The database has schema {found}, which is newer than this version's {SCHEMA_REVISION}: upgrade the operator, "
            "or give it a database of its own. Nothing was changed."
        )
    if found != SCHEMA_REVISION:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return found


def _is_known(scripts: ScriptDirectory, revision: str) -> bool:
    return any(script.revision == revision for script in scripts.walk_revisions())

"""Reads the catalog's connection string; what is wrong with it is said without quoting any of it. No connection is made here."""

from __future__ import annotations

import psycopg
from psycopg import conninfo

from videovector_operator.errors import CatalogUnavailable

_SCHEMES = ("postgresql://", "postgres://")


def parse_dsn(dsn: str) -> dict[str, str]:
    """Take a URI or keywords and values apart. Raises CatalogUnavailable.

    A password with "@", "/", ":" or "?" that is not percent-encoded would make parts of itself host, port or database, and be
    quoted by whoever cannot reach those.
    """
    try:
        # libpq's own text may quote the password.
        given = {name: str(value) for name, value in conninfo.conninfo_to_dict(dsn).items()}
    except psycopg.ProgrammingError:
        raise CatalogUnavailable(
            "The catalog's DSN cannot be read: expected postgresql://user@host:port/database."
        ) from None
    ports = given.get("port", "").split(",")
    places = (given.get("host", ""), given.get("hostaddr", ""), given.get("dbname", ""))
    is_torn = any("@" in place for place in places) or not all(port.strip().isdecimal() or not port for port in ports)
    if dsn.lstrip().startswith(_SCHEMES) and is_torn:
        raise CatalogUnavailable(
            "The catalog's DSN cannot be read: write special characters of user and password percent-encoded "
            "(@ as %40, / as %2F, : as %3A, ? as %3F, # as %23)."
        )
    return given

"""`browse`: the objects of a Connector's storage, as the operator sees them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from videovector_operator.cli.output import Row, TableWriter, dump_json, dump_yaml, human_size, note, working
from videovector_operator.cli.ports import OperatorPlace, Session

Json = dict[str, Any]


class Format(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


@dataclass(frozen=True, slots=True)
class Browse:
    """What is shown."""

    prefix: str
    pattern: str
    recursive: bool
    limit: int


def browse(session: Session, connector: str, wanted: Browse, place: OperatorPlace, output: Format) -> None:
    """Print what the operator finds. Raises CommandError."""
    query = {
        "prefix": wanted.prefix,
        "pattern": wanted.pattern,
        "recursive": str(wanted.recursive).lower(),
        "limit": str(wanted.limit),
    }
    # Whoever has to log in for it must see what is asked, so nothing turns on the terminal before the way is open.
    with session.open_operator(place) as operator, working(f"listing the storage of {connector}"):
        reply = operator.browse(session.namespace, connector, query)
    match output:
        case Format.JSON:
            sys.stdout.write(dump_json(reply) + "\n")
        case Format.YAML:
            sys.stdout.write(dump_yaml(reply))
        case _:
            _write_table(reply, wide=output is Format.WIDE)
            _comment(reply, wanted)


def _write_table(reply: Json, *, wide: bool) -> None:
    rows = list(_rows(reply, wide=wide))
    if rows:
        more = ("NAME", "CONTENT TYPE") if wide else ()
        TableWriter(("PATH", "SIZE", "LAST MODIFIED", "EXTENSION", *more)).write(rows)


def _rows(reply: Json, *, wide: bool) -> Iterator[Row]:
    for prefix in reply.get("prefixes") or ():
        name = prefix.rstrip("/").rpartition("/")[2]
        yield (prefix, "-", "-", "-", *((f"{name}/", "-") if wide else ()))
    for item in reply["items"]:
        more = (item["name"], item["content_type"] or "-") if wide else ()
        yield (
            item["path"],
            str(item["size_bytes"]) if wide else human_size(item["size_bytes"]),
            item["last_modified"],
            item["extension"] or "-",
            *more,
        )


def _comment(reply: Json, wanted: Browse) -> None:
    objects, folders = len(reply["items"]), len(reply.get("prefixes") or ())
    shown = f"{objects} and {folders} folders" if folders else str(objects)
    if reply["truncated"] and max(objects, folders) >= wanted.limit:
        note(
            f"The first {shown}; there are more. Show them with --limit, or narrow them down with --prefix and --pattern."
        )
    elif reply["truncated"]:
        note(
            f"{shown} found among the first {reply['scanned']} objects; there are more objects behind them. "
            "Narrow them down with --prefix."
        )
    elif not objects + folders:
        note("Nothing found.")

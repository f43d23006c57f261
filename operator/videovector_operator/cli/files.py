"""`files`: every file of an ImportJob with what became of it, page by page from the catalog."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, TextIO

from videovector_operator.cli.output import Cell, Colour, TableWriter, human_size, note, printable, write_json_array
from videovector_operator.cli.ports import OperatorApi, OperatorPlace, Session

Json = dict[str, Any]
FIELDS = ("path", "size_bytes", "state", "reason", "message", "media_id", "attempts")
_PAGE = "1000"
_MAX_PAGES = 100_000
_COLOURS = {"failed": Colour.WRONG, "skipped": Colour.WAITING, "imported": Colour.GOOD}


class Format(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class State(StrEnum):
    """States of a file."""

    PENDING = "pending"
    LEASED = "leased"
    IMPORTED = "imported"
    FAILED = "failed"
    SKIPPED = "skipped"


def list_files(
    session: Session, import_job: str, filters: Mapping[str, str], place: OperatorPlace, output: Format
) -> None:
    """Print the files as their pages come. Raises CommandError."""
    with session.open_operator(place) as operator:
        pages = read_pages(operator, session.namespace, import_job, filters)
        match output:
            case Format.JSON:
                write_json_array(pages, sys.stdout)
            case Format.CSV:
                _write_csv(pages)
            case Format.TABLE:
                _write_table(pages)


def read_pages(
    operator: OperatorApi, namespace: str, import_job: str, filters: Mapping[str, str]
) -> Iterator[Sequence[Json]]:
    """Yield the pages of the list, in path order."""
    query = {**filters, "limit": _PAGE}
    for _ in range(_MAX_PAGES):
        page = operator.list_files(namespace, import_job, query)
        yield page["items"]
        if page["next"] is None:
            return
        query["after"] = page["next"]


def _write_csv(pages: Iterator[Sequence[Json]]) -> None:
    is_terminal = sys.stdout.isatty()
    writer = csv.writer(_UnixLines(sys.stdout), lineterminator="\r\n")
    writer.writerow(FIELDS)
    for page in pages:
        for file in page:
            writer.writerow([_csv_text(file[field], is_terminal=is_terminal) for field in FIELDS])


class _UnixLines:
    """Ends lines as other programs here do. The writer itself must take both characters for an end of line, or it would leave
    a carriage return in a key unquoted, which readers take for the end of the row.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, row: str) -> None:
        """Write one row."""
        self._stream.write(row.removesuffix("\r\n") + "\n")


def _csv_text(value: object, *, is_terminal: bool) -> object:
    """Text that UTF-8 can hold: a lone surrogate of an odd key becomes an escape. A terminal is shown nothing that it obeys."""
    if not isinstance(value, str):
        return value
    return printable(value) if is_terminal else value.encode("utf-8", "backslashreplace").decode("utf-8")


def _write_table(pages: Iterator[Sequence[Json]]) -> None:
    table = TableWriter(("STATE", "REASON", "SIZE", "TRIES", "PATH", "MESSAGE"))
    count = 0
    for page in pages:
        if page:
            table.write(_row(file) for file in page)
        count += len(page)
    if count == 0:
        note("No such files.")


def _row(file: Json) -> tuple[str | Cell, ...]:
    return (
        Cell(file["state"], _COLOURS.get(file["state"], Colour.PLAIN)),
        file["reason"] or "-",
        human_size(file["size_bytes"]),
        str(file["attempts"]),
        file["path"],
        file["message"] or file["media_id"] or "-",
    )

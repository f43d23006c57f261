"""What a terminal or a pipe gets: tables, JSON, YAML, CSV. Colours only on a terminal; nothing that a stranger's file name could
do to it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO

Json = dict[str, Any]
_GAP = "   "
_WIDEST = 80
"""Columns of a table line up as long as no cell is wider than this."""
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON and YAML leave as it is, and a terminal obeys (or UTF-8 cannot hold)."""


class Colour(StrEnum):
    """Colours by meaning."""

    WRONG = "31"
    WAITING = "33"
    GOOD = "32"
    FAINT = "2"
    PLAIN = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str
    colour: Colour = Colour.PLAIN


Row = Sequence[str | Cell]


def printable(text: str) -> str:
    """Write what a terminal would obey instead of show (control characters, bidirectional marks) as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def has_colours(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the stream shows colours: a terminal, unless NO_COLOR says otherwise."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def paint(text: str, colour: Colour, stream: TextIO) -> str:
    """Colour the text if the stream shows colours."""
    return f"\x1b[{colour.value}m{text}\x1b[0m" if colour.value and has_colours(stream) else text


class TableWriter:
    """Writes a table as kubectl does. Widths are those of the rows of the first `write`, so that pages can follow; the last
    column is as wide as it wants to be, and nothing is wrapped or cut."""

    def __init__(self, columns: Sequence[str], stream: TextIO | None = None) -> None:
        self._columns = columns
        self._stream = stream or sys.stdout
        self._widths: list[int] = []

    def write(self, rows: Iterable[Row]) -> None:
        """Write some rows; the head comes before the first ones."""
        cells = [[_as_cell(value) for value in row] for row in rows]
        if not self._widths:
            head = [Cell(name) for name in self._columns]
            self._widths = [
                max(_width(entry.text) for entry in column if _width(entry.text) <= _WIDEST or entry is column[0])
                for column in zip(head, *cells, strict=True)
            ]
            self._write_line(head)
        for row in cells:
            self._write_line(row)

    def _write_line(self, row: Sequence[Cell]) -> None:
        *padded, last = zip(row, self._widths, strict=True)
        parts = [
            paint(cell.text, cell.colour, self._stream) + " " * (width - _width(cell.text)) for cell, width in padded
        ]
        parts.append(paint(last[0].text, last[0].colour, self._stream))
        self._stream.write(_GAP.join(parts).rstrip() + "\n")


def _width(text: str) -> int:
    """Columns of a terminal that the text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def _as_cell(value: str | Cell) -> Cell:
    return Cell(printable(value)) if isinstance(value, str) else Cell(printable(value.text), value.colour)


def dump_json(value: Any, *, indent: int | None = 2, stream: TextIO | None = None) -> str:
    """JSON for people and programs: readable Unicode, but nothing that a terminal obeys and nothing that UTF-8 cannot hold.

    ASCII alone for a ``stream`` (None = standard output) that cannot hold more.
    """
    text = json.dumps(value, ensure_ascii=not holds_unicode(stream or sys.stdout), indent=indent)
    return _OBEYED.sub(_escape_obeyed, text)


def dump_yaml(value: Any) -> str:
    """YAML of a JSON value, with the same escapes as JSON."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes what is to be escaped: a plain scalar cannot hold an escape."""

    def represent_text(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _OBEYED.search(text) else None)

    Dumper.add_representer(str, represent_text)
    text = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=holds_unicode(sys.stdout), width=1_000_000)
    return _OBEYED.sub(_escape_obeyed, str(text))


def _escape_obeyed(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def holds_unicode(stream: TextIO) -> bool:
    """Whether every character can be written to the stream. One without an encoding is in memory, and can hold all."""
    return (getattr(stream, "encoding", None) or "utf").lower().startswith("utf")


def write_json_array(pages: Iterable[Sequence[Mapping[str, Any]]], stream: TextIO) -> None:
    """Write one JSON array, item by item, as the pages come."""
    lead = "["
    for page in pages:
        for item in page:
            stream.write(f"{lead}\n{dump_json(item, indent=None, stream=stream)}")
            lead = ","
    stream.write("[]\n" if lead == "[" else "\n]\n")


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show on a terminal's standard error that something takes its time; elsewhere nothing."""
    if not has_colours(sys.stderr):
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(printable(text)):
        yield


def note(text: str) -> None:
    """Say something beside the answer, on standard error. It may quote a server: nothing of it is obeyed by a terminal."""
    sys.stderr.write("\n".join(printable(line) for line in text.split("\n")) + "\n")


def human_size(size: int) -> str:
    """A size as people read it, in powers of 1024."""
    if size < 1024:
        return f"{size} B"
    value, units = float(size), iter(("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"))
    unit = ""
    while value >= 1024 and unit != "EiB":
        value, unit = value / 1024, next(units)
    return f"{value:.1f} {unit}"

"""Looks for credentials where they must never be: in logs, objects, events, metrics and rows.

A credential is looked for line by line, and a long line by its beginning and its end, so that one that was cut off is found too;
each as it is and in the forms in which texts carry it on: base64, URL-encoded, JSON-escaped. Of a Google key file and of a shared
access signature only what is secret in them counts. What looks like a bearer token or a signature is found too, whoever made it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

_SHORTEST = 8
_WINDOW = 16
_LONG = 24
"""From this length on a line is looked for by its first and its last ``_WINDOW`` characters."""
_AROUND = 120
_TOKENS = re.compile(
    rb"eyJ[A-Za-z0-9_-]{12,}\.eyJ[A-Za-z0-9_-]{12,}|[?&;\s\"']sig=[A-Za-z0-9%+/]{20,}|Signature=[0-9a-f]{64}"
)
_KEY_FILE = re.compile(r'"private_key(?:_id)?"\s*:\s*"([^"]*)')
_SHARED_SIGNATURE = re.compile(r"(?:^|[?&])sig=([^&\s]+)")
_GO_ESCAPES = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})
_OVERLAP = 16 * 1024


@dataclass(frozen=True, slots=True)
class Leak:
    """One finding. ``what`` describes the needle without repeating it."""

    where: str
    what: str
    around: str


class Needles:
    """Everything that must not be found; one thread may add while another searches."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}
        self._by_start: dict[bytes, tuple[bytes, ...]] = {}

    def add(self, name: str, secret: str) -> None:
        """Add a credential; ``name`` says whose it is."""
        forms = {form for part in _private_parts(secret) for piece in _pieces(part) for form in _forms(piece)}
        for form in forms - self._names.keys():
            self._names[form] = name
            start = form[:_SHORTEST]
            self._by_start[start] = (*self._by_start.get(start, ()), form)

    def search(self, where: str, text: bytes) -> Iterator[Leak]:
        """Find every needle in ``text``."""
        told = 0
        for begin, end, what in sorted([*self._tokens(text), *self._needles(text)]):
            if begin >= told:
                yield Leak(where, what, f"{_before(text, told, begin)}[...]")
            told = max(told, end)

    def _tokens(self, text: bytes) -> Iterator[tuple[int, int, str]]:
        for found in _TOKENS.finditer(text):
            yield found.start(), found.end(), "a token or signature"

    def _needles(self, text: bytes) -> Iterator[tuple[int, int, str]]:
        # A regular expression of some thousand alternatives is twenty times as slow as one look-up for each place.
        forms_from = self._by_start.get
        for begin in range(len(text) - _SHORTEST + 1):
            for form in forms_from(text[begin : begin + _SHORTEST], ()):
                if text.startswith(form, begin):
                    yield begin, begin + len(form), self._names[form]


def _before(text: bytes, told: int, begin: int) -> str:
    """What stands before a find, but for words that touch it, or another find, or are cut: they may be more of a secret."""
    first = max(told, begin - _AROUND)
    words = re.sub(rb"\S+$", b"", text[first:begin])
    return (re.sub(rb"^\S+", b"", words) if first else words).decode(errors="replace")


def _private_parts(secret: str) -> list[str]:
    """What is secret in it: of a Google key file (also one that is cut off) the key and its id, of a SAS the signature.

    Their field names, e-mail addresses, links and dates may be in any text.
    """
    if keys := _KEY_FILE.findall(secret):
        return [key.replace("\\n", "\n") for key in keys]
    if signatures := _SHARED_SIGNATURE.findall(secret):
        return [*signatures, *map(unquote, signatures)]
    return [secret]


def _pieces(part: str) -> Iterator[str]:
    """The texts, each of which tells that something of ``part`` has got out."""
    lines = [line for line in map(str.strip, part.splitlines()) if len(line) >= _SHORTEST]
    for line in lines or [part.strip()]:
        if len(line) < _SHORTEST or line.startswith("-----"):
            continue
        yield from (line[:_WINDOW], line[-_WINDOW:]) if len(line) >= _LONG else (line,)


def _forms(piece: str) -> set[bytes]:
    raw = piece.encode()
    escaped = json.dumps(piece)[1:-1]
    forms = {raw, quote(piece, safe="").encode(), escaped.encode(), escaped.translate(_GO_ESCAPES).encode()}
    # A text inside of an encoded one may begin at any of three places.
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        inner = encoded[(0, 2, 3)[shift] : len(encoded) - (0 if len(raw + b"\0" * shift) % 3 == 0 else 4)]
        if len(inner) >= _SHORTEST:
            forms.add(inner)
    return forms


class LogFollower:
    """Reads every line that any container of a node writes, while tests run: also of pods that are deleted later."""

    def __init__(self, directory: Path, needles: Needles) -> None:
        self._directory = directory
        self._needles = needles
        self._places: dict[Path, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.leaks: list[Leak] = []
        self.bytes_read = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)

    def sweep(self) -> None:
        """Read what is new in every file."""
        # Pods are deleted meanwhile: os.walk passes over a folder that has gone, Path.rglob raises.
        for folder, _, names in os.walk(self._directory):
            for name in names:
                if name.endswith(".log"):
                    with contextlib.suppress(OSError):
                        self._read(Path(folder, name))

    def rewind(self) -> None:
        """Read everything that is there once more: a needle may have been added after its text was written."""
        self._places.clear()

    def _follow(self) -> None:
        while not self._stop.wait(0.5):
            self.sweep()

    def _read(self, path: Path) -> None:
        begin = self._places.get(path, 0)
        if path.stat().st_size <= begin:
            return
        with path.open("rb") as file:
            file.seek(max(0, begin - _OVERLAP))
            data = file.read()
            self._places[path] = file.tell()
        self.bytes_read += len(data)
        self.leaks.extend(self._needles.search(str(path.relative_to(self._directory)), data))


def search_texts(needles: Needles, texts: Iterable[tuple[str, str]]) -> list[Leak]:
    """Search (where, text) pairs."""
    return [leak for where, text in texts for leak in needles.search(where, text.encode())]

"""Looks for credentials where they must never be: in logs, objects, events, metrics and rows.

A needle is looked for as it is and in the forms in which texts carry it on: base64, URL-encoded, JSON-escaped; of a key in
PEM each line counts. What looks like a bearer token or a signature is found too, whoever made it.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

_SHORTEST = 8
_TOKENS = re.compile(
    rb"eyJ[A-Za-z0-9_-]{12,}\.eyJ[A-Za-z0-9_-]{12,}|[?&;\s\"']sig=[A-Za-z0-9%+/]{20,}|Signature=[0-9a-f]{64}"
)
_OVERLAP = 16 * 1024


@dataclass(frozen=True, slots=True)
class Leak:
    """One finding. ``what`` describes the needle without repeating it."""

    where: str
    what: str
    around: str


class Needles:
    """Everything that must not be found, compiled once more whenever something is added."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}
        self._pattern: re.Pattern[bytes] | None = None

    def add(self, name: str, secret: str) -> None:
        """Add a credential; ``name`` says whose it is."""
        for form in _forms(secret):
            self._names[form] = name
        self._pattern = None

    def search(self, where: str, text: bytes) -> Iterator[Leak]:
        """Find every needle in ``text``."""
        if self._pattern is None:
            forms = sorted(self._names, key=len, reverse=True)
            self._pattern = re.compile(b"|".join([_TOKENS.pattern, *map(re.escape, forms)]))
        for found in self._pattern.finditer(text):
            around = text[max(0, found.start() - 120) : found.start()] + b"[...]"
            yield Leak(where, self._names.get(found[0], "a token or signature"), around.decode(errors="replace"))


def _forms(secret: str) -> set[bytes]:
    parts = [secret, *secret.splitlines()] if "-----BEGIN" in secret else [secret]
    wanted = [part.strip() for part in parts if len(part.strip()) >= _SHORTEST and "-----" not in part.strip()[:5]]
    forms: set[bytes] = set()
    for part in wanted:
        raw = part.encode()
        forms |= {raw, quote(part, safe="").encode(), json.dumps(part)[1:-1].encode()}
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
        for path in self._directory.rglob("*.log"):
            try:
                self._read(path)
            except OSError:
                continue  # the pod was deleted meanwhile

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

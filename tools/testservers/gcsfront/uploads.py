"""Upload sessions, as Google keeps them: chunks of 256 KiB, status queries, cancelling, a check of the whole at the end.

A session is a directory: what was asked for, and the bytes so far. So it outlives the front, as Google's outlive theirs.
"""

import asyncio
import json
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from .answers import Refusal, invalid
from .backend import Json
from .store import LARGEST_IN_BACKEND, Content, Digest

CHUNK_UNIT = 256 * 1024
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_READ_SIZE = 1 << 20


@dataclass(frozen=True)
class ChunkRange:
    """A Content-Range header: where the chunk begins (nothing for a query), and the whole's size if it is known."""

    start: int | None
    end: int | None
    total: int | None


def parse_range(header: str | None) -> ChunkRange:
    """Read the header; none at all means that the body is the whole."""
    if header is None:
        return ChunkRange(0, None, None)
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        raise invalid(f"Invalid Content-Range: {header}")
    start, end, total = found.groups()
    size = None if total == "*" else int(total)
    return ChunkRange(None, None, size) if start is None else ChunkRange(int(start), int(end), size)


class Session:
    """One upload on its way."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # One request at a time: a client whose connection broke asks again while what it sent is still being read.
        self.turn = asyncio.Lock()
        self._data = directory / "data"
        self._digest = Digest()
        self._digested = 0

    @property
    def persisted(self) -> int:
        """How many bytes are safe."""
        return self._data.stat().st_size

    @property
    def asked(self) -> Json:
        """The bucket, the object's metadata, and the preconditions that the upload began with."""
        content: Json = json.loads((self.directory / "asked").read_text())
        return content

    @property
    def result(self) -> Json | None:
        """The object, once the upload has ended."""
        file = self.directory / "result"
        return json.loads(file.read_text()) if file.exists() else None

    def finish(self, result: Json) -> None:
        """Remember the result; the bytes are in the object now."""
        (self.directory / "result").write_text(json.dumps(result))
        self._data.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget the bytes; a later request with this id finds the upload gone."""
        (self.directory / "gone").touch()
        self._data.unlink(missing_ok=True)

    @property
    def open(self) -> bool:
        """Whether it still waits for bytes: neither ended nor given up."""
        return self._data.exists()

    async def append(self, pieces: AsyncIterator[bytes], wanted: ChunkRange, *, last: bool) -> None:
        """Add a chunk. What is there already is skipped; an unfinished or odd chunk counts by whole units only."""
        start = wanted.start or 0
        before = self.persisted
        if start > before:
            message = "Invalid request. According to the Content-Range header, the upload offset is "
            message += f"{start} byte(s), which exceeds already uploaded size of {before} byte(s)."
            raise Refusal(503, "backendError", message)
        skipped, received = before - start, 0
        complete = False
        try:
            with self._data.open("ab") as file:
                async for piece in pieces:
                    fresh = piece[max(0, skipped - received) :]
                    received += len(piece)
                    file.write(fresh)
            complete = wanted.end is None or received == wanted.end - start + 1
        finally:
            if not (complete and last):
                self._keep_whole_units(before)
            await asyncio.to_thread(self._catch_up)
        if not complete:
            raise invalid("The request's body does not have the length that its Content-Range says.")

    async def content(self) -> Content:
        """The whole with its checksums; as a file if it is large."""
        await asyncio.to_thread(self._catch_up)
        crc32c, md5 = self._digest.results()
        size = self.persisted
        if size <= LARGEST_IN_BACKEND:
            return Content(self._data.read_bytes(), None, size, crc32c, md5)
        return Content(b"", self._data, size, crc32c, md5)

    def _catch_up(self) -> None:
        """Read what has come since the last time, so that the end of a large upload does not take long."""
        with self._data.open("rb") as file:
            file.seek(self._digested)
            while piece := file.read(_READ_SIZE):
                self._digest.update(piece)
                self._digested += len(piece)

    def _keep_whole_units(self, before: int) -> None:
        size = self.persisted
        kept = max(before, size - size % CHUNK_UNIT)
        with self._data.open("ab") as file:
            file.truncate(kept)


class Sessions:
    """The sessions of one server."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, Session] = {}

    def begin(self, asked: Json) -> str:
        """Open a session and answer its id, which is all that its further requests need to show."""
        name = secrets.token_urlsafe(24)
        directory = self._directory / name
        directory.mkdir(parents=True)
        (directory / "asked").write_text(json.dumps(asked))
        (directory / "data").touch()
        return name

    def find(self, name: str) -> Session:
        """Look a session up; a cancelled or unknown one is a refusal."""
        directory = self._directory / name
        if not re.fullmatch(r"[\w-]+", name) or not directory.is_dir():
            raise Refusal(404, "notFound", "The upload session does not exist.")
        if (directory / "gone").exists():
            raise Refusal(410, "gone", "The upload session is gone.")
        return self._known.setdefault(name, Session(directory))

    def forget(self, name: str) -> None:
        """Leave no trace of an upload that was one request."""
        shutil.rmtree(self._directory / name)
        self._known.pop(name, None)

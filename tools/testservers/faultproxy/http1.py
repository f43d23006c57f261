"""As much of HTTP/1.1 as a proxy needs that changes nothing: where heads and bodies end. No faults."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

PIECE = 64 * 1024
HEAD_LIMIT = 256 * 1024
_NO_BODY = {204, 304}


@dataclass(frozen=True)
class Head:
    """The first line and the headers: raw, and taken apart with names in lower case."""

    raw: bytes = field(repr=False)
    line: tuple[str, str, str]
    headers: Mapping[str, str] = field(repr=False)

    @property
    def method(self) -> str:
        """Of a request."""
        return self.line[0]

    @property
    def target(self) -> str:
        """Of a request, as it stood on the wire."""
        return self.line[1]

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.line[1])

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this message."""
        return "close" in self.headers.get("connection", "").lower() or "HTTP/1.0" in self.line


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read a head, or nothing if the connection has ended before one. Raises ConnectionError in the middle of one."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as broken:
        if broken.partial.strip():
            raise ConnectionResetError("the connection ended in a head") from None
        return None
    except asyncio.LimitOverrunError:
        raise ConnectionResetError("the head is too long") from None
    first, *lines = raw.decode("latin-1").lstrip("\r\n").rstrip("\r\n").split("\r\n")
    one, two, three = (*first.split(" ", 2), "")[:3]
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Head(raw, (one, two, three), headers)


@dataclass(frozen=True)
class Framing:
    """How a body's end is known: by a length, by chunks, or by the connection's end (no length, no chunks)."""

    length: int | None = None
    chunked: bool = False


NOTHING = Framing(length=0)


def request_framing(head: Head) -> Framing:
    """How a request's body ends; without any sign of one it has none."""
    return _framing(head, NOTHING)


def answer_framing(head: Head, method: str) -> Framing:
    """How an answer's body ends."""
    if method == "HEAD" or head.status in _NO_BODY:
        return NOTHING
    return _framing(head, Framing())


def _framing(head: Head, otherwise: Framing) -> Framing:
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return Framing(chunked=True)
    if "content-length" in head.headers:
        return Framing(length=int(head.headers["content-length"]))
    return otherwise


@dataclass(frozen=True)
class Piece:
    """Some bytes of a body; only ``payload`` ones are content, the others frame chunks."""

    raw: bytes
    payload: bool = True


async def read_body(reader: asyncio.StreamReader, framing: Framing) -> AsyncIterator[Piece]:
    """Read a body to its end, in pieces. Raises ConnectionError if it ends too early."""
    if framing.chunked:
        async for piece in _read_chunks(reader):
            yield piece
    elif framing.length is None:
        while raw := await reader.read(PIECE):
            yield Piece(raw)
    else:
        async for piece in _read_exactly(reader, framing.length):
            yield piece


async def _read_exactly(reader: asyncio.StreamReader, length: int) -> AsyncIterator[Piece]:
    while length:
        raw = await reader.read(min(PIECE, length))
        if not raw:
            raise ConnectionResetError("the connection ended in a body")
        length -= len(raw)
        yield Piece(raw)


async def _read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[Piece]:
    while True:
        line = await _read_line(reader)
        yield Piece(line, payload=False)
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        async for piece in _read_exactly(reader, size):
            yield piece
        yield Piece(await _read_line(reader), payload=False)
    while True:  # trailers, then an empty line
        line = await _read_line(reader)
        yield Piece(line, payload=False)
        if line == b"\r\n":
            return


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the connection ended between chunks")
    return line

"""A scripted HTTP server: it answers each request with the next given bytes, whole, cut off, late or not at all.

It parses no more than a request's end, so that tests see the request line and headers exactly as they were sent.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

After = Literal["keep", "close", "reset", "hang"]


@dataclass(frozen=True)
class Answer:
    """Raw bytes, and what happens to the connection behind them."""

    raw: bytes
    then: After = "keep"


@dataclass(frozen=True)
class Seen:
    """One request: its target as it stood on the wire, and its headers with lowercase names."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)


def answer(
    status: int = 200,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    then: After = "keep",
    length: int | None = None,
    cut: int | None = None,
) -> Answer:
    """Build an answer; ``length`` overrides Content-Length, ``cut`` sends only that many bytes of the body."""
    fields = {"Content-Length": str(len(body) if length is None else length), **(headers or {})}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    return Answer(head.encode() + (body if cut is None else body[:cut]), then)


class StubServer:
    """Answers by ``script``, then repeats its last entry. ``seen`` holds the requests."""

    def __init__(self, script: Sequence[Answer], tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._script = list(script)
        self.seen: list[Seen] = []
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)
        await self._server.wait_closed()

    @property
    def endpoint(self) -> str:
        assert self._server is not None
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while True:
                await self._read_request(reader)
                step = self._script[min(len(self.seen), len(self._script)) - 1]
                writer.write(step.raw)
                await writer.drain()
                if step.then == "hang":
                    await reader.read()
                if step.then == "reset":
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                if step.then != "keep":
                    return
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._serving.discard(task)
            writer.close()

    async def _read_request(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        await reader.readexactly(int(headers.get("content-length", "0")))
        self.seen.append(Seen(method, target, headers))

"""A canned server in a process of its own: constant answers at almost no cost, so that what is measured is the client.

Which answer a request gets is the provider's; only its first line is looked at. Signatures are not checked.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import override
else:

    def override(method: Callable[..., object]) -> Callable[..., object]:
        """Stand in for typing.override, which Python 3.11 has not yet; only the type checker uses it."""
        return method


Choose = Callable[[bytes], bytes]
"""Gives the whole answer to a request's first line."""
Build = Callable[[int], Choose]
"""Renders so many pages, in the server's process; a function of a module."""


class _Canned(asyncio.Protocol):
    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._pending = b""
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._pending += data
        while b"\r\n\r\n" in self._pending:
            head, self._pending = self._pending.split(b"\r\n\r\n", 1)
            self._transport.write(self._choose(head.split(b"\r\n", 1)[0]))


async def _serve(choose: Choose, ready: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Canned(choose), "127.0.0.1", 0)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _run(build: Build, pages: int, ready: Connection) -> None:
    asyncio.run(_serve(build(pages), ready))


@contextmanager
def canned(build: Build, pages: int) -> Iterator[str]:
    """Run the server; gives its endpoint."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(build, pages, theirs))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def answer(body: bytes, content_type: bytes = b"application/xml") -> bytes:
    """Build a whole 200 answer."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (content_type, len(body), body)

"""A server that sends its replies in given pieces, so that tests decide where the network cuts them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager


class PieceServer:
    """Sends each connection's replies in the given pieces, one write each, and counts connections and requests."""

    def __init__(self, *replies: Sequence[bytes], pause: float = 0.0, then: str = "keep") -> None:
        self._replies = replies
        self._pause = pause
        self._then = then
        self.connections = 0
        self.requests = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                for piece in self._replies[min(self.requests, len(self._replies)) - 1]:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(self._pause)
                if self._then == "close":
                    return
                if self._then == "reset":
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            return
        finally:
            writer.close()

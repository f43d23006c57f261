"""A relay in front of the S3 server that holds every request back for a while, so that an import has a middle."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self

from tools.testservers import VersityGateway


class SlowProxy:
    """``delay`` seconds before each piece that a client sends goes on; a dead server is a closed connection."""

    def __init__(self, gateway: VersityGateway, delay: float = 0.3) -> None:
        self.delay = delay
        self._gateway = gateway
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None

    @property
    def endpoint(self) -> str:
        """For Connectors."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._relay, "127.0.0.1", 0, backlog=1024)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            try:
                upstream, towards = await asyncio.open_connection("127.0.0.1", self._gateway.port)
            except OSError:
                writer.close()
                return
            back = asyncio.create_task(_pump(upstream, writer, 0.0))
            try:
                await _pump(reader, towards, self.delay)
            finally:
                await back
                towards.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(64 * 1024):
            if delay:
                await asyncio.sleep(delay)
            sink.write(piece)
            await sink.drain()
    with contextlib.suppress(OSError):
        sink.close()

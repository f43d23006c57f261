"""The proxy itself, on one event loop: takes connections, matches requests with faults, relays what has none."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from .effects import Effect, Fault
from .exchange import Broken, Exchange, Side
from .http1 import HEAD_LIMIT, read_head
from .record import Record, Seen


class Proxy:
    """Before one server. What it does wrong is in ``faults``, in order: the first that matches happens."""

    def __init__(
        self,
        upstream: str,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        trust: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.upstream = upstream
        self.faults: list[Fault] = []
        self.record = Record()
        self._port = port
        self._tls = tls
        self._trust = trust
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def endpoint(self) -> str:
        """For clients: as ``upstream``, with the proxy's scheme and port, and the path that upstream may have."""
        assert self._server is not None
        scheme = "https" if self._tls else "http"
        port = self._server.sockets[0].getsockname()[1]
        return f"{scheme}://127.0.0.1:{port}{urlsplit(self.upstream).path.rstrip('/')}"

    async def start(self) -> None:
        """Listen on loopback."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self._port, ssl=self._tls, limit=HEAD_LIMIT, backlog=1024
        )

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        client = Side(reader, writer)
        connection = _Connection(self, client)
        try:
            await connection.serve()
        except (OSError, ValueError, asyncio.CancelledError):
            client.reset()
        finally:
            self._serving.discard(task)
            connection.close()

    def choose(self, seen: Seen) -> Effect | None:
        """Find what is to happen to a request."""
        fault = next((each for each in self.faults if each.takes(seen.method, seen.target)), None)
        if fault is None:
            return None
        seen.fault = fault.effect.name
        return fault.effect

    def now(self) -> float:
        """Read the clock."""
        return self._clock()

    async def connect(self) -> Side:
        """Open a connection to the server."""
        address = urlsplit(self.upstream)
        tls = None
        if address.scheme == "https":
            tls = self._trust or ssl.create_default_context()
        assert address.hostname is not None
        port = address.port or (443 if tls else 80)
        return Side(*await asyncio.open_connection(address.hostname, port, ssl=tls, limit=HEAD_LIMIT))


class _Connection:
    """One client's connection and the one to the server that belongs to it, kept as long as both want."""

    def __init__(self, proxy: Proxy, client: Side) -> None:
        self._proxy = proxy
        self._client = client
        self._server: Side | None = None

    async def serve(self) -> None:
        """Take requests one after another."""
        goes_on = True
        while goes_on and (head := await read_head(self._client.reader)) is not None:
            seen = self._proxy.record.begin(self._proxy.now(), head.method, head.target, head.headers)
            try:
                exchange = Exchange(head, self._client, seen, self._proxy.choose(seen))
                goes_on = await exchange.run(self._reach_server)
            except Broken as broken:
                await self._client.end(broken.how)
                return
            finally:
                self._proxy.record.end()

    def close(self) -> None:
        """Close both."""
        self._client.writer.close()
        if self._server is not None:
            self._server.writer.close()

    async def _reach_server(self) -> Side:
        """Use the connection that is there, unless the server has closed it meanwhile."""
        if self._server is None or self._server.ended:
            with contextlib.suppress(OSError):
                if self._server is not None:
                    self._server.writer.close()
            self._server = await self._proxy.connect()
        return self._server

"""The lean transport: keep-alive connections to one server for very many small GETs.

Dials (with the guard against forbidden addresses), bounds the connections, and repeats once, at no cost to the caller, a
request whose kept-alive connection the server had closed meanwhile. No provider's semantics, redirects or proxies may enter.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohappyeyeballs

from videovector_operator.storage.connection import Bounds, BrokenOffError, Connection, StaleError
from videovector_operator.storage.request import Reply
from videovector_operator.storage.transport import GuardedResolver, NotConnectedError

_LONGEST_IDLE_SECONDS = 15.0
"""Servers close idle connections after 20 seconds or more; one that is older is not worth the risk."""
_HAPPY_EYEBALLS_SECONDS = 0.25
_COMMON_HEADERS = {"accept-encoding": "identity", "user-agent": "videovector-operator"}


def build_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Build a request without a body; ``target`` goes on the wire as it is. Raises ValueError when a value breaks a line."""
    fields = {**_COMMON_HEADERS, **headers}
    values = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    if values.count("\n") != len(fields) or values.count("\r") != len(fields) or "\0" in values:
        raise ValueError("a header's value holds a line break")
    return f"{method} {target} HTTP/1.1\r\n{values}\r\n".encode()


class ConnectionPool:
    """At most ``connections`` to ``origin`` (scheme://host[:port]). Must be made on a running loop.

    ``connect_seconds`` bounds dialling with name look-up and TLS, ``silence_seconds`` each wait for the next bytes.
    """

    def __init__(
        self,
        origin: str,
        *,
        connections: int,
        connect_seconds: float,
        silence_seconds: float,
        resolver: GuardedResolver,
        tls: ssl.SSLContext,
    ) -> None:
        parts = urlsplit(origin)
        self._host = parts.hostname or ""
        self._is_tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._tls = tls
        self._resolver = resolver
        self._connect_seconds = connect_seconds
        self._silence_seconds = silence_seconds
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(connections)
        self._is_closed = False
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()

    async def exchange(self, request: bytes, bounds: Bounds) -> Reply:
        """Send ``request`` and return its reply, also one that refuses.

        Raises OSError (`NotConnectedError`, `BrokenOffError`, TimeoutError, ssl.SSLError, socket.gaierror), ValueError (`NotHttpError`), or
        Invalid for addresses and bodies that must not be used.
        """
        async with self._places:
            kept = self._take_idle()
            if kept is not None:
                # A GET changes nothing, so that it can be sent again whatever became of it.
                with contextlib.suppress(StaleError):
                    return await self._exchange(kept, request, bounds)
            if self._is_closed:
                raise BrokenOffError
            return await self._exchange(await self._dial(), request, bounds)

    async def close(self) -> None:
        """Close every connection."""
        self._is_closed = True
        for connection in (*self._idle, *self._busy):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)

    async def _exchange(self, connection: Connection, request: bytes, bounds: Bounds) -> Reply:
        self._busy.add(connection)
        try:
            return await connection.exchange(request, bounds)
        finally:
            self._busy.discard(connection)
            if connection.is_open and not self._is_closed:
                connection.released_at = self._loop.time()
                self._idle.append(connection)
            else:
                connection.abort()

    def _take_idle(self) -> Connection | None:
        """Take the connection that was used last; the others may grow old and be closed."""
        oldest = self._loop.time() - _LONGEST_IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.released_at >= oldest:
                return connection
            connection.abort()
        return None

    async def _dial(self) -> Connection:
        context = self._tls if self._is_tls else None
        async with asyncio.timeout(self._connect_seconds):
            sock = await self._connect_socket()
            try:
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self._silence_seconds),
                    sock=sock,
                    ssl=context,
                    server_hostname=self._host.rstrip(".") if context else None,
                )
            except BaseException:
                sock.close()
                raise
        return connection

    async def _connect_socket(self) -> socket.socket:
        found = await self._resolver.resolve(self._host, self._port, socket.AF_UNSPEC)
        addresses = [
            (each["family"], socket.SOCK_STREAM, each["proto"], "", (each["host"], each["port"])) for each in found
        ]
        try:
            return await aiohappyeyeballs.start_connection(
                addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS, interleave=1, loop=self._loop
            )
        except TimeoutError:
            raise
        except OSError as error:
            raise NotConnectedError(error.errno, error.strerror) from None

"""Serves the API over TLS, and takes a changed client CA or certificate into use without dropping a connection.

Knows no request; what is answered is `routes`' business.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass

import structlog
from aiohttp import web

from videovector_operator.operator_api.routes import Routes
from videovector_operator.operator_api.tls import build_server_tls
from videovector_operator.operator_api.trust import Trust, TrustReader

_BACKLOG = 64
_MAX_HEADER = 32 * 1024
"""Bytes of one header line: tokens of some identity providers are long."""
_KEEP_ALIVE_SECONDS = 30.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and how often (seconds) to look whether the certificates have changed."""

    host: str
    port: int
    reread_seconds: float = 60.0


class ApiServer:
    """The API of one operator process."""

    def __init__(self, address: Address, routes: Routes, trust: TrustReader) -> None:
        self._address = address
        self._routes = routes
        self._trust = trust
        self.port = 0
        """The port it listens on, once it does."""

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError when the address is taken or the certificate cannot be read."""
        runner = web.AppRunner(
            self._routes.build_app(),
            access_log=None,
            handle_signals=False,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            shutdown_timeout=2.0,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
        )
        await runner.setup()
        try:
            with _listen(self._address) as listener:
                self.port = listener.getsockname()[1]
                await self._serve(runner, listener)
        finally:
            await runner.cleanup()

    async def _serve(self, runner: web.AppRunner, listener: socket.socket) -> None:
        trust = await self._trust.read()
        # A client CA that cannot be read keeps nobody from using a token.
        tls = _try_build(trust) or build_server_tls(trust.server, None)
        site = await _start_site(runner, listener, tls)
        _log.info("api listening", host=self._address.host, port=self.port, client_certificates=bool(trust.client_ca))
        while True:
            await asyncio.sleep(self._address.reread_seconds)
            newer = await self._trust.read()
            replacement = _try_build(newer) if newer != trust else None
            if replacement is not None:
                # The new one listens before the old one stops, on the same socket: nobody is refused.
                old, site, trust = site, await _start_site(runner, listener, replacement), newer
                await old.stop()
                _log.info("api certificates changed", client_certificates=bool(trust.client_ca))


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    listener.setblocking(False)
    return listener


async def _start_site(runner: web.AppRunner, listener: socket.socket, tls: ssl.SSLContext) -> web.SockSite:
    site = web.SockSite(runner, listener.dup(), ssl_context=tls, backlog=_BACKLOG)
    await site.start()
    return site


def _try_build(trust: Trust) -> ssl.SSLContext | None:
    try:
        return build_server_tls(trust.server, trust.client_ca)
    except ssl.SSLError as error:
        _log.warning("new certificates cannot be used; the old ones stay", error=error.reason or "")
        return None

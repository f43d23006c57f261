"""A plain-HTTP proxy before the API server that counts the operator's writes and can end it at a chosen one.

The kill happens right before the request is passed on (it never arrives) or right after the server has answered (the
operator never hears of it): the two halves of "at a write". It can also cut the operator off for a while.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

import aiohttp
from aiohttp import web

from tools.devcluster.cluster import Cluster
from tools.testservers.ports import free_port

When = Literal["before", "after"]
_HOP_HEADERS = {"host", "transfer-encoding", "content-length", "connection", "accept-encoding", "content-encoding"}


class WriteProxy:
    """Forwards to the API server as the administrator. Leases are not counted: they are written all the time."""

    def __init__(self, cluster: Cluster, scratch: Path) -> None:
        self._cluster = cluster
        self.port = free_port()
        self.kubeconfig = scratch / "proxy-kubeconfig"
        self.writes: list[str] = []
        self._kill_at: int | None = None
        self._when: When = "after"
        self._kill: Callable[[], None] = lambda: None
        self._is_away = False
        self._open: dict[int, web.Request] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._started = threading.Event()

    def arm(self, at: int, when: When, kill: Callable[[], None]) -> None:
        """Call ``kill`` at the ``at``-th write from now (1 = the next one)."""
        self._kill, self._when, self._kill_at = kill, when, len(self.writes) + at

    @contextmanager
    def away(self) -> Iterator[None]:
        """Until left, every connection breaks, as if the API server had died."""
        self._loop.call_soon_threadsafe(self._leave)
        try:
            yield
        finally:
            self._is_away = False

    def _leave(self) -> None:
        self._is_away = True
        for request in self._open.values():
            _break(request)

    @property
    def armed(self) -> bool:
        """Whether the kill has still to happen."""
        return self._kill_at is not None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        self.kubeconfig.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: proxy\n"
            f"clusters: [{{name: proxy, cluster: {{server: 'http://127.0.0.1:{self.port}'}}}}]\n"
            "users: [{name: proxy, user: {}}]\n"
            "contexts: [{name: proxy, context: {cluster: proxy, user: proxy, namespace: default}}]\n",
            encoding="utf-8",
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._start())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._finish(runner))
        self._loop.close()

    async def _start(self) -> web.AppRunner:
        layout = self._cluster.layout
        context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        return runner

    async def _finish(self, runner: web.AppRunner) -> None:
        await runner.cleanup()
        await self._session.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        if self._is_away:
            _break(request)
            raise web.HTTPServiceUnavailable
        self._open[id(request)] = request
        try:
            return await self._count_and_forward(request)
        finally:
            del self._open[id(request)]

    async def _count_and_forward(self, request: web.Request) -> web.StreamResponse:
        is_write = request.method in ("POST", "PUT", "PATCH", "DELETE") and "/leases" not in request.path
        doomed = False
        if is_write:
            self.writes.append(f"{request.method} {request.path}")
            doomed = self._kill_at is not None and len(self.writes) == self._kill_at
        if doomed and self._when == "before":
            self._strike()
            raise web.HTTPServiceUnavailable
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        url = f"{self._cluster.layout.server}{request.path_qs}"
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            if doomed:
                await answer.read()
                self._strike()
                raise web.HTTPServiceUnavailable
            return await self._pass_on(request, answer)

    def _strike(self) -> None:
        self._kill_at = None
        self._kill()

    async def _pass_on(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_HEADERS}
        response = web.StreamResponse(status=answer.status, headers=headers)
        try:
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        except (ConnectionError, aiohttp.ClientError):
            pass  # the operator is gone: that is what this is for
        return response


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()

"""The HTTP endpoints of one process: /healthz, /readyz, /metrics. Shows what others report; decides nothing."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from videovector_operator.control.health import Health
from videovector_operator.control.metrics import Metrics


async def start_http(
    host: str, port: int, health: Health, metrics: Metrics, refresh: Callable[[], None]
) -> web.AppRunner:
    """Serve until the runner's ``cleanup``. ``refresh`` brings the gauges up to date before each scrape."""

    def answer(problems: list[str]) -> web.Response:
        if problems:
            return web.Response(status=503, text="\n".join(problems) + "\n")
        return web.Response(text="ok\n")

    async def healthz(_: web.Request) -> web.Response:
        return answer(health.problems())

    async def readyz(_: web.Request) -> web.Response:
        return answer(health.not_ready())

    async def metrics_page(_: web.Request) -> web.Response:
        refresh()
        return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics_page)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner

"""kopf against a small API server: what it watches, and that it is told when it does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from videovector_operator.api.v1alpha1.common import API_GROUP, API_VERSION
from videovector_operator.control.routes import WATCHED_KINDS
from videovector_operator.control.watch import build_settings, run_watchers
from videovector_operator.errors import ClusterError

OURS = f"{API_GROUP}/{API_VERSION}"
PLURALS = {
    OURS: {"Connector": "connectors", "Index": "indexes", "ImportJob": "importjobs"},
    "batch/v1": {"Job": "jobs"},
    "v1": {"Secret": "secrets", "Namespace": "namespaces"},
}
"""Kinds and their names in paths, by API version; kopf does not begin without namespaces."""
Served = Mapping[str, Mapping[str, str]]


class SmallApiServer:
    """Serves discovery of ``served``, one object of each kind in its list, and watches that tell nothing."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.watched: set[str] = set()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/apis/").removeprefix("/api/").strip("/").replace("/namespaces/films", "")
        if path == "api":
            return web.json_response({"versions": ["v1"]})
        if path == "apis":
            groups = [name for name in PLURALS if "/" in name]
            return web.json_response({"groups": [self._group(*name.split("/")) for name in groups]})
        if path in self._served:
            return web.json_response({"resources": [self._resource(*item) for item in self._served[path].items()]})
        version, _, plural = path.rpartition("/")
        if plural not in self._served.get(version, {}).values():
            return web.json_response({"kind": "Status", "code": 404, "message": "not found"}, status=404)
        return await self._objects(request, plural)

    @staticmethod
    def _group(name: str, version: str) -> dict[str, Any]:
        return {"name": name, "versions": [{"version": version}], "preferredVersion": {"version": version}}

    @staticmethod
    def _resource(kind: str, plural: str) -> dict[str, Any]:
        verbs = ["get", "list", "watch"]
        return {"kind": kind, "name": plural, "singularName": kind.lower(), "namespaced": True, "verbs": verbs}

    async def _objects(self, request: web.Request, plural: str) -> web.StreamResponse:
        if "watch" not in request.query:
            meta = {"namespace": "films", "name": f"one-of-{plural}", "uid": plural}
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [{"metadata": meta}]})
        self.watched.add(plural)
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response


def run(served: Served, folder: Path, act: Callable[[SmallApiServer, str], Awaitable[None]]) -> None:
    """Run ``act`` beside a server of ``served`` in a loop of its own: at its end kopf cancels all that is younger than it."""

    async def main() -> None:
        server = SmallApiServer(served)
        runner = web.AppRunner(server.app(), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        config = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (folder / "kubeconfig").write_text(json.dumps(config), encoding="utf-8")
        async with asyncio.timeout(60):
            await act(server, str(folder / "kubeconfig"))
            for kopf in [task for task in asyncio.all_tasks() if task.get_name() == "kopf"]:
                kopf.cancel()
                await asyncio.wait([kopf])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("served", "missing"),
    [
        ({name: kinds for name, kinds in PLURALS.items() if name != OURS}, "Connector, ImportJob, Index"),
        ({**PLURALS, OURS: {"Connector": "connectors", "Index": "indexes"}}, "ImportJob"),
        ({name: kinds for name, kinds in PLURALS.items() if name != "batch/v1"}, "Job"),
    ],
)
def test_a_kind_that_would_not_be_watched_ends_the_watchers(
    served: Served, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(server: SmallApiServer, kubeconfig: str) -> None:
        monkeypatch.setenv("KUBECONFIG", kubeconfig)
        with pytest.raises(ClusterError, match=rf"does not serve {missing} \(see: kubectl api-resources"):
            await run_watchers(lambda *_: None, [], asyncio.Event())

    run(served, tmp_path, act)


def test_every_kind_is_listed_and_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[str, str | None]] = set()

    async def act(server: SmallApiServer, kubeconfig: str) -> None:
        monkeypatch.setenv("KUBECONFIG", kubeconfig)
        started = asyncio.Event()
        watchers = asyncio.create_task(run_watchers(lambda kind, event, _: seen.add((kind, event)), ["films"], started))
        while len(server.watched) < len(WATCHED_KINDS) or len(seen) < len(WATCHED_KINDS):
            assert not watchers.done()
            await asyncio.sleep(0.01)
        assert started.is_set()
        assert not watchers.done()

    run(PLURALS, tmp_path, act)
    assert seen == {(kind, None) for kind in WATCHED_KINDS}


def test_an_api_server_that_is_back_is_asked_within_five_seconds_however_long_it_was_away() -> None:
    backoffs = build_settings().networking.error_backoffs
    assert isinstance(backoffs, list)
    assert max(backoffs) <= 5
    assert sum(backoffs) > 6 * 3600

"""Run the front on loopback: ``python -m tools.testservers.gcsfront --port P --backend URL --state DIRECTORY``."""

import argparse
from pathlib import Path

from aiohttp import web

from tools.testservers.gcs_accounts import AccountBook

from . import objects, uploading
from .answers import Refusal
from .backend import Backend
from .calls import Call, Parts, Route, query_of, route, unquoted
from .identity import Caller, Doorman
from .store import Store
from .uploads import Sessions

_UPLOADS = "/upload{b}/(?P<bucket>[^/]+)/o/?"
ROUTES = (
    route("GET POST", "{b}/?", objects.pass_buckets_on),
    route("GET DELETE", "{b}/(?P<bucket>[^/]+)", objects.pass_bucket_on),
    route("GET", "{b}/(?P<bucket>[^/]+)/iam/testPermissions", objects.test_permissions),
    route("GET", "{b}/(?P<bucket>[^/]+)/o/?", objects.list_objects),
    route("GET", "{o}", objects.get_object),
    route("GET", "/download{o}", objects.download, "text"),
    route("DELETE", "{o}", objects.delete_object),
    route("PATCH", "{o}", objects.patch_object),
    route("POST", "{o}/rewriteTo/b/(?P<toBucket>[^/]+)/o/(?P<toKey>[^/]+)", objects.rewrite_object),
    route("POST", "{o}/copyTo/b/(?P<toBucket>[^/]+)/o/(?P<toKey>[^/]+)", objects.copy_object),
    route("POST", _UPLOADS, uploading.upload),
    route("PUT", _UPLOADS, uploading.put_chunk),
    route("DELETE", _UPLOADS, uploading.cancel),
    route("GET HEAD POST PUT PATCH DELETE", "/(?:storage|upload|download|batch)/.*", objects.refuse),
    route("GET HEAD", "/(?P<bucket>[^/]+)/(?P<key>.+)", objects.read_signed, "xml"),
    route("GET HEAD POST PUT DELETE", "/.*", objects.refuse),
)


async def handle(request: web.Request) -> web.StreamResponse:
    """Find the call that a request is, and who sent it."""
    parts: Parts = request.app[_PARTS]
    path = request.raw_path.partition("?")[0]
    for each in ROUTES:
        match = each.path.fullmatch(path)
        if match is not None and request.method in each.methods:
            return await _answer(each, parts, request, unquoted(match))
    return web.Response(status=405)


async def _answer(found: Route, parts: Parts, request: web.Request, names: dict[str, str]) -> web.StreamResponse:
    query = query_of(request.raw_path)
    form = "text" if query.get("alt") == "media" and found.form == "json" else found.form
    try:
        by_link = "X-Goog-Algorithm" in query or "upload_id" in query
        caller = Caller() if by_link else parts.doorman.identify(request)
        return await found.handler(Call(parts, request, names, query, caller))
    except Refusal as refusal:
        return refusal.answer(form)


_PARTS = web.AppKey("parts", Parts)


def build_app(parts: Parts) -> web.Application:
    """Build the server around its parts."""
    app = web.Application(client_max_size=1 << 20)
    app[_PARTS] = parts
    app.router.add_get("/_health", _healthy)
    app.router.add_route("*", "/{target:.*}", handle)

    async def close(_: web.Application) -> None:
        await parts.store.backend.close()

    app.on_cleanup.append(close)
    return app


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="ok")


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    files = options.state / "files"
    files.mkdir(parents=True, exist_ok=True)
    doorman = Doorman(AccountBook(options.state / "accounts.json"))
    parts = Parts(Store(Backend(options.backend), files), Sessions(options.state / "uploads"), doorman)
    web.run_app(build_app(parts), host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()

"""The API's requests: who asks, may they, what is the answer. One place turns every error into the envelope.

Each request has a total time-out and a place among a limited number; nothing of a request is logged but who, what and how it ended.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from videovector_operator.cluster.port import Cluster
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import VideoVectorError
from videovector_operator.operator_api.access import Wish, ensure_allowed
from videovector_operator.operator_api.browse import Browser
from videovector_operator.operator_api.caller import observe_caller
from videovector_operator.operator_api.files import FileLister
from videovector_operator.operator_api.problems import ApiProblem, busy, invalid, not_found, problem_of
from videovector_operator.operator_api.queries import Query, parse_browse, parse_files

Json = dict[str, Any]
Answer = Callable[[ObjectKey, Query], Awaitable[Json]]
ObserveRequest = Callable[[str, int], None]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_BASE = "/apis/v1alpha1/namespaces/{namespace}"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be asked. ``together`` requests are worked on at a time, others are sent away."""

    seconds: float = 30.0
    together: int = 16


@dataclass(frozen=True, slots=True)
class Subresource:
    """One thing that can be asked for: of which kind, under which name, and who answers."""

    kind: str
    resource: str
    subresource: str
    answer: Answer


class Routes:
    """Answers requests. ``reviews`` knows people and rights; ``namespaces`` () = all are watched."""

    def __init__(
        self,
        *,
        reviews: Cluster,
        browser: Browser,
        lister: FileLister,
        namespaces: Sequence[str] = (),
        limits: Limits | None = None,
        observe: ObserveRequest = lambda _route, _status: None,
    ) -> None:
        self._reviews = reviews
        self._namespaces = frozenset(namespaces)
        self._limits = limits or Limits()
        self._observe = observe
        self._active = 0
        self._subresources = (
            Subresource(
                "Connector", "connectors", "browse", lambda key, query: browser.browse(key, parse_browse(query))
            ),
            Subresource(
                "ImportJob", "importjobs", "files", lambda key, query: lister.list_files(key, parse_files(query))
            ),
        )

    def build_app(self) -> web.Application:
        """The application for aiohttp."""
        app = web.Application(client_max_size=1024)
        for wanted in self._subresources:
            path = f"{_BASE}/{wanted.resource}/{{name}}/{wanted.subresource}"
            app.router.add_get(path, self._make_handler(wanted), allow_head=False)
        app.router.add_route("*", "/{rest:.*}", self._make_handler(None))
        return app

    def _make_handler(self, wanted: Subresource | None) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            return await self._handle(request, wanted)

        return handle

    async def _handle(self, request: web.Request, wanted: Subresource | None) -> web.Response:
        route = wanted.subresource if wanted is not None else "unknown"
        began = time.monotonic()
        facts: dict[str, str] = {}
        try:
            status, body, headers = 200, await self._answer(request, wanted, facts), {}
        except Exception as error:  # noqa: BLE001 - one place answers for every error
            problem = _problem(error)
            status, body = problem.status, problem.to_json()
            headers = {"Retry-After": str(problem.retry_after)} if problem.retry_after else {}
            facts["code"] = problem.code
        self._observe(route, status)
        _log.info("api request", route=route, status=status, seconds=round(time.monotonic() - began, 3), **facts)
        return web.json_response(body, status=status, headers={**headers, "Cache-Control": "no-store"})

    async def _answer(self, request: web.Request, wanted: Subresource | None, facts: dict[str, str]) -> Json:
        if self._active >= self._limits.together:
            raise busy(f"{self._limits.together} requests are being worked on; try again in a moment")
        self._active += 1
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._answer_in_time(request, wanted, facts)
        finally:
            self._active -= 1

    async def _answer_in_time(self, request: web.Request, wanted: Subresource | None, facts: dict[str, str]) -> Json:
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        caller = await observe_caller(
            self._reviews,
            _subject(tls),
            request.headers.get("Authorization"),
            takes_certificates=tls is not None and tls.context.verify_mode is not ssl.CERT_NONE,
        )
        facts["user"] = caller.name
        if wanted is None:
            raise not_found("there is no such path; there are GET …/connectors/NAME/browse and …/importjobs/NAME/files")
        namespace, name = _names(request)
        facts["object"] = f"{wanted.kind} {namespace}/{name}"
        await ensure_allowed(self._reviews, caller, Wish(wanted.resource, wanted.subresource, namespace, name))
        if self._namespaces and namespace not in self._namespaces:
            raise not_found(f'this operator does not watch namespace "{namespace}"')
        query = {key: request.query.getall(key) for key in request.query}
        return await wanted.answer(ObjectKey(wanted.kind, namespace, name), query)


def _subject(tls: ssl.SSLObject | None) -> Any:
    """The subject of the client certificate that TLS has verified; None = none was shown."""
    certificate = tls.getpeercert() if tls is not None else None
    return certificate.get("subject", ()) if certificate else None


def _names(request: web.Request) -> tuple[str, str]:
    namespace, name = request.match_info["namespace"], request.match_info["name"]
    for text in (namespace, name):
        if not _NAME.fullmatch(text):
            raise invalid(f"{text[:80]!r} is no name of a Kubernetes object")
    return namespace, name


def _problem(error: Exception) -> ApiProblem:
    if isinstance(error, VideoVectorError):
        return problem_of(error)
    if isinstance(error, TimeoutError):
        return ApiProblem(503, "Timeout", "the answer took too long; ask for less: a longer prefix, a lower limit", 1)
    # The text of an error that nobody expected may hold anything: it stays in the log.
    _log.error("api request failed", error=repr(error), exc_info=error)
    return ApiProblem(
        500, "InternalError", f"internal error ({type(error).__name__}); details are in the operator's log"
    )

"""kopf, used as what it is best at: watching. Its handlers only say that something changed; they decide nothing.

Only ``on.event`` handlers are registered, so kopf writes nothing to any object: no finalizer, no annotation, no Event.

What the API server serves kopf asks once, at its start, and a kind that is not in that answer it never watches. An API server that
is starting itself serves a kind's objects a moment before or after it names the kind: `run_watchers` ends when one is missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import kopf
from kopf._cogs.structs.references import Insights  # nothing public tells what is watched
from typing_extensions import override

from videovector_operator.api.kinds import BY_KIND
from videovector_operator.api.v1alpha1.common import API_GROUP, API_VERSION
from videovector_operator.cluster.port import Json
from videovector_operator.control.routes import CUSTOM_KINDS
from videovector_operator.errors import ClusterError

_RESOURCES = {
    **{kind: (API_GROUP, API_VERSION, BY_KIND[kind].plural) for kind in CUSTOM_KINDS},
    "Job": ("batch", "v1", "jobs"),
    "Secret": ("", "v1", "secrets"),
}
_RETRY_SECONDS = 5.0
_RETRIES = 5000
OnChange = Callable[[str, str | None, Json], None]
"""Called with kind, event type (None = from a list, ADDED, MODIFIED, DELETED) and the object."""


def build_registry(on_change: OnChange) -> kopf.OperatorRegistry:
    """Register one handler a watched kind."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login)
    for kind, resource in _RESOURCES.items():
        _watch(registry, on_change, kind, resource)
    return registry


def _watch(registry: kopf.OperatorRegistry, on_change: OnChange, kind: str, resource: tuple[str, str, str]) -> None:
    group, version, plural = resource

    async def handle(event: Any, **_: Any) -> None:
        on_change(kind, event["type"], event["object"])

    kopf.on.event(group, version, plural, registry=registry, id=f"watch-{plural}")(handle)


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """kopf's own readers of the service account and of kubeconfig: no second client library for the watches."""
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers nothing: no diff is ever asked for, and making one costs more than all else that kopf does."""

    @override
    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None, **_: Any) -> Any:
        return {}

    @override
    def fetch(self, *, body: kopf.Body) -> Any:
        return None

    @override
    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:
        return None


def build_settings() -> kopf.OperatorSettings:
    """Settings that keep watches alive and kopf's own features off."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.reconnect_backoff = 1
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    # An API server that is back must not wait long for us: each of these seconds nothing that changes is seen.
    settings.networking.error_backoffs = [0.5, 1, 2, *[_RETRY_SECONDS] * _RETRIES]
    settings.queueing.idle_timeout = 1.0
    settings.process.ultimate_exiting_timeout = None
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.finalizer = f"{API_GROUP}/unused"
    return settings


async def run_watchers(on_change: OnChange, namespaces: Sequence[str], started: asyncio.Event) -> None:
    """Watch until cancelled; returns or raises earlier only if kopf gives up. No namespaces = all of them.

    ``started`` is set when kopf has made its tasks, and with them its own signal handlers. Raises ClusterError when the API server
    does not serve a watched kind.
    """
    logging.getLogger("kopf").setLevel(logging.WARNING)
    insights = Insights()
    watchers = asyncio.create_task(_run_kopf(on_change, namespaces, started, insights), name="kopf")
    scanned = asyncio.create_task(insights.ready_resources.wait(), name="kopf's scan")
    await asyncio.wait([watchers, scanned], return_when=asyncio.FIRST_COMPLETED)
    if scanned.done():
        _require_all(insights)
    scanned.cancel()
    await watchers


async def _run_kopf(on_change: OnChange, namespaces: Sequence[str], started: asyncio.Event, insights: Insights) -> None:
    await kopf.operator(
        registry=build_registry(on_change),
        settings=build_settings(),
        insights=insights,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        ready_flag=started,
    )


def _require_all(insights: Insights) -> None:
    watched = {(found.group, found.version, found.plural) for found in insights.watched_resources}
    missing = sorted(kind for kind, resource in _RESOURCES.items() if resource not in watched)
    if missing:
        hint = "kubectl api-resources --api-group=videovector.io"
        raise ClusterError(f"the API server does not serve {', '.join(missing)} (see: {hint})")

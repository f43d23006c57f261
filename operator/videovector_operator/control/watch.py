"""kopf, used as what it is best at: watching. Its handlers only say that something changed; they decide nothing.

Only ``on.event`` handlers are registered, so kopf writes nothing to any object: no finalizer, no annotation, no Event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import kopf
from typing_extensions import override

from videovector_operator.api.kinds import BY_KIND
from videovector_operator.api.v1alpha1.common import API_GROUP, API_VERSION
from videovector_operator.cluster.port import Json
from videovector_operator.control.routes import CUSTOM_KINDS

OnChange = Callable[[str, str | None, Json], None]
"""Called with kind, event type (None = from a list, ADDED, MODIFIED, DELETED) and the object."""


def build_registry(on_change: OnChange) -> kopf.OperatorRegistry:
    """Register one handler a watched kind."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login)
    for kind in CUSTOM_KINDS:
        _watch(registry, on_change, kind, (API_GROUP, API_VERSION, BY_KIND[kind].plural))
    _watch(registry, on_change, "Job", ("batch", "v1", "jobs"))
    _watch(registry, on_change, "Secret", ("", "v1", "secrets"))
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
    settings.networking.error_backoffs = [0.5, 1, 2, 5, 10, 20, 30] + [30] * 1000
    settings.queueing.idle_timeout = 1.0
    settings.process.ultimate_exiting_timeout = None
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.finalizer = f"{API_GROUP}/unused"
    return settings


async def run_watchers(on_change: OnChange, namespaces: Sequence[str], started: asyncio.Event) -> None:
    """Watch until cancelled; returns or raises earlier only if kopf gives up. No namespaces = all of them.

    ``started`` is set when kopf has made its tasks, and with them its own signal handlers.
    """
    logging.getLogger("kopf").setLevel(logging.WARNING)
    await kopf.operator(
        registry=build_registry(on_change),
        settings=build_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        ready_flag=started,
    )

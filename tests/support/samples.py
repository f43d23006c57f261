"""Sample objects for tests, as users write them and as models."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.index import Index
from videovector_operator.control.process import parse_resource
from videovector_operator.core.records import RunCounters, RunState, RunSummary

Json = dict[str, Any]
NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
NAMESPACE = "media"


class FrozenClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def manifest(kind: str, name: str, spec: Json, **meta: Any) -> Json:
    """A custom resource as a user applies it."""
    return {
        "apiVersion": "videovector.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, **meta},
        "spec": spec,
    }


def connector_manifest(
    name: str = "footage", *, secret: str | None = "keys", meta: Json | None = None, **spec: Any
) -> Json:
    wanted: Json = {"provider": "s3", "s3": {"bucket": "footage", "region": "eu-central-1"}, **spec}
    if secret is not None:
        wanted["credentialsSecretRef"] = {"name": secret}
    return manifest("Connector", name, wanted, **(meta or {}))


def index_manifest(name: str = "films", *, meta: Json | None = None, **spec: Any) -> Json:
    return manifest("Index", name, spec, **(meta or {}))


def import_manifest(name: str = "first", *, meta: Json | None = None, **spec: Any) -> Json:
    wanted = {"connectorRef": {"name": "footage"}, "indexRef": {"name": "films"}, **spec}
    return manifest("ImportJob", name, wanted, **(meta or {}))


def as_seen(body: Json, *, generation: int = 1, status: Json | None = None, **meta: Any) -> Json:
    """The object as the API server shows it."""
    own = {"uid": f"uid-of-{body['metadata']['name']}", "generation": generation, "resourceVersion": "7"}
    return {
        **body,
        "metadata": {**own, **body["metadata"], **meta},
        "status": {"observedGeneration": -1} if status is None else status,
    }


def _parser(build: Callable[..., Json], kind: str) -> Callable[..., Any]:
    def parse(*, generation: int = 1, status: Json | None = None, meta: Json | None = None, **spec: Any) -> Any:
        return parse_resource(kind, as_seen(build(meta=meta, **spec), generation=generation, status=status))

    return parse


make_connector: Callable[..., Connector] = _parser(connector_manifest, "Connector")
make_index: Callable[..., Index] = _parser(index_manifest, "Index")
make_import: Callable[..., ImportJob] = _parser(import_manifest, "ImportJob")


def ready_status(
    generation: int = 1, kind: str = "Ready", status: str = "True", reason: str = "ConnectionTested"
) -> Json:
    """A status with one condition."""
    condition = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "said before",
        "observedGeneration": generation,
        "lastTransitionTime": "2026-04-30T00:00:00Z",
    }
    return {"observedGeneration": generation, "conditions": [condition]}


def make_run(state: RunState = RunState.IMPORTING, **changes: Any) -> RunSummary:
    """A run as the catalog sums it up, ten seconds old."""
    started = NOW - timedelta(seconds=10)
    base: dict[str, Any] = {
        "run_id": "job_x",
        "namespace": NAMESPACE,
        "name": "first",
        "index_id": "idx_x",
        "state": state,
        "scan_done": False,
        "cancel_requested": False,
        "counters": RunCounters(),
        "current_file": None,
        "created_at": started,
        "started_at": None if state is RunState.PENDING else started,
        "completed_at": NOW if state.is_terminal else None,
        "updated_at": NOW,
    }
    return RunSummary(**{**base, **changes})

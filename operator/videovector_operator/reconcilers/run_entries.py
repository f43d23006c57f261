"""How the queue of a Connector reads ImportJobs and worker Jobs as the cache sees them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from pydantic import ValidationError

from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.reasons import ConditionType, Phase, Reason
from videovector_operator.cluster.port import Json
from videovector_operator.core import names
from videovector_operator.core.conditions import find_condition
from videovector_operator.core.keys import ObjectKey

_ENDED = (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED)

Order = tuple[str, str, str]
"""creationTimestamp, name, uid: first come, first served."""
Line = tuple[str, str]
"""Namespace and name of a Connector."""


class Stand(Enum):
    """How an ImportJob stands to its Connector's queue."""

    WAITING = auto()
    """It would begin if the Connector let it; whoever came later may not go before it."""
    QUEUED = auto()
    """The same, and its status says its position."""
    RUNNING = auto()
    """It was admitted and has not ended."""
    ASIDE = auto()
    """It cannot begin for a reason of its own, and holds up nobody."""

    @property
    def is_in_line(self) -> bool:
        """True when it has a position."""
        return self in (Stand.WAITING, Stand.QUEUED)


@dataclass(slots=True)
class Entry:
    """One ImportJob that has not ended. ``is_certain`` False = open to question until the next look at it."""

    key: ObjectKey
    uid: str
    run_id: str
    order: Order
    line: Line
    wants_to_wait: bool
    """It is paused, cancelled or being deleted."""
    stand: Stand
    is_certain: bool


def has_ended(body: Json) -> bool:
    """True when the status says that the run is over."""
    return (body.get("status") or {}).get("phase") in _ENDED


def wants_to_wait(body: Json) -> bool:
    """True when the ImportJob is paused, cancelled or being deleted."""
    meta = body["metadata"]
    is_paused = str((meta.get("annotations") or {}).get(names.PAUSED, "")).strip().lower() == "true"
    return is_paused or bool((body.get("spec") or {}).get("cancel")) or bool(meta.get("deletionTimestamp"))


def read_entry(key: ObjectKey, body: Json) -> Entry | None:
    """Read an ImportJob; None = the models cannot, so it waits for nothing.

    How it stands is presumed from its status. That is right but for what the operator before did in its last moments, and
    so it is open to question.
    """
    try:
        job = ImportJob.model_validate({**body, "status": body.get("status") or {}})
    except ValidationError:
        return None
    meta = job.metadata
    created = meta.creation_timestamp.isoformat() if meta.creation_timestamp is not None else ""
    waits = wants_to_wait(body)
    stand = _presume(job, waits=waits)
    return Entry(
        key=key,
        uid=meta.uid,
        run_id=names.import_run_id(meta.uid),
        order=(created, meta.name, meta.uid),
        line=(meta.namespace, job.spec.connector_ref.name),
        wants_to_wait=waits,
        stand=stand,
        is_certain=stand is Stand.ASIDE and waits,
    )


def _presume(job: ImportJob, *, waits: bool) -> Stand:
    status = job.status
    if status.started_at is not None or status.job_name is not None:
        return Stand.RUNNING
    if waits:
        return Stand.ASIDE
    ready = find_condition(status.conditions, ConditionType.READY)
    if ready is None:
        return Stand.WAITING
    return Stand.QUEUED if ready.reason == Reason.QUEUED else Stand.ASIDE


def read_worker_job(key: ObjectKey, body: Json) -> tuple[Line, str] | None:
    """Connector and run of a worker Job; None = it is over, or it is none of ours."""
    meta = body["metadata"]
    connector = (meta.get("annotations") or {}).get(names.CONNECTOR_NAME)
    run_id = (meta.get("labels") or {}).get(names.RUN_LABEL)
    if not connector or not run_id or is_over(body):
        return None
    return (key.namespace, connector), run_id


def is_over(job_body: Json) -> bool:
    """True when a batch/v1 Job is complete or has failed: all its pods have ended."""
    found = (job_body.get("status") or {}).get("conditions") or ()
    return any(c.get("type") in ("Complete", "Failed") and c.get("status") == "True" for c in found)

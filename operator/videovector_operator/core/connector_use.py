"""What a Connector's status says of the runs that use it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from videovector_operator.api.v1alpha1.connector import Connector, ConnectorStatus
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import conditions, names

_NAMED = 10


@dataclass(frozen=True, slots=True)
class ConnectorUse:
    """Counts of active and of queued runs, and the names of the ImportJobs that are at work, in order."""

    active: int = 0
    queued: int = 0
    running: tuple[str, ...] = ()


def with_use(status: ConnectorStatus, use: ConnectorUse) -> ConnectorStatus:
    """Put the counts into a status."""
    return status.model_copy(update={"active_runs": use.active, "queued_runs": use.queued})


def summarize_deletion(connector: Connector, use: ConnectorUse, now: datetime) -> ConnectorStatus:
    """Build the status of a Connector that is being deleted while somebody's finalizer holds it: who still uses it."""
    old = connector.status
    verdict = conditions.progressing(Reason.CONNECTOR_DELETED, _describe(use))
    built = conditions.build_conditions(
        verdict, previous=old.conditions, generation=connector.metadata.generation, now=now
    )
    identity = names.connector_id(connector.metadata.namespace, connector.metadata.name)
    return with_use(old.model_copy(update={"id": identity, "conditions": built}), use)


def _describe(use: ConnectorUse) -> str:
    if not use.running:
        return "being deleted; no run uses it any more"
    more = len(use.running) - _NAMED
    named = ", ".join(use.running[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    runs = (
        "1 run uses it still and goes on"
        if len(use.running) == 1
        else f"{len(use.running)} runs use it still and go on"
    )
    return f"being deleted; {runs} to the end with the access that was given: {named}. No run begins with it any more"

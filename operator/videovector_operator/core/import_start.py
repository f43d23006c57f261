"""Whether a run may begin, and if not, why: the one place that says what stands in its way. Pure."""

from __future__ import annotations

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.reasons import ConditionType, Reason
from videovector_operator.core import conditions, names
from videovector_operator.core.conditions import Verdict
from videovector_operator.core.file_filter import FileFilter
from videovector_operator.core.import_seen import Observed
from videovector_operator.core.turns import check_turn
from videovector_operator.errors import Stalled

GRACE_SECONDS = 10.0
"""So long after its creation an ImportJob may be ahead of its Connector and Index: they are often applied together."""


def check_start(job: ImportJob, observed: Observed) -> Verdict | None:
    """Say what stands in the way of a run that has not begun; None = it may ask the catalog for its turn."""
    obstacle = _check_own(job) or _check_references(job, observed)
    if obstacle is not None:
        return obstacle
    if job.is_paused:
        message = f"paused before it began: remove the annotation {names.PAUSED} to start"
        return conditions.progressing(Reason.PAUSED, message, "Unknown")
    stranger = check_stranger(job, observed)
    if stranger is not None:
        return stranger
    assert observed.connector is not None
    return _check_connector(observed.connector, observed)


def _check_connector(connector: Connector, observed: Observed) -> Verdict | None:
    not_ready = _check_connector_ready(connector)
    if not_ready is not None and not _is_ready(connector):
        return not_ready
    # Who has to wait for others anyway is not told of a Connector that is tested again because its spec was changed.
    return check_turn(connector, observed.place) or not_ready


def check_stranger(job: ImportJob, observed: Observed) -> Verdict | None:
    """Say that somebody else's Job has the name that this run's must have. Its deletion is noticed by looking again."""
    if not observed.stranger:
        return None
    message = (
        f"there is a batch/v1 Job {observed.stranger!r} in namespace {job.metadata.namespace!r} that does not belong to this "
        f"ImportJob, and its worker Job must have that name; delete it: kubectl -n {job.metadata.namespace} delete job "
        f"{observed.stranger}"
    )
    return conditions.retrying(Reason.WORKER_NOT_STARTING, message, "Unknown")


def _check_own(job: ImportJob) -> Verdict | None:
    try:
        FileFilter(job.spec.file_pattern, job.spec.source_prefix)
    except Stalled as error:
        return conditions.stalled(Reason.INVALID_PATTERN, error.message, "False")
    return None


def _check_references(job: ImportJob, observed: Observed) -> Verdict | None:
    connector, index = observed.connector, observed.index
    if connector is None or connector.is_deleting:
        return _missing(observed, Reason.CONNECTOR_NOT_FOUND, _absence(job, "Connector", going=connector is not None))
    if index is None or index.is_deleting:
        return _missing(observed, Reason.INDEX_NOT_FOUND, _absence(job, "Index", going=index is not None))
    if "import" not in connector.spec.scopes:
        message = (
            f"Connector {connector.metadata.name!r} does not have the scope import; add import to its spec.scopes, "
            "or name another Connector in a new ImportJob"
        )
        return conditions.stalled(Reason.SCOPE_NOT_ALLOWED, message, "False")
    return None


def _absence(job: ImportJob, kind: str, *, going: bool) -> str:
    field, reference = (
        ("connectorRef", job.spec.connector_ref) if kind == "Connector" else ("indexRef", job.spec.index_ref)
    )
    namespace = repr(job.metadata.namespace)
    if going:
        return (
            f"spec.{field}.name: {kind} {reference.name!r} in namespace {namespace} is being deleted; create it again"
        )
    return (
        f"spec.{field}.name: there is no {kind} {reference.name!r} in namespace {namespace}; "
        "create it, or correct the name in a new ImportJob"
    )


def _missing(observed: Observed, reason: Reason, message: str) -> Verdict:
    """Nothing is wrong yet for one that has just been created: what it names may be about to come."""
    if observed.age_seconds < GRACE_SECONDS:
        return conditions.progressing(reason, message, "Unknown")
    return conditions.stalled(reason, message, "False")


def _check_connector_ready(connector: Connector) -> Verdict | None:
    status = connector.status
    if status.observed_generation == connector.metadata.generation and _is_ready(connector):
        return None
    found = conditions.find_condition(status.conditions, ConditionType.READY)
    detail = f": {found.reason}: {found.message}" if found is not None else ""
    message = f"waiting for Connector {connector.metadata.name!r} to be ready{detail}"
    return conditions.progressing(Reason.CONNECTOR_NOT_READY, message, "Unknown")


def _is_ready(connector: Connector) -> bool:
    return conditions.is_true(connector.status.conditions, ConditionType.READY)

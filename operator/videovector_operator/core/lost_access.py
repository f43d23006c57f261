"""A run that has lost the way to its source: its Connector goes, and so has what its pods need. Pure.

Without its Connector a run goes on by what its pods were given. When that goes too (kubectl delete -f, helm uninstall,
a GitOps tool that prunes), pods that start would wait for it for ever, and nothing says any more what else they could take.

It may be about to come back, so the run waits a while before it ends. Nothing in the cluster says since when an object is
gone; what counts is since when the ImportJob's status says it. So Ready becomes False for it, and its lastTransitionTime
outlives the operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.reasons import ConditionType, Reason
from videovector_operator.core import conditions
from videovector_operator.core.conditions import Verdict
from videovector_operator.core.import_seen import Observed
from videovector_operator.core.notices import CONNECTOR_GONE

PATIENCE = timedelta(minutes=5)
"""Longer than it takes to delete and apply again, and than Argo CD takes to see that something is missing (its
timeout.reconciliation: about 3 minutes)."""
_CONNECTOR_GOING = "is being deleted: the run goes on with the access it began with"


@dataclass(frozen=True, slots=True)
class LostAccess:
    """``missing`` names an object that the pods cannot start without, ``since`` is when the status began to say that it is not
    there (now, if it does not yet). ``is_over`` = it need not be waited for any more."""

    missing: str
    since: datetime
    is_over: bool


def depends_on_mounts(job: ImportJob, observed: Observed) -> bool:
    """True when a run that is to go on has no Connector any more and no pod that works, and something keeps its pods waiting."""
    run, child, connector = observed.run, observed.child, observed.connector
    if run is None or run.state.is_terminal or run.cancel_requested or job.spec.cancel or job.is_paused:
        return False
    if child is None or child.complete or child.failed or child.suspended or child.ready or not child.trouble:
        return False
    return connector is None or connector.is_deleting


def assess_loss(job: ImportJob, missing: str, now: datetime) -> LostAccess:
    """Say how long ``missing`` has been waited for by a run that depends on it."""
    ready = conditions.find_condition(job.status.conditions, ConditionType.READY)
    if ready is None or ready.status != "False" or ready.reason != Reason.WORKER_NOT_STARTING:
        return LostAccess(missing, now.replace(microsecond=0), is_over=False)
    since = ready.last_transition_time
    return LostAccess(missing, since, is_over=now - since >= PATIENCE)


def judge_loss(job: ImportJob, observed: Observed, lost: LostAccess) -> Verdict:
    """Say that only the user can help, and until when."""
    trouble = observed.child.trouble if observed.child is not None else f"{lost.missing} is not there"
    fate = CONNECTOR_GONE if observed.connector is None else _CONNECTOR_GOING
    message = (
        f"no worker is running: {trouble}. Connector {job.spec.connector_ref.name!r} {fate} only if {lost.missing} is there again "
        f"by {lost.since + PATIENCE:%Y-%m-%dT%H:%M:%SZ}; if it is not, the run fails"
    )
    if _is_false_for_another_reason(job):
        # Ready must become False anew: how long something else was wrong does not count.
        return conditions.progressing(Reason.WORKER_NOT_STARTING, message, "Unknown")
    return conditions.retrying(Reason.WORKER_NOT_STARTING, message, "Unknown")


def _is_false_for_another_reason(job: ImportJob) -> bool:
    ready = conditions.find_condition(job.status.conditions, ConditionType.READY)
    return ready is not None and ready.status == "False" and ready.reason != Reason.WORKER_NOT_STARTING


def describe_ending(job: ImportJob, observed: Observed, lost: LostAccess) -> str:
    """Build the message of a run that ends because it has waited long enough."""
    fate = "is gone" if observed.connector is None else "is being deleted"
    return (
        f"Connector {job.spec.connector_ref.name!r} {fate}, and {lost.missing}, which the pods need, has not been there for "
        f"{PATIENCE // timedelta(minutes=1)} minutes: no worker can start. What was imported stays; create both, then a new "
        "ImportJob for the rest"
    )

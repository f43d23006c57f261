"""ImportJob: observe Connector, Index, Job and run; decide; act; summarise; say how it stands to its Connector's queue."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.index import Index
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.port import Json
from videovector_operator.core import names
from videovector_operator.core.conditions import Verdict
from videovector_operator.core.import_seen import Observed
from videovector_operator.core.import_start import GRACE_SECONDS
from videovector_operator.core.import_status import ListsHint, summarize_import
from videovector_operator.core.importjob import (
    Action,
    AdmitRun,
    EndRun,
    EnsureChild,
    LimitRequests,
    OwnAction,
    PatchChild,
    RequestCancel,
    StopChild,
    decide_import,
    has_ended,
)
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.lost_access import LostAccess, assess_loss, depends_on_mounts
from videovector_operator.core.notices import Notice
from videovector_operator.core.pod_access import needed_objects
from videovector_operator.core.records import OpenRun, RunState
from videovector_operator.core.turns import Place
from videovector_operator.errors import ExternalError, Waiting
from videovector_operator.reconcilers import run_entries
from videovector_operator.reconcilers.outcome import Clock, Outcome
from videovector_operator.reconcilers.run_entries import Stand
from videovector_operator.reconcilers.run_queues import WOKEN, RunQueues
from videovector_operator.reconcilers.worker_job import WorkerJobs, child_key

_ROUNDS = 2
"""What ended in the first round may leave something to tidy up in the second."""
_LOOK_AGAIN_STARTING = 3.0
_LOOK_AGAIN_RUNNING = 15.0
_LOOK_AGAIN_QUEUED = 10.0
_LOOK_AGAIN_STRANGER = 15.0
_LOOK_AGAIN_REFUSED = 30.0
"""Pods that are there at last change the Job's status, which is watched."""
_IN_LINE = {
    Reason.QUEUED: Stand.QUEUED,
    Reason.CONNECTOR_NOT_READY: Stand.WAITING,
    Reason.CONNECTOR_NOT_FOUND: Stand.WAITING,
    Reason.SCOPE_NOT_ALLOWED: Stand.WAITING,
}
"""Whoever waits for the Connector and nothing else keeps the place in its queue: all others of it wait too."""
_ORPHANED = "its ImportJob was deleted; what was imported stays"
_REOPENED = (
    "its ImportJob had ended as {phase}, and the catalog had the run open again: it was restored from an older state. "
    "What the catalog holds stays; a new ImportJob imports the rest"
)


@dataclass(slots=True)
class _Look:
    """What one look has come to so far."""

    observed: Observed = field(default_factory=lambda: Observed(None, None, None, None))
    blocked: Verdict | None = None
    lost: LostAccess | None = None
    is_admitted: bool = False
    notices: list[Notice] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportJobReconciler:
    """Reconciles one ImportJob at a time; holds no state but the queues, which may be lost."""

    cluster: CachedCluster
    catalog: OperatorCatalog
    clock: Clock
    workers: WorkerJobs
    queues: RunQueues
    hint: ListsHint

    async def reconcile(self, job: ImportJob) -> Outcome:
        """Bring the run one step further and publish how it stands."""
        if job.is_deleting:
            return await self._cancel_deleted(job)
        if _is_settled(job):
            return Outcome(job.status)
        look = _Look()
        try:
            await self._advance(job, look)
        except ExternalError:
            # It comes back; until then its place is kept.
            if look.is_admitted:
                self.queues.settle(_key(job), Stand.RUNNING)
            raise
        except Exception:
            self.queues.settle(_key(job), Stand.RUNNING if look.is_admitted else Stand.ASIDE)
            raise
        # Only now may the next one begin: Jobs are made in the order of the queue.
        self.queues.settle(_key(job), _stand(job, look))
        status = summarize_import(job, look.observed, look.blocked, hint=self.hint, now=self.clock(), lost=look.lost)
        return Outcome(status, self._requeue_after(job, look), tuple(look.notices))

    async def _advance(self, job: ImportJob, look: _Look) -> None:
        look.observed = await self._observe(job)
        look.lost = await self._observe_loss(job, look.observed)
        decision = decide_import(job, look.observed, look.lost)
        for _ in range(_ROUNDS):
            if not decision.actions:
                break
            look.is_admitted = look.observed.run is not None
            await self._act(job, decision.actions, look)
            look.observed = await self._observe_progress(job, look.observed)
            decision = decide_import(job, look.observed, look.lost)
        look.blocked = decision.blocked

    async def _cancel_deleted(self, job: ImportJob) -> Outcome:
        """The object is going (somebody else's finalizer holds it): stop the work; its Job goes by owner reference."""
        run_id = names.import_run_id(job.metadata.uid)
        await self.catalog.request_cancel(run_id)
        run = await self.catalog.observe_run(run_id, list_limit=0)
        is_running = run is not None and not run.state.is_terminal
        self.queues.settle(_key(job), Stand.RUNNING if is_running else Stand.ASIDE)
        return Outcome(None)

    async def _observe(self, job: ImportJob) -> Observed:
        namespace = job.metadata.namespace
        connector = await self.cluster.get(ObjectKey("Connector", namespace, job.spec.connector_ref.name))
        index = await self.cluster.get(ObjectKey("Index", namespace, job.spec.index_ref.name))
        observed = Observed(
            connector=_read_connector(connector) if connector is not None else None,
            index=Index.model_validate(index) if index is not None else None,
            child=None,
            run=None,
            age_seconds=self._age(job),
        )
        if self.queues.waits_behind(_key(job)):
            # Only this process admits runs: there is nothing to be seen of one that it knows to wait.
            return dataclasses.replace(observed, place=self.queues.place_of(_key(job)))
        return await self._observe_progress(job, observed)

    def _age(self, job: ImportJob) -> float:
        created = job.metadata.creation_timestamp
        return math.inf if created is None else max((self.clock() - created).total_seconds(), 0.0)

    async def _observe_progress(self, job: ImportJob, observed: Observed) -> Observed:
        """Read the Job, then the run: a Job that has ended has told the catalog before. Then the place in the queue."""
        child, stranger = await self.workers.observe(job, self.clock())
        run = await self.catalog.observe_run(names.import_run_id(job.metadata.uid))
        if child is not None and child.failed and (run is None or not run.state.is_terminal):
            child = dataclasses.replace(child, trouble=await self.workers.observe_trouble(job))
        place = dataclasses.replace(self.queues.place_of(_key(job)), is_refused=observed.place.is_refused)
        return dataclasses.replace(observed, child=child, stranger=stranger, run=run, place=place)

    async def _observe_loss(self, job: ImportJob, observed: Observed) -> LostAccess | None:
        """Look for what the pods need, if the run has nothing else left. The API itself is asked: the run may end for it."""
        if not depends_on_mounts(job, observed):
            return None
        body = await self.cluster.get(child_key(job)) or {}
        pod = (body.get("spec") or {}).get("template", {}).get("spec") or {}
        are_made = observed.child is not None and observed.child.active > 0
        for kind, name in needed_objects(pod, are_made=are_made):
            if await self.cluster.get_live(ObjectKey(kind, job.metadata.namespace, name)) is None:
                return assess_loss(job, f"{kind} {name!r}", self.clock())
        return None

    async def _act(self, job: ImportJob, actions: Sequence[Action], look: _Look) -> None:
        for action in actions:
            if isinstance(action, AdmitRun):
                look.is_admitted = await self._admit(job, action)
                if not look.is_admitted:
                    refused = dataclasses.replace(look.observed.place, is_refused=True)
                    look.observed = dataclasses.replace(look.observed, place=refused)
                    return
            else:
                look.notices.extend(await self._do(job, action))

    async def _do(self, job: ImportJob, action: OwnAction) -> Sequence[Notice]:
        """Do what needs nobody's leave."""
        run_id = names.import_run_id(job.metadata.uid)
        match action:
            case LimitRequests():
                await self.catalog.set_request_limit(action.connector_id, action.limit)
            case EnsureChild():
                if name := await self.workers.ensure(job, action.connector):
                    return (Notice("Normal", Reason.JOB_CREATED, f"created the worker Job {name}"),)
            case RequestCancel():
                await self.catalog.request_cancel(run_id)
            case EndRun():
                await self.catalog.end_run(run_id, action.state, action.reason, action.message)
            case PatchChild():
                await self.workers.patch(job, suspend=action.suspend, ttl_seconds=action.ttl_seconds)
            case StopChild():
                await self.workers.stop(job)
        return ()

    def _requeue_after(self, job: ImportJob, look: _Look) -> float | None:
        """A backup for missed wake-ups; None when the run has ended or waits for the user."""
        observed = look.observed
        run = observed.run
        if run is not None and run.state.is_terminal:
            return None
        if observed.stranger:
            return _LOOK_AGAIN_STRANGER
        if run is not None:
            if observed.child is not None and observed.child.refused:
                return _LOOK_AGAIN_REFUSED
            is_starting = observed.child is None or observed.child.ready == 0
            return _LOOK_AGAIN_STARTING if is_starting else _LOOK_AGAIN_RUNNING
        if look.blocked is not None and look.blocked.reason is Reason.QUEUED:
            return self._requeue_queued(job, observed.place)
        return _requeue_grace(look)

    def _requeue_queued(self, job: ImportJob, seen: Place) -> float | None:
        """At once when the place is another by now: nobody tells one that was not known to wait."""
        if not seen.is_certain:
            self.queues.hurry(_key(job))
        place = self.queues.place_of(_key(job))
        if place.is_first and not seen.is_first:
            return 0.0
        return _LOOK_AGAIN_QUEUED if place.position <= WOKEN else None

    async def _admit(self, job: ImportJob, action: AdmitRun) -> bool:
        unfinished = self.queues.unfinished_runs(_key(job))
        if await self.catalog.admit_run(action.spec, action.max_concurrent_runs, unfinished=unfinished):
            return True
        if not await self._end_orphans(action.spec.connector_id):
            return False
        return await self.catalog.admit_run(action.spec, action.max_concurrent_runs, unfinished=unfinished)

    async def _end_orphans(self, connector_id: str) -> bool:
        """End runs that nobody will end: their ImportJobs were deleted while no operator saw it, or have ended long ago. They
        would take up room for ever."""
        ended = False
        for run in await self.catalog.open_runs(connector_id):
            key = ObjectKey("ImportJob", run.namespace, run.name)
            if not run.is_quiet or self.queues.knows(key, run.run_id):
                continue
            if why := _find_abandoned(run, await self.cluster.get_live(key)):
                ended |= await self.catalog.end_run(run.run_id, RunState.CANCELLED, Reason.CANCELLED, why)
        return ended


def _read_connector(body: Json) -> Connector:
    """Raises Waiting for one that an older CRD let in: its own status says which field is wrong."""
    try:
        return Connector.model_validate(body)
    except ValidationError:
        message = f"Connector {body['metadata']['name']!r} cannot be read: its own conditions say which field is wrong; correct it"
        raise Waiting(Reason.CONNECTOR_NOT_READY, message) from None


def _key(job: ImportJob) -> ObjectKey:
    return ObjectKey("ImportJob", job.metadata.namespace, job.metadata.name)


def _find_abandoned(run: OpenRun, body: Json | None) -> str:
    """Why nobody will end an open run that is quiet, from what the API says of its ImportJob; "" = somebody will.

    A status says that a run has ended after its row has: only a restored catalog can have it open again. One that another
    operator has just admitted is not quiet yet, and its ImportJob's status does not say that it has ended.
    """
    if body is None or names.import_run_id(body["metadata"]["uid"]) != run.run_id:
        return _ORPHANED
    return _REOPENED.format(phase=body["status"]["phase"]) if run_entries.has_ended(body) else ""


def _stand(job: ImportJob, look: _Look) -> Stand | None:
    run = look.observed.run
    if run is not None:
        return None if run.state.is_terminal else Stand.RUNNING
    if has_ended(job):
        return None
    return Stand.ASIDE if look.blocked is None else _IN_LINE.get(look.blocked.reason, Stand.ASIDE)


def _is_settled(job: ImportJob) -> bool:
    """A run that ended stays as it is; its status is complete when it speaks of the present generation."""
    return (
        has_ended(job)
        and job.status.observed_generation == job.metadata.generation
        and job.status.last_handled_request == job.request_token
    )


def _requeue_grace(look: _Look) -> float | None:
    reasons = (Reason.CONNECTOR_NOT_FOUND, Reason.INDEX_NOT_FOUND)
    rest = GRACE_SECONDS - look.observed.age_seconds
    return rest if look.blocked is not None and look.blocked.reason in reasons and rest > 0 else None

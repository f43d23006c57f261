"""ImportJob: observe Connector, Index, Job and run; decide; act; summarise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.index import Index
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.core import children, names
from videovector_operator.core.diagnosis import diagnose_pods
from videovector_operator.core.import_status import ListsHint, summarize_import
from videovector_operator.core.importjob import (
    Action,
    ChildJob,
    EndRun,
    EnsureChild,
    EnsureRun,
    Observed,
    PatchChild,
    RequestCancel,
    StopChild,
    decide_import,
    has_ended,
)
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.notices import Notice
from videovector_operator.reconcilers.outcome import Clock, Outcome

_ROUNDS = 2
"""What ended in the first round may leave something to tidy up in the second."""
_LOOK_AGAIN_STARTING = 3.0
_LOOK_AGAIN_RUNNING = 15.0


@dataclass(frozen=True, slots=True)
class ImportJobReconciler:
    """Reconciles one ImportJob at a time; holds no state. ``worker_dsn`` reaches the pods by a Secret that the Job owns."""

    cluster: CachedCluster
    catalog: OperatorCatalog
    clock: Clock
    template: children.WorkerTemplate
    worker_dsn: str
    hint: ListsHint

    async def reconcile(self, job: ImportJob) -> Outcome:
        """Bring the run one step further and publish how it stands."""
        if job.is_deleting:
            return await self._cancel_deleted(job)
        if _is_settled(job):
            return Outcome(job.status)
        observed = await self._observe(job)
        decision = decide_import(job, observed)
        notices: list[Notice] = []
        for _ in range(_ROUNDS):
            if not decision.actions:
                break
            for action in decision.actions:
                notices.extend(await self._act(job, action))
            observed = await self._observe_progress(job, observed)
            decision = decide_import(job, observed)
        status = summarize_import(job, observed, decision.blocked, hint=self.hint, now=self.clock())
        return Outcome(status, _requeue_after(observed), tuple(notices))

    async def _cancel_deleted(self, job: ImportJob) -> Outcome:
        """The object is going (somebody else's finalizer holds it): stop the work; its Job goes by owner reference."""
        run_id = names.import_run_id(job.metadata.uid)
        await self.catalog.request_cancel(run_id)
        return Outcome(None)

    async def _observe(self, job: ImportJob) -> Observed:
        namespace = job.metadata.namespace
        connector = await self.cluster.get(ObjectKey("Connector", namespace, job.spec.connector_ref.name))
        index = await self.cluster.get(ObjectKey("Index", namespace, job.spec.index_ref.name))
        observed = Observed(
            connector=Connector.model_validate(connector) if connector is not None else None,
            index=Index.model_validate(index) if index is not None else None,
            child=None,
            run=None,
        )
        return await self._observe_progress(job, observed)

    async def _observe_progress(self, job: ImportJob, observed: Observed) -> Observed:
        """Read the Job, then the run: a Job that has ended has told the catalog before."""
        child = await self._observe_child(job)
        run = await self.catalog.observe_run(names.import_run_id(job.metadata.uid))
        if child is not None and child.failed and (run is None or not run.state.is_terminal):
            child = replace(child, trouble=await self._observe_trouble(job))
        return replace(observed, child=child, run=run)

    async def _observe_child(self, job: ImportJob) -> ChildJob | None:
        body = await self.cluster.get(_child_key(job))
        if body is None or not _is_ours(body, job):
            return None
        child = _parse_child(body)
        if child.ready or child.complete or child.failed or child.suspended:
            return child
        return replace(child, trouble=await self._observe_trouble(job))

    async def _observe_trouble(self, job: ImportJob) -> str:
        selector = f"batch.kubernetes.io/job-name={_child_key(job).name}"
        pods: list[dict[str, Any]] = []
        async for page in self.cluster.list_pages("Pod", job.metadata.namespace, label_selector=selector, limit=100):
            pods.extend(page)
            break
        return diagnose_pods(sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp"))))

    async def _act(self, job: ImportJob, action: Action) -> tuple[Notice, ...]:
        run_id = names.import_run_id(job.metadata.uid)
        match action:
            case EnsureRun():
                await self.catalog.admit_run(action.spec)
            case EnsureChild():
                return await self._ensure_child(job, action.connector)
            case RequestCancel():
                await self.catalog.request_cancel(run_id)
            case EndRun():
                await self.catalog.end_run(run_id, action.state, action.reason, action.message)
            case PatchChild():
                await self._patch_child(job, action)
            case StopChild():
                # No right to delete is needed for this, and the Job's ttl tidies up behind it.
                await self.cluster.patch(_child_key(job), {"spec": {"activeDeadlineSeconds": 1, "suspend": False}})
        return ()

    async def _ensure_child(self, job: ImportJob, connector: Connector | None) -> tuple[Notice, ...]:
        created = await self.cluster.create(children.build_import_job(job, connector, self.template))
        if created is None:
            return ()
        name = created["metadata"]["name"]
        return (Notice("Normal", Reason.JOB_CREATED, f"created the worker Job {name}"),)

    async def _patch_child(self, job: ImportJob, action: PatchChild) -> None:
        key = _child_key(job)
        body = await self.cluster.get_live(key)
        if body is None or not _is_ours(body, job):
            return
        if not action.suspend and not _is_over(body) and not await self._ensure_catalog_secret(body):
            return
        spec: dict[str, Any] = {"ttlSecondsAfterFinished": action.ttl_seconds}
        if not _is_over(body):
            spec["suspend"] = action.suspend
        await self.cluster.patch(key, {"metadata": {"uid": body["metadata"]["uid"]}, "spec": spec})

    async def _ensure_catalog_secret(self, job_body: dict[str, Any]) -> bool:
        """Make the Secret that the Job's pods need. False = that of a deleted Job of the same name is still being
        collected: letting the pods go now would take it from under them, so the next look does it."""
        meta = job_body["metadata"]
        key = ObjectKey("Secret", meta["namespace"], names.catalog_secret_name(meta["name"]))
        body = await self.cluster.get_live(key)
        if body is None:
            body = await self.cluster.create(children.build_catalog_secret(job_body, self.worker_dsn))
        owners = (body or {}).get("metadata", {}).get("ownerReferences") or ()
        return any(owner.get("uid") == meta["uid"] for owner in owners)


def _child_key(job: ImportJob) -> ObjectKey:
    name = names.import_job_name(job.metadata.uid, children.FIRST_ATTEMPT)
    return ObjectKey("Job", job.metadata.namespace, name)


def _is_ours(body: dict[str, Any], job: ImportJob) -> bool:
    """A Job that is already going away, or that somebody else made under our name, is not our child."""
    owners = body["metadata"].get("ownerReferences") or ()
    return not body["metadata"].get("deletionTimestamp") and any(o.get("uid") == job.metadata.uid for o in owners)


def _is_settled(job: ImportJob) -> bool:
    """A run that ended stays as it is; its status is complete when it speaks of the present generation."""
    return (
        has_ended(job)
        and job.status.observed_generation == job.metadata.generation
        and job.status.last_handled_request == job.request_token
    )


def _is_over(body: dict[str, Any]) -> bool:
    return any(
        c.get("type") in ("Complete", "Failed") and c.get("status") == "True"
        for c in (body.get("status") or {}).get("conditions") or ()
    )


def _parse_child(body: dict[str, Any]) -> ChildJob:
    status = body.get("status") or {}
    spec = body.get("spec") or {}
    ended = {c["type"]: c for c in status.get("conditions") or () if c.get("status") == "True"}
    failed = ended.get("Failed") or {}
    return ChildJob(
        name=body["metadata"]["name"],
        complete="Complete" in ended,
        failed="Failed" in ended,
        failed_reason=str(failed.get("reason") or ""),
        failed_message=str(failed.get("message") or ""),
        failed_pods=int(status.get("failed") or 0),
        active=int(status.get("active") or 0),
        ready=int(status.get("ready") or 0),
        suspended=bool(spec.get("suspend")),
        ttl_seconds=spec.get("ttlSecondsAfterFinished"),
    )


def _requeue_after(observed: Observed) -> float | None:
    """A backup for missed wake-ups; None when the run has ended or waits for the user."""
    run = observed.run
    if run is None or run.state.is_terminal:
        return None
    if observed.child is None or observed.child.ready == 0:
        return _LOOK_AGAIN_STARTING
    return _LOOK_AGAIN_RUNNING

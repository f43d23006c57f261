"""The batch/v1 Job of an import: seen, made, let go, stopped. What is to be done with it is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.core import children, names
from videovector_operator.core.diagnosis import diagnose_pods, diagnose_refusals
from videovector_operator.core.import_seen import ChildJob
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.pod_access import needed_objects
from videovector_operator.errors import ClusterError
from videovector_operator.reconcilers.run_entries import is_over

Json = dict[str, Any]
_LATE_SECONDS = 5.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerJobs:
    """The worker Jobs in the cluster. ``dsn`` reaches the pods by a Secret that the Job owns."""

    cluster: CachedCluster
    template: children.WorkerTemplate
    dsn: str

    async def observe(self, job: ImportJob, now: datetime) -> tuple[ChildJob | None, str]:
        """The Job of this import, and the name of a stranger that has its name ("" = there is none).

        One that is already going away is no child any more, and no stranger either.
        """
        key = child_key(job)
        body = await self.cluster.get(key)
        if body is not None and not _is_owned(body, job):
            # Strangers are not watched.
            body = await self.cluster.get_live(key)
        if body is None:
            return None, ""
        if not _is_owned(body, job):
            return None, key.name
        if body["metadata"].get("deletionTimestamp"):
            return None, ""
        child = _parse(body)
        if child.ready or child.complete or child.failed or child.suspended:
            return child, ""
        trouble = await self._observe_missing(body, child) or await self.observe_trouble(job)
        if trouble or child.active or not _is_late(body, now):
            return replace(child, trouble=trouble), ""
        refusal = await self._observe_refusals(body)
        return replace(child, trouble=refusal, refused=bool(refusal)), ""

    async def observe_trouble(self, job: ImportJob) -> str:
        """Why its pods do not start or have died, in a sentence; "" = nothing known."""
        selector = f"batch.kubernetes.io/job-name={child_key(job).name}"
        pods: list[Json] = []
        async for page in self.cluster.list_pages("Pod", job.metadata.namespace, label_selector=selector, limit=100):
            pods.extend(page)
            break
        return diagnose_pods(sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp"))))

    async def _observe_missing(self, body: Json, child: ChildJob) -> str:
        """Name an object that the pods need and that is not there: Kubernetes waits for it and says so in Events only."""
        pod = (body.get("spec") or {}).get("template", {}).get("spec") or {}
        for kind, name in dict.fromkeys(needed_objects(pod, are_made=child.active > 0)):
            key = ObjectKey(kind, body["metadata"]["namespace"], name)
            if self.cluster.peek(key) is None and await self.cluster.get_live(key) is None:
                return f"{kind} {name!r}, which the pods need, is not there; create it again, and they start"
        return ""

    async def _observe_refusals(self, body: Json) -> str:
        """Why no pod can be created; "" = nobody says. What is known without it must not depend on it."""
        meta = body["metadata"]
        selector = f"involvedObject.uid={meta['uid']}"
        try:
            async for page in self.cluster.list_pages("Event", meta["namespace"], field_selector=selector, limit=500):
                return diagnose_refusals(page)
        except ClusterError as error:
            _log.debug("events not listed", job=meta["name"], namespace=meta["namespace"], error=error.message)
        return ""

    async def ensure(self, job: ImportJob, connector: Connector) -> str:
        """Create the Job, suspended; answers its name if it was not there."""
        created = await self.cluster.create(children.build_import_job(job, connector, self.template))
        return "" if created is None else str(created["metadata"]["name"])

    async def patch(self, job: ImportJob, *, suspend: bool, ttl_seconds: int) -> None:
        """Bring suspend and ttlSecondsAfterFinished to what is wanted; before pods may start, their Secret must be there."""
        key = child_key(job)
        body = await self.cluster.get_live(key)
        if body is None or not _is_owned(body, job) or body["metadata"].get("deletionTimestamp"):
            return
        if not suspend and not is_over(body) and not await self._ensure_catalog_secret(body):
            return
        spec: Json = {"ttlSecondsAfterFinished": ttl_seconds}
        if not is_over(body):
            spec["suspend"] = suspend
        await self.cluster.patch(key, {"metadata": {"uid": body["metadata"]["uid"]}, "spec": spec})

    async def stop(self, job: ImportJob) -> None:
        """End a Job that nobody else will end. No right to delete is needed for this, and its ttl tidies up behind it."""
        await self.cluster.patch(child_key(job), {"spec": {"activeDeadlineSeconds": 1, "suspend": False}})

    async def _ensure_catalog_secret(self, job_body: Json) -> bool:
        """Make the Secret that the Job's pods need. False = that of a deleted Job of the same name is still being
        collected: letting the pods go now would take it from under them, so the next look does it."""
        meta = job_body["metadata"]
        key = ObjectKey("Secret", meta["namespace"], names.catalog_secret_name(meta["name"]))
        body = await self.cluster.get_live(key)
        if body is None:
            body = await self.cluster.create(children.build_catalog_secret(job_body, self.dsn))
        owners = (body or {}).get("metadata", {}).get("ownerReferences") or ()
        return any(owner.get("uid") == meta["uid"] for owner in owners)


def _is_late(body: Json, now: datetime) -> bool:
    """True when pods should have been created by now. Each question for Events has the API server read all of the namespace's."""
    started = str((body.get("status") or {}).get("startTime") or "")
    return started != "" and (now - datetime.fromisoformat(started)).total_seconds() >= _LATE_SECONDS


def child_key(job: ImportJob) -> ObjectKey:
    """Key of the import's worker Job: a function of its uid."""
    name = names.import_job_name(job.metadata.uid, children.FIRST_ATTEMPT)
    return ObjectKey("Job", job.metadata.namespace, name)


def _is_owned(body: Json, job: ImportJob) -> bool:
    owners = body["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == job.metadata.uid for owner in owners)


def _parse(body: Json) -> ChildJob:
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

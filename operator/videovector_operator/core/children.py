"""Child objects: manifests of what the operator creates. Pure functions; nothing here calls the API.

Children carry an owner reference and our own labels, and nothing copied from the parent's labels: a copied tracking label
makes Argo CD or Flux think that the child is theirs and prune it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from videovector_operator.api.v1alpha1.common import API_GROUP, API_VERSION
from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.index import Index
from videovector_operator.core import names
from videovector_operator.core.pod_access import PodAccess, build_access

FATAL_EXIT_CODE = 42
"""A worker's exit code for "only the user can fix this": the Job fails at once instead of trying again."""
STOPPED_EXIT_CODES = (75, 143)
"""Exit codes of a worker that was asked to stop (by itself, or by SIGTERM before it could answer): a pause or a drained node
is no failure, and must not use up the Job's backoffLimit."""
FIRST_ATTEMPT = 1
DSN_KEY = "dsn"
_WORKER = "worker"
_VALUE_LIMIT = 63

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerTemplate:
    """What the chart's values say of worker pods. ``pod_template`` is laid over the built one, see `overlay`."""

    image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: Sequence[str] = ()
    service_account: str = "default"
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    backoff_limit: int = 10
    active_deadline_seconds: int | None = None
    pod_template: Mapping[str, Any] = field(default_factory=dict)


def build_owner_reference(kind: str, name: str, uid: str) -> Json:
    """Build the controller's owner reference: the child goes when its parent goes."""
    return {
        "apiVersion": f"{API_GROUP}/{API_VERSION}",
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def build_labels(kind: str, name: str, run_id: str) -> dict[str, str]:
    """Build the labels of a child; long owner names are cut (the owner reference holds the full one)."""
    return {
        names.MANAGED_BY: names.MANAGER,
        names.OWNER_KIND_LABEL: kind,
        names.OWNER_NAME_LABEL: name[:_VALUE_LIMIT].rstrip("-._"),
        names.RUN_LABEL: run_id,
    }


def build_import_job(job: ImportJob, connector: Connector, template: WorkerTemplate) -> Json:
    """Build the batch/v1 Job of an ImportJob: a work queue of ``parallelism`` pods, no completions.

    It is created suspended: the Secret with the catalog's address is owned by it, so it comes second, and the pods third.
    """
    meta = job.metadata
    run_id = names.import_run_id(meta.uid)
    name = names.import_job_name(meta.uid, FIRST_ATTEMPT)
    labels = build_labels("ImportJob", meta.name, run_id)
    pod = _build_pod_template(labels, (run_id, name), build_access(connector.spec), template)
    spec: Json = {
        "suspend": True,
        "parallelism": job.spec.parallelism,
        "backoffLimit": template.backoff_limit,
        "ttlSecondsAfterFinished": job.spec.ttl_seconds_after_finished,
        "podFailurePolicy": _build_failure_policy(),
        "template": overlay(pod, template.pod_template),
    }
    if template.active_deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = template.active_deadline_seconds
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": meta.namespace,
            "labels": labels,
            "annotations": {names.CONNECTOR_NAME: job.spec.connector_ref.name},
            "ownerReferences": [build_owner_reference("ImportJob", meta.name, meta.uid)],
        },
        "spec": spec,
    }


def _build_failure_policy() -> Json:
    return {
        "rules": [
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": _WORKER, "operator": "In", "values": [FATAL_EXIT_CODE]},
            },
            {
                "action": "Ignore",
                "onExitCodes": {"containerName": _WORKER, "operator": "In", "values": list(STOPPED_EXIT_CODES)},
            },
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]
    }


def _build_pod_template(
    labels: Mapping[str, str], run: tuple[str, str], access: PodAccess, template: WorkerTemplate
) -> Json:
    spec: Json = {
        "restartPolicy": "Never",
        "serviceAccountName": access.service_account or template.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 20,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_build_container(run, access, template)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}, *access.volumes],
    }
    if template.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in template.image_pull_secrets]
    return {"metadata": {"labels": {**labels, **access.labels}}, "spec": spec}


def _build_container(run: tuple[str, str], access: PodAccess, template: WorkerTemplate) -> Json:
    run_id, job_name = run
    env: list[Json] = [
        {
            "name": "VIDEOVECTOR_CATALOG_DSN",
            "valueFrom": {"secretKeyRef": {"name": names.catalog_secret_name(job_name), "key": DSN_KEY}},
        },
        {"name": "VIDEOVECTOR_WORKER_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        *access.env,
    ]
    env.extend({"name": name, "value": value} for name, value in sorted(template.env.items()))
    return {
        "name": _WORKER,
        "image": template.image,
        "imagePullPolicy": template.image_pull_policy,
        "args": ["worker", "import", "--run", run_id],
        "env": env,
        "resources": dict(template.resources),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *access.mounts],  # noqa: S108 - the pod's own emptyDir
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def build_catalog_secret(job_manifest: Mapping[str, Any], dsn: str) -> Json:
    """Build the Secret that brings the catalog's address to the pods of a Job that exists; it goes with the Job."""
    meta = job_manifest["metadata"]
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": names.catalog_secret_name(meta["name"]),
            "namespace": meta["namespace"],
            "labels": dict(meta["labels"]),
            "ownerReferences": [owner],
        },
        "type": "Opaque",
        "stringData": {DSN_KEY: dsn},
    }


def overlay(base: Json, patch: Mapping[str, Any]) -> Json:
    """Lay ``patch`` over ``base``: objects are merged, lists of named objects are merged by name (mounts by
    their path), all else is replaced."""
    result = dict(base)
    for key, value in patch.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping):
            result[key] = overlay(old, value)
        elif (identity := _identity_of(old, value)) is not None:
            result[key] = _overlay_list(old, value, identity)
        else:
            result[key] = value
    return result


def _identity_of(old: object, new: object) -> str | None:
    """The field that tells the items of both lists apart; None = they are no such lists. One volume may be mounted twice."""
    for field_name in ("mountPath", "name"):
        if _is_list_by(field_name, old) and _is_list_by(field_name, new):
            return field_name
    return None


def _is_list_by(field_name: str, value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) and field_name in item for item in value)


def _overlay_list(base: Any, patch: Any, identity: str) -> list[Any]:
    changes = {item[identity]: item for item in patch}
    merged = [overlay(item, changes.pop(item[identity])) if item[identity] in changes else item for item in base]
    return [*merged, *changes.values()]


def build_finalizers(index: Index, *, wanted: bool) -> list[str]:
    """The Index's finalizers with or without ours, the others kept in order."""
    others = [name for name in index.metadata.finalizers if name != names.CATALOG_CLEANUP]
    return [*others, names.CATALOG_CLEANUP] if wanted else others

"""Which objects depend on one that has changed, and what they read of it. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from videovector_operator.api.v1alpha1.reasons import ConditionType
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.port import Json
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey

CUSTOM_KINDS = ("Connector", "Index", "ImportJob")
WATCHED_KINDS = (*CUSTOM_KINDS, "Job", "Secret")
FACED_KINDS = ("Connector", "Index")
"""Kinds that change more often than their dependents need a look."""


def key_of(kind: str, body: Json) -> ObjectKey:
    """Key of an object."""
    meta = body["metadata"]
    return ObjectKey(kind, meta.get("namespace", ""), meta["name"])


def face_of(kind: str, body: Json) -> tuple[object, ...]:
    """What ImportJobs read of a Connector or an Index: they need a look only when this changes. A status that shows how much
    an object is used must not wake all its users."""
    meta = body["metadata"]
    shared = (meta.get("uid"), bool(meta.get("deletionTimestamp")))
    if kind != "Connector":
        return shared
    status = body.get("status") or {}
    ready = [c for c in status.get("conditions") or () if c.get("type") == ConditionType.READY]
    words = [(c.get("status"), c.get("reason"), c.get("message")) for c in ready]
    return (*shared, meta.get("generation"), status.get("observedGeneration"), words)


def dependents(key: ObjectKey, body: Json, cache: CachedCluster) -> Iterator[ObjectKey]:
    """Keys of the objects that read this one."""
    match key.kind:
        case "Secret":
            yield from _referring(cache, "Connector", key, "credentialsSecretRef")
            yield from _referring(cache, "Connector", key, "caBundleRef")
        case "Connector":
            yield from _referring(cache, "ImportJob", key, "connectorRef")
        case "Index":
            yield from _referring(cache, "ImportJob", key, "indexRef")
        case "Job":
            yield from _owners(key, body)
        case _:
            return


def _referring(cache: CachedCluster, kind: str, target: ObjectKey, field: str) -> Iterator[ObjectKey]:
    return iter(cache.referring(kind, target.namespace, field, target.name))


def _owners(key: ObjectKey, body: Json) -> Iterator[ObjectKey]:
    if body["metadata"].get("labels", {}).get(names.MANAGED_BY) != names.MANAGER:
        return
    for owner in body["metadata"].get("ownerReferences") or ():
        if owner.get("kind") in CUSTOM_KINDS and str(owner.get("apiVersion", "")).startswith(names.GROUP + "/"):
            yield ObjectKey(owner["kind"], key.namespace, owner["name"])

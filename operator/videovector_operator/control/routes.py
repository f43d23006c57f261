"""Which keys a change asks to look at: the object itself, and the objects that depend on it. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.port import Json
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey

CUSTOM_KINDS = ("Connector", "Index", "ImportJob")
WATCHED_KINDS = (*CUSTOM_KINDS, "Job", "Secret")


def key_of(kind: str, body: Json) -> ObjectKey:
    """Key of an object."""
    meta = body["metadata"]
    return ObjectKey(kind, meta.get("namespace", ""), meta["name"])


def keys_to_look_at(kind: str, body: Json, cache: CachedCluster) -> Iterator[ObjectKey]:
    """All keys that a change of this object concerns."""
    key = key_of(kind, body)
    if kind in CUSTOM_KINDS:
        yield key
    yield from dependents(key, body, cache)


def dependents(key: ObjectKey, body: Json, cache: CachedCluster) -> Iterator[ObjectKey]:
    """Keys of the objects that read this one."""
    match key.kind:
        case "Secret":
            yield from _referring(cache, "Connector", key, "credentialsSecretRef")
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

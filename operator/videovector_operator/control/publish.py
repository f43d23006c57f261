"""Writes one status: a merge patch of what differs, under the resourceVersion it was compared with. Decides nothing."""

from __future__ import annotations

from typing import Any

from videovector_operator.api.v1alpha1.common import Status
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.port import Json
from videovector_operator.core.keys import ObjectKey


async def publish_status(cluster: CachedCluster, key: ObjectKey, uid: str, status: Status) -> bool:
    """Patch the status if it differs. False = nothing was written. Raises Conflict when somebody wrote in between.

    The uid keeps the status of a deleted object from landing on its namesake.
    """
    body = cluster.peek(key)
    if body is None or body["metadata"].get("uid") != uid:
        return False
    difference = build_merge_patch(body.get("status") or {}, dump_status(status))
    if not difference:
        return False
    meta = {"resourceVersion": body["metadata"]["resourceVersion"], "uid": uid}
    patched = await cluster.patch_status(key, {"metadata": meta, "status": difference})
    if patched is None:
        cluster.forget(key)
    return patched is not None


def dump_status(status: Status) -> Json:
    """Make the wire form: camelCase, neither nulls nor empty lists."""
    wire = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: value for name, value in wire.items() if value != []}


def build_merge_patch(old: Json, new: Json) -> Json:
    """Build the JSON merge patch (RFC 7396) that turns ``old`` into ``new``; {} = they are equal."""
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            inner = build_merge_patch(before, value)
            if inner:
                patch[name] = inner
        elif before != value or name not in old:
            patch[name] = value
    return patch

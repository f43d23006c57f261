"""A FakeCluster with a cache that watches it, as the operator's does."""

from __future__ import annotations

from typing import Any

from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.control.routes import WATCHED_KINDS, key_of

Json = dict[str, Any]


def watch(fake: FakeCluster) -> CachedCluster:
    """Make a cache that hears of every change."""
    cache = CachedCluster(fake, WATCHED_KINDS)

    def hear(change: str, kind: str, body: Json) -> None:
        if kind not in WATCHED_KINDS:
            return
        if change == "DELETED":
            cache.forget(key_of(kind, body))
        else:
            cache.store(kind, body)

    fake.on_change.append(hear)
    return cache

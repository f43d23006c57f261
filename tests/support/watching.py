"""A FakeCluster with a cache that watches it, as the operator's does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.control.routes import WATCHED_KINDS, key_of
from videovector_operator.core.keys import ObjectKey

Json = dict[str, Any]


def watch(fake: FakeCluster, tell: Callable[[ObjectKey, Json | None], None] | None = None) -> CachedCluster:
    """Make a cache that hears of every change, and tells ``tell`` of it."""
    cache = CachedCluster(fake, WATCHED_KINDS, tell)

    def hear(change: str, kind: str, body: Json) -> None:
        if kind not in WATCHED_KINDS:
            return
        if change == "DELETED":
            cache.forget(key_of(kind, body))
        else:
            cache.store(kind, body)

    fake.on_change.append(hear)
    return cache

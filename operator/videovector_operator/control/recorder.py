"""Kubernetes Events: one object per (object, reason), counted up instead of repeated. Never fails its caller."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from videovector_operator.cluster.port import Cluster, Json
from videovector_operator.core.conditions import shorten
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.names import GROUP, MANAGER, digest
from videovector_operator.core.notices import Notice
from videovector_operator.errors import ClusterError

_REMEMBERED = 4096
_QUEUED = 2048
_MAX_MESSAGE = 1024
_log = structlog.get_logger(__name__)


class EventRecorder:
    """Posts Events in the background. When more come than can be posted, the newest are dropped and counted."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], datetime], instance: str) -> None:
        self._cluster = cluster
        self._clock = clock
        self._instance = instance
        self._counts: OrderedDict[ObjectKey, int] = OrderedDict()
        self._queue: asyncio.Queue[tuple[ObjectKey, Json, Notice]] = asyncio.Queue(_QUEUED)
        self.dropped = 0

    def record(self, key: ObjectKey, metadata: Json, notice: Notice) -> None:
        """Queue one Event about an object; ``metadata`` is the object's."""
        try:
            self._queue.put_nowait((key, metadata, notice))
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        """Post what is recorded, until cancelled."""
        while True:
            key, metadata, notice = await self._queue.get()
            try:
                await self._post(key, metadata, notice)
            except ClusterError as error:
                # An Event is a courtesy; the status holds the same words.
                _log.warning("event not posted", object=str(key), reason=notice.reason, error=error.message)

    async def _post(self, key: ObjectKey, metadata: Json, notice: Notice) -> None:
        name = f"{key.name[:200]}.{digest(str(metadata.get('uid')), notice.type, notice.reason, length=16)}"
        event = ObjectKey("Event", key.namespace, name)
        if event not in self._counts:
            if await self._cluster.create(self._build(event, key, metadata, notice)) is not None:
                self._remember(event, 1)
                return
            existing = await self._cluster.get(event)
            self._remember(event, int((existing or {}).get("count") or 1))
        count = self._counts[event] + 1
        now = self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        patch = {"count": count, "lastTimestamp": now, "message": shorten(notice.message, _MAX_MESSAGE)}
        if await self._cluster.patch(event, patch) is None:
            await self._cluster.create(self._build(event, key, metadata, notice))
            count = 1
        self._remember(event, count)

    def _remember(self, event: ObjectKey, count: int) -> None:
        self._counts[event] = count
        self._counts.move_to_end(event)
        if len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)

    def _build(self, event: ObjectKey, key: ObjectKey, metadata: Json, notice: Notice) -> dict[str, Any]:
        now = self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": event.name, "namespace": event.namespace},
            "involvedObject": {
                "apiVersion": f"{GROUP}/v1alpha1",
                "kind": key.kind,
                "namespace": key.namespace,
                "name": key.name,
                "uid": metadata.get("uid"),
                "resourceVersion": metadata.get("resourceVersion"),
            },
            "type": notice.type,
            "reason": notice.reason.value,
            "message": shorten(notice.message, _MAX_MESSAGE),
            "source": {"component": MANAGER, "host": self._instance},
            "reportingComponent": f"{GROUP}/operator",
            "reportingInstance": self._instance,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

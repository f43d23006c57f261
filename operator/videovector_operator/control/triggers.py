"""What asks for a look at what: changes seen by the watches, our own writes, and what the reconcilers say.

Keys go into two work queues: tests of endpoints that do not answer take their time, and must not keep imports and indexes
waiting. Only a leader queues anything; a standby keeps its cache warm. Decides nothing but whom to wake.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.port import Json
from videovector_operator.control.queue import WorkQueue
from videovector_operator.control.routes import CUSTOM_KINDS, FACED_KINDS, dependents, face_of, key_of
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey
from videovector_operator.reconcilers.run_queues import RunQueues

_RECOUNT_SECONDS = 1.0
_MOVED_SECONDS = 16.0
_SPREAD_SECONDS = 8.0


class Triggers:
    """Turns changes into keys to look at. ``on_departure`` hears the uid of every ImportJob that is deleted."""

    def __init__(
        self,
        cluster: CachedCluster,
        run_queues: RunQueues,
        on_departure: Callable[[str], None],
        on_wait: Callable[[float], None] | None = None,
    ) -> None:
        self.tests: WorkQueue[ObjectKey] = WorkQueue(clock=time.monotonic, on_wait=on_wait)
        self.others: WorkQueue[ObjectKey] = WorkQueue(clock=time.monotonic, on_wait=on_wait)
        self._cluster = cluster
        self._run_queues = run_queues
        self._on_departure = on_departure
        self._faces: dict[ObjectKey, object] = {}
        self._leading = False

    def lead(self) -> None:
        """Begin to queue: everything that the cache knows first, ImportJobs in the order they came."""
        self._leading = True
        self._run_queues.look_at = self.add
        self._run_queues.recount = lambda key: self.add(key, _RECOUNT_SECONDS)
        for kind in CUSTOM_KINDS:
            for key in sorted(self._cluster.keys(kind), key=self._run_queues.sort_key):
                self._note_face(key)
                self.add(key)

    def add(self, key: ObjectKey, after: float = 0.0) -> None:
        """Look at an object, now or in ``after`` seconds."""
        (self.tests if key.kind == "Connector" else self.others).add(key, after)

    def look_at_catalog_users(self) -> None:
        """The catalog is back after an outage."""
        for kind in ("Index", "ImportJob"):
            for key in self._cluster.keys(kind):
                self.add(key)

    def index_of(self, key: ObjectKey) -> ObjectKey | None:
        """The Index of an ImportJob, if that is known."""
        body = self._cluster.peek(key)
        return None if body is None else ObjectKey("Index", key.namespace, body["spec"]["indexRef"]["name"])

    def changed(self, kind: str, event_type: str | None, body: Json) -> None:
        """A watch event: remember the object; the leader also looks at what it concerns."""
        key = key_of(kind, body)
        is_ours = kind != "Job" or (body["metadata"].get("labels") or {}).get(names.MANAGED_BY) == names.MANAGER
        if not is_ours and self._cluster.peek(key) is None:
            return
        if event_type == "DELETED":
            self._cluster.forget(key)
            if kind == "ImportJob" and self._leading:
                self._on_departure(body["metadata"]["uid"])
        elif not self._cluster.store(kind, body):
            return
        if self._leading:
            if kind in CUSTOM_KINDS:
                self.add(key)
            self._wake_dependents(key, body, is_gone=event_type == "DELETED")

    def wrote(self, key: ObjectKey) -> None:
        """Our own write comes back through the watch as a known version: tell the dependents now."""
        body = self._cluster.peek(key)
        if body is not None:
            self._wake_dependents(key, body, is_gone=False)

    def _wake_dependents(self, key: ObjectKey, body: Json, *, is_gone: bool) -> None:
        if is_gone:
            self._faces.pop(key, None)
        elif not self._note_face(key):
            return
        woken = sorted(dependents(key, body, self._cluster), key=self._run_queues.sort_key)
        for dependent in woken:
            self._run_queues.question(dependent)
        # The long rest of a queue must not keep its first waiting.
        far = {dependent for dependent in woken if self._run_queues.is_far(dependent)}
        for dependent in woken:
            if dependent not in far:
                self.add(dependent)
        self.spread([dependent for dependent in woken if dependent in far])

    def _note_face(self, key: ObjectKey) -> bool:
        """False = it looks to its dependents as it did before."""
        body = self._cluster.peek(key) if key.kind in FACED_KINDS else None
        if body is None:
            return True
        face = face_of(key.kind, body)
        is_new = self._faces.get(key) != face
        self._faces[key] = face
        return is_new

    async def tell_the_moved(self) -> None:
        """Look at those whose position in a queue is old, a few at a time, until cancelled."""
        while True:
            await asyncio.sleep(_MOVED_SECONDS)
            self.spread(list(self._run_queues.moved()))

    def spread(self, keys: Iterable[ObjectKey]) -> None:
        """Look at many objects, spread over some seconds so that others get their turn."""
        listed = list(keys)
        for number, key in enumerate(listed):
            self.add(key, _SPREAD_SECONDS * (number + 1) / len(listed))

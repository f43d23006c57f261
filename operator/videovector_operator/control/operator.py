"""The operator process: watchers feed the queue, tasks empty it, a Lease says who may act.

Everything runs in one event loop. A standby runs the watchers and keeps its cache warm; only the leader works.
Which adapters there are is `app`'s business.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from kubernetes.aio.client.api_client import ApiClient

from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.port import Json
from videovector_operator.control import leadership
from videovector_operator.control.catalog_wakes import CatalogWakes
from videovector_operator.control.departures import Departures
from videovector_operator.control.health import Health
from videovector_operator.control.http import start_http
from videovector_operator.control.leadership import LeaseSettings
from videovector_operator.control.metrics import Metrics
from videovector_operator.control.process import Processor
from videovector_operator.control.queue import WorkQueue
from videovector_operator.control.recorder import EventRecorder
from videovector_operator.control.resync import resync
from videovector_operator.control.triggers import Triggers
from videovector_operator.control.watch import run_watchers
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError
from videovector_operator.reconcilers.run_queues import RunQueues

_LAG_CHECK_SECONDS = 0.5
_LIST_RETRY_SECONDS = 3.0
_STOP_SECONDS = 3.0
_WATCHERS = "watchers"
_log = structlog.get_logger(__name__)

Part = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How the operator runs; see `settings` for where the values come from."""

    namespaces: Sequence[str]
    workers: int
    resync_seconds: float
    http_host: str
    http_port: int
    lease: LeaseSettings


class OperatorProcess:
    """One operator process, leader or standby. ``parts`` run in both; like our own, none may end."""

    def __init__(
        self,
        settings: OperatorSettings,
        *,
        api: ApiClient,
        cluster: CachedCluster,
        catalog: OperatorCatalog,
        run_queues: RunQueues,
        processor: Processor,
        recorder: EventRecorder,
        metrics: Metrics,
        health: Health,
        parts: Mapping[str, Part] | None = None,
    ) -> None:
        self._settings = settings
        self._more_parts = dict(parts or {})
        self._api = api
        self._cluster = cluster
        self._processor = processor
        self._recorder = recorder
        self._metrics = metrics
        self._health = health
        self._departures = Departures(catalog)
        self._triggers = Triggers(cluster, run_queues, self._departures.note, metrics.queue_wait.observe)
        triggers = self._triggers
        self._wakes = CatalogWakes(catalog, triggers.add, triggers.index_of, triggers.look_at_catalog_users)
        self._leading = False
        self._failed = False
        self._stop = asyncio.Event()
        self._watching = asyncio.Event()

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def stop(self) -> None:
        """Ask the process to end gracefully."""
        self._health.stopping = True
        self._stop.set()

    async def run(self) -> bool:
        """Run until SIGTERM, SIGINT or `stop`, or until a part fails. True = ended because it was asked to."""
        self._take_signals()
        runner = await start_http(
            self._settings.http_host, self._settings.http_port, self._health, self._metrics, self._refresh_gauges
        )
        try:
            await self._list_all()
            parts = [
                asyncio.create_task(self._lead(), name="leadership"),
                asyncio.create_task(self._measure_lag(), name="loop lag"),
                asyncio.create_task(
                    run_watchers(self._on_change, self._settings.namespaces, self._watching), name=_WATCHERS
                ),
                *(asyncio.create_task(part(), name=name) for name, part in self._more_parts.items()),
            ]
            await asyncio.wait(
                [asyncio.create_task(self._watching.wait()), *parts], return_when=asyncio.FIRST_COMPLETED
            )
            self._take_signals()  # kopf has put its own in their place
            return await self._run_parts(parts)
        finally:
            await runner.cleanup()

    async def _run_parts(self, parts: Sequence[asyncio.Task[None]]) -> bool:
        """Wait for the stop, or for the first part that ends: none may."""
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        done, _ = await asyncio.wait([*parts, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            error = task.exception() if not task.cancelled() else None
            self._health.note_dead(task.get_name())
            _log.error("a part has ended", part=task.get_name(), error=repr(error) if error else "")
        asked = self._stop.is_set() and not self._failed
        self.stop()
        await self._leave(parts)
        stopped.cancel()
        return asked

    async def _leave(self, parts: Sequence[asyncio.Task[None]]) -> None:
        """End our own work and give the Lease back. The watchers end with the event loop: kopf's graceful stop would
        cancel every task of the process that is younger than it."""
        for task in parts:
            if task.get_name() != _WATCHERS:
                task.cancel()
        await asyncio.wait([task for task in parts if task.get_name() != _WATCHERS], timeout=_STOP_SECONDS)
        if self._leading:
            await leadership.release(self._api, self._settings.lease)
        # What kopf says of being ended in this way would alarm people without reason.
        for name in ("kopf", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    async def _list_all(self) -> None:
        """Fill the cache. Waits for the CRDs: without them there is nothing to watch."""
        while not self._stop.is_set():
            try:
                count = await resync(self._cluster, self._settings.namespaces, lambda _: None)
            except ClusterError as error:
                hint = "are the CRDs installed? kubectl get crd | grep videovector.io"
                _log.warning("waiting for the Kubernetes API", error=error.message, hint=hint)
                await asyncio.sleep(_LIST_RETRY_SECONDS)
            else:
                _log.info("list complete", objects=count)
                self._health.synced = True
                return

    async def _lead(self) -> None:
        await leadership.lead(self._api, self._settings.lease, self._act)

    async def _act(self) -> None:
        """Work as the leader, until cancelled; the process ends when a task of this ends."""
        _log.info("leading", identity=self._settings.lease.identity)
        self._leading = True
        self._metrics.leader.set(1)
        # What the leader before has done in its last moments, the watch may not have told yet: who has a place in a queue, and
        # whose Job is there, must be known before anything is decided.
        await self._list_all()
        self._triggers.lead()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._settings.workers):
                    group.create_task(self._work(self._triggers.others), name=f"worker {number}")
                    group.create_task(self._work(self._triggers.tests), name=f"connection tester {number}")
                group.create_task(self._recorder.run(), name="event recorder")
                group.create_task(self._resync_forever(), name="resync")
                group.create_task(self._wakes.listen(), name="catalog listener")
                group.create_task(self._wakes.poll(), name="catalog poll")
                group.create_task(self._departures.run(), name="departures")
                group.create_task(self._triggers.tell_the_moved(), name="queue positions")
        except* Exception as errors:  # noqa: BLE001 - named in the log; then the process ends
            _log.error("leader's work ended", errors=[repr(error) for error in errors.exceptions])
            self._health.note_dead("the leader's work")
            self._failed = True
            self._stop.set()

    async def _work(self, queue: WorkQueue[ObjectKey]) -> None:
        while True:
            key = await queue.get()
            began = time.monotonic()
            try:
                result = await self._processor.process(key)
            finally:
                queue.done(key)
            self._metrics.reconcile.labels(key.kind, result.label).observe(time.monotonic() - began)
            if result.wrote:
                self._after_write(key, began)
            if result.requeue_after is not None:
                self._triggers.add(key, result.requeue_after)

    def _after_write(self, key: ObjectKey, began: float) -> None:
        self._metrics.status_writes.labels(key.kind).inc()
        self._health.expect_event(key.kind, began)
        self._triggers.wrote(key)

    def _on_change(self, kind: str, event_type: str | None, body: Json) -> None:
        self._health.note_event(kind)
        self._triggers.changed(kind, event_type, body)

    async def _resync_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_seconds)
            try:
                count = await resync(self._cluster, self._settings.namespaces, self._triggers.add)
                _log.info("resynced", objects=count)
            except ClusterError as error:
                _log.warning("resync failed", error=error.message)

    async def _measure_lag(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LAG_CHECK_SECONDS)
            self._health.loop_lag = max(time.monotonic() - began - _LAG_CHECK_SECONDS, 0.0)

    def _refresh_gauges(self) -> None:
        queues = (self._triggers.tests, self._triggers.others)
        self._metrics.queue_depth.set(sum(queue.depth for queue in queues))
        self._metrics.queue_delayed.set(sum(queue.delayed for queue in queues))
        self._metrics.loop_lag.set(self._health.loop_lag)
        self._metrics.events_dropped.set(self._recorder.dropped)
        for kind, age in self._health.event_ages().items():
            self._metrics.watch_age.labels(kind).set(age)

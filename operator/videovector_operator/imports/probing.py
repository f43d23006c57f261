"""Probing beside the event loop: what is ready is probed in batches, in one thread call each.

A call into a thread and back costs as much as a probe, so all files that have become ready during one batch make the next.
libav works without the GIL meanwhile. A thread that does not come back is left behind; its files are tried one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import structlog

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.errors import MediaError
from videovector_operator.media.facts import Probe
from videovector_operator.media.probe import probe_media
from videovector_operator.media.reader import MissingBytes, PartialObject

_log = structlog.get_logger(__name__)
_OVERTIME = 0.25
"""A share of the time limit: libav is told to stop at the limit, and needs a moment."""


class ProbeFunction(Protocol):
    """`media.probe.probe_media`, or what stands for it."""

    def __call__(self, content: PartialObject, key: str, *, timeout_seconds: float) -> Probe:
        """Probe, or raise MissingBytes or MediaError."""
        ...


_Outcome = Probe | MissingBytes | MediaError


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    content: PartialObject
    key: str
    answer: asyncio.Future[_Outcome]


class ProbeThreads:
    """``threads`` batches run at the same time, each of at most ``batch`` files and ``timeout`` seconds a file."""

    def __init__(self, threads: int, timeout: float, batch: int = 16, probe: ProbeFunction = probe_media) -> None:
        self._limit = threads
        self._timeout = timeout
        self._batch = batch
        self._probe = probe
        self._waiting: list[_Task] = []
        self._running: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="probe")

    def close(self) -> None:
        """End the threads once they are idle; never waits."""
        for task in self._running:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def probe(self, content: PartialObject, key: str) -> Probe:
        """Probe what is known of an object. Raises MissingBytes or MediaError."""
        task = _Task(content, key, asyncio.get_running_loop().create_future())
        self._waiting.append(task)
        self._start_batches()
        outcome = await task.answer
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _start_batches(self) -> None:
        while self._waiting and len(self._running) < self._limit:
            batch, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
            running = asyncio.create_task(self._run(batch))
            self._running.add(running)
            running.add_done_callback(self._finish)

    def _finish(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        self._start_batches()

    async def _run(self, batch: Sequence[_Task]) -> None:
        outcomes = await self._call(batch)
        if outcomes is None and len(batch) > 1:
            for task in batch:
                await self._run([task])
            return
        late = MediaError(FileReason.UNREADABLE_MEDIA, f"its header could not be read within {self._timeout:.0f} s")
        for task, outcome in zip(batch, outcomes or [late], strict=True):
            if not task.answer.done():
                task.answer.set_result(outcome)

    async def _call(self, batch: Sequence[_Task]) -> list[_Outcome] | None:
        """Probe a batch in a thread; None = it did not come back in time."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout * (1 + _OVERTIME)):
                return await loop.run_in_executor(self._threads, self._probe_batch, batch)
        except TimeoutError:
            stuck = self._threads
            self._threads = ThreadPoolExecutor(self._limit, thread_name_prefix="probe")
            stuck.shutdown(wait=False)
            return None

    def _probe_batch(self, batch: Sequence[_Task]) -> list[_Outcome]:
        return [self._probe_one(task.content, task.key) for task in batch]

    def _probe_one(self, content: PartialObject, key: str) -> _Outcome:
        try:
            return self._probe(content, key, timeout_seconds=self._timeout)
        except (MissingBytes, MediaError) as answer:
            return answer
        except Exception as error:  # noqa: BLE001 - a fault of ours in one odd file must not stop the others
            _log.exception("the probe failed", path=key)
            message = f"its header could not be read: internal error ({type(error).__name__}); please report it"
            return MediaError(FileReason.UNREADABLE_MEDIA, message)

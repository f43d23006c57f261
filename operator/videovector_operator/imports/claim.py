"""The files' way through a worker: claimed in batches, inspected many at a time, registered in batches.

What is claimed and not registered is `_open`; it is bounded by the claims, and every other list here by it.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from videovector_operator.core.records import ClaimedFile, FileResult, FileState
from videovector_operator.imports.patience import Backoff
from videovector_operator.imports.run_catalog import RunCatalog
from videovector_operator.imports.settings import ImportSettings
from videovector_operator.imports.watch import RunWatch

_log = structlog.get_logger(__name__)


class FileInspector(Protocol):
    """Says what became of one file."""

    async def inspect(self, file: ClaimedFile) -> FileResult:
        """See `inspect.Inspector.inspect`."""
        ...


class FilePipeline:
    """Works on one run's files until the run has ended or must stop. ``current_file`` is the one begun last."""

    def __init__(
        self, catalog: RunCatalog, inspector: FileInspector, watch: RunWatch, settings: ImportSettings, idle: Backoff
    ) -> None:
        self._catalog = catalog
        self._inspector = inspector
        self._watch = watch
        self._settings = settings
        self._idle = idle
        self._waiting: asyncio.Queue[ClaimedFile] = asyncio.Queue()
        self._open: set[str] = set()
        self._done: list[FileResult] = []
        self._progress = asyncio.Event()
        self._batch_full = asyncio.Event()
        self._registering = asyncio.Lock()
        self.current_file: str | None = None

    async def run(self) -> None:
        """Return when the run has ended or everybody must stop. Raises what an inspection or the catalog raises for good."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._inspect_waiting()) for _ in range(self._settings.in_flight)]
            tasks.append(group.create_task(self._register_steadily()))
            tasks.append(group.create_task(self._claim_steadily()))
            await self._watch.wait()
            # What is being read now is given up: the files stay open, and the run's end says what becomes of them.
            for task in tasks:
                task.cancel()

    async def settle(self) -> None:
        """Store what is done; then give back what is not, unless the run has ended. For the way out, whatever its cause."""
        await self.register_done()
        if self._open and not self._watch.control.state.is_terminal:
            await self._catalog.release_files(sorted(self._open))
            self._open.clear()

    async def _claim_steadily(self) -> None:
        while not self._watch.should_stop:
            room = self._settings.claim_batch - self._waiting.qsize()
            if room < self._settings.claim_batch // 2:
                await self._wait_for_progress(self._settings.idle_poll)
            elif await self._claim(room):
                self._idle.reset()
            else:
                if not self._open:
                    # Nothing to claim and nothing open here: the end, or time for the scan and for other workers.
                    await self._catalog.finish_run()
                await self._watch.wait(self._idle.next_pause())

    async def _claim(self, room: int) -> bool:
        files = await self._catalog.claim_files(room)
        for file in files:
            self._open.add(file.path)
            self._waiting.put_nowait(file)
        return bool(files)

    async def _wait_for_progress(self, seconds: float) -> None:
        self._progress.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._progress.wait()
        except TimeoutError:
            return

    async def _inspect_waiting(self) -> None:
        while True:
            file = await self._waiting.get()
            self.current_file = file.path
            result = await self._inspector.inspect(file)
            if result.state is FileState.FAILED:
                _log.info("file failed", path=file.path, reason=result.reason, error=result.message)
            self._done.append(result)
            is_last = len(self._done) == len(self._open)
            if is_last or len(self._done) >= self._settings.register_batch:
                self._batch_full.set()
            if self._waiting.qsize() <= self._settings.claim_batch // 2:
                self._progress.set()

    async def _register_steadily(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.register_interval):
                    await self._batch_full.wait()
            except TimeoutError:
                pass
            self._batch_full.clear()
            await self.register_done()
            self._progress.set()

    async def register_done(self) -> None:
        """Store what is done so far, in batches. Interrupted in the middle, it loses nothing and repeats harmlessly."""
        async with self._registering:
            while batch := self._done[: self._settings.register_batch]:
                await self._catalog.register_files(batch)
                del self._done[: len(batch)]
                self._open.difference_update(result.path for result in batch)

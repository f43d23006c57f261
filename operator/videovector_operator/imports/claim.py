"""The files' way through a worker: claimed in batches, inspected many at a time, registered in batches.

What is claimed and not registered is `_open`; it is bounded by the claims, and every other list here by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
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
        self._batch_due = asyncio.Event()
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
            await self._release(sorted(self._open))

    async def _claim_steadily(self) -> None:
        while not self._watch.should_stop:
            room = self._settings.claim_batch - self._waiting.qsize()
            if room < self._settings.claim_batch // 2:
                await self._wait_for(self._progress, self._settings.idle_poll)
            elif await self._claim(room):
                self._idle.reset()
            else:
                if not self._open:
                    # Nothing to claim and nothing open here: the end, or time for the scan and for other workers.
                    await self._catalog.finish_run()
                await self._watch.wait(self._idle.next_pause())

    async def _claim(self, room: int) -> bool:
        """Claim and queue; False = there was nothing."""
        files = await self._claim_files(room)
        suspects = [file for file in files if file.attempts > 1]
        for file in files:
            if file.attempts == 1:
                self._waiting.put_nowait(file)
        if suspects:
            await self._release([file.path for file in suspects])
            await self._work_on_suspects()
        return bool(files)

    async def _claim_files(self, limit: int) -> Sequence[ClaimedFile]:
        """Claim, and note what was claimed also when everybody is told to stop before the answer: it must be given back."""
        claiming = asyncio.ensure_future(self._catalog.claim_files(limit))
        claiming.add_done_callback(self._note_claimed)
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await asyncio.wait({claiming}, timeout=self._settings.shutdown / 2)
            claiming.cancel()
            raise

    def _note_claimed(self, claiming: asyncio.Future[Sequence[ClaimedFile]]) -> None:
        if not claiming.cancelled() and claiming.exception() is None:
            self._open.update(file.path for file in claiming.result())

    async def _work_on_suspects(self) -> None:
        """Files that were in the hands of a worker that vanished: one of them may have killed it.

        Each is taken alone and registered before the next, so that a deadly file takes no other with it: only it is
        claimed again and again until the catalog gives it up.
        """
        while self._open and not self._watch.should_stop:
            await self._wait_for(self._progress, self._settings.idle_poll)
        while not self._watch.should_stop:
            files = await self._claim_files(1)
            if not files or files[0].attempts == 1:
                for file in files:
                    self._waiting.put_nowait(file)
                return
            await self._inspect(files[0])
            await self.register_done()

    async def _release(self, paths: list[str]) -> None:
        await self._catalog.release_files(paths)
        self._open.difference_update(paths)

    @staticmethod
    async def _wait_for(event: asyncio.Event, seconds: float) -> bool:
        """Wait for ``event`` and clear it; False = not within ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    async def _inspect_waiting(self) -> None:
        while True:
            await self._inspect(await self._waiting.get())
            if self._is_batch_due():
                self._batch_due.set()
            if self._waiting.qsize() <= self._settings.claim_batch // 2:
                self._progress.set()

    async def _inspect(self, file: ClaimedFile) -> None:
        self.current_file = file.path
        result = await self._inspector.inspect(file)
        if result.state is FileState.FAILED:
            _log.info("file failed", path=file.path, reason=result.reason, error=result.message)
        self._done.append(result)

    def _is_batch_due(self) -> bool:
        """A full batch, or all that this worker holds."""
        return len(self._done) >= min(self._settings.register_batch, len(self._open))

    async def _register_steadily(self) -> None:
        while True:
            is_due = await self._wait_for(self._batch_due, self._settings.register_interval)
            if is_due and not self._is_batch_due():
                continue  # set by a file of the batch that was being stored
            await self._register_batch()
            self._progress.set()

    async def register_done(self) -> None:
        """Store what is done so far, in batches."""
        while self._done:
            await self._register_batch()

    async def _register_batch(self) -> None:
        """Store one batch. Interrupted in the middle it loses nothing, and repeating it is harmless."""
        async with self._registering:
            batch = self._done[: self._settings.register_batch]
            if not batch:
                return
            await self._catalog.register_files(batch)
            del self._done[: len(batch)]
            self._open.difference_update(result.path for result in batch)

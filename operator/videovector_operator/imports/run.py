"""The import worker's program: one run, one process, from the first look at the run to the exit code.

Killed at any moment it loses nothing: what was not registered is still open in the catalog, and its lease runs out.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.catalog.port import WorkerCatalog
from videovector_operator.core.records import RunControl, RunSpec
from videovector_operator.errors import CatalogUnavailable, Stalled
from videovector_operator.imports.claim import FilePipeline
from videovector_operator.imports.exit_codes import ExitCode
from videovector_operator.imports.inspect import Inspector
from videovector_operator.imports.mounts import Mounts
from videovector_operator.imports.pace import CatalogPace
from videovector_operator.imports.patience import Backoff, Patience
from videovector_operator.imports.problems import SourceOutage, SourceUnusable
from videovector_operator.imports.run_catalog import RunCatalog
from videovector_operator.imports.scan import Scanner
from videovector_operator.imports.settings import ImportSettings
from videovector_operator.imports.source import ImportSource
from videovector_operator.imports.watch import RunWatch
from videovector_operator.storage.port import Pace, Source, Storage

_log = structlog.get_logger(__name__)
_FIRST_IDLE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class WorkerPorts:
    """What a worker is given from outside. ``open_storage`` opens a source whose requests all keep the given pace."""

    catalog: WorkerCatalog
    open_storage: Callable[[Source, Pace], Storage]
    mounts: Mounts = field(default_factory=Mounts)
    jitter: Callable[[], float] = field(default=random.random)


async def run_import(
    run_id: str,
    owner: str,
    ports: WorkerPorts,
    settings: ImportSettings | None = None,
    *,
    stop: asyncio.Event | None = None,
) -> ExitCode:
    """Work on a run until it has ended. ``owner`` names this process; no other may ever have the same name.

    Setting ``stop`` (SIGTERM) stores what is done, gives the rest back and returns INTERRUPTED within
    ``settings.shutdown`` seconds. Raises nothing that is expected to happen: everything is an exit code and a log line.
    """
    worker = ImportWorker(run_id, owner, ports, settings or ImportSettings())
    working = asyncio.create_task(worker.work())
    asked = asyncio.create_task((stop or asyncio.Event()).wait())
    try:
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            _log.info("asked to stop: storing what is done, giving back the rest", run=run_id)
            working.cancel()
            await asyncio.wait({working})
        if working.cancelled():
            return ExitCode.INTERRUPTED
        return working.result()
    finally:
        working.cancel()
        asked.cancel()
        await asyncio.wait({working, asked})


class ImportWorker:
    """One worker process on one run."""

    def __init__(self, run_id: str, owner: str, ports: WorkerPorts, settings: ImportSettings) -> None:
        self._run_id = run_id
        self._owner = owner
        self._ports = ports
        self._catalog = ports.catalog
        self._settings = settings
        self._patience = Patience(settings.catalog_outage, ports.jitter)

    async def work(self) -> ExitCode:
        """Work to the end and translate what happened into an exit code."""
        try:
            return await self._work()
        except* CatalogUnavailable as group:
            _log.error("giving up: the catalog stayed away", run=self._run_id, error=_first_message(group))
            code = ExitCode.RETRY
        except* SourceOutage as group:
            _log.error("giving up: the source stayed away", run=self._run_id, error=_first_message(group))
            code = ExitCode.RETRY
        return code

    async def _work(self) -> ExitCode:
        run = await self._patience.call(lambda: self._catalog.load_run(self._run_id))
        if run is None:
            _log.warning("there is no such run; it was deleted, nothing is left to do", run=self._run_id)
            return ExitCode.OK
        control = await self._patience.call(lambda: self._catalog.start_run(self._run_id))
        if control.state.is_terminal:
            _log.info("the run has ended already", run=self._run_id, state=control.state.value)
            return ExitCode.OK
        problem = await self._import(run, control)
        if problem is None:
            return ExitCode.OK
        reason, message = problem
        await self._patience.call(lambda: self._catalog.fail_run(self._run_id, reason, message))
        _log.error("the run failed: only the user can go on", run=self._run_id, reason=reason, error=message)
        return ExitCode.USER_MUST_ACT

    async def _import(self, run: RunSpec, control: RunControl) -> tuple[str, str] | None:
        """Import; what only the user can fix is returned as (reason, message)."""
        problem: tuple[str, str] | None = None
        pace = CatalogPace(self._catalog, run.connector_id, self._patience, control.request_limit)
        try:
            source = await ImportSource.open(
                run.source,
                lambda source: self._ports.open_storage(source, pace),
                self._ports.mounts,
                self._settings,
                self._ports.jitter,
                # A pod that starts while the Secret is being rotated must not take refused keys for wrong ones.
                has_answered=control.scan_done or control.counters.total > 0,
            )
        except SourceUnusable as error:
            return Reason.SOURCE_UNUSABLE.value, error.message
        try:
            await self._import_from(source, pace, run, control)
        except* SourceUnusable as group:
            problem = Reason.SOURCE_UNUSABLE.value, _first_message(group)
        except* Stalled as group:
            problem = Reason.INVALID_PATTERN.value, _first_message(group)
        finally:
            await source.close()
        return problem

    async def _import_from(self, source: ImportSource, pace: CatalogPace, run: RunSpec, control: RunControl) -> None:
        watch = RunWatch(control)
        catalog = RunCatalog(
            self._catalog,
            self._run_id,
            self._owner,
            lease=self._settings.lease_time,
            patience=self._patience,
            watch=watch,
        )
        scanner = Scanner(run, catalog, source, watch)
        inspector = Inspector(run, source, self._settings)
        idle = Backoff(self._ports.jitter, _FIRST_IDLE_SECONDS, self._settings.idle_poll)
        pipeline = FilePipeline(catalog, inspector, watch, self._settings, idle)
        try:
            async with asyncio.TaskGroup() as group:
                beating = self._beat(catalog, pipeline, watch, pace)
                others = [group.create_task(work) for work in (scanner.run(), pace.run(), beating)]
                await pipeline.run()
                for task in others:
                    task.cancel()
        finally:
            inspector.close()
            await self._leave(pipeline)
        await self._end(catalog, watch)

    async def _beat(self, catalog: RunCatalog, pipeline: FilePipeline, watch: RunWatch, pace: CatalogPace) -> None:
        """Renew the leases, pass on the current file, and hear of cancellation and of another limit of requests."""
        while True:
            await catalog.renew_leases(pipeline.current_file)
            if not watch.should_stop:
                pace.set_limit(watch.control.request_limit)
            await asyncio.sleep(self._settings.heartbeat)

    async def _leave(self, pipeline: FilePipeline) -> None:
        """Store what is done and give back the rest; when that fails, the leases run out by themselves."""
        try:
            async with asyncio.timeout(self._settings.shutdown):
                await pipeline.settle()
        except (TimeoutError, CatalogUnavailable) as error:
            _log.warning("files could not be given back; their leases run out", run=self._run_id, error=str(error))

    async def _end(self, catalog: RunCatalog, watch: RunWatch) -> None:
        """Write the end of a run that was cancelled, unless another worker has."""
        if not watch.control.state.is_terminal:
            await catalog.finish_run()
        state, counters = watch.control.state, watch.control.counters
        _log.info("done", run=self._run_id, state=state.value, imported=counters.imported, failed=counters.failed)


def _first_message(group: BaseException) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return getattr(error, "message", str(error))

"""`FakeCatalog`: the operator's face in memory, for tests of what stands before the catalog.

The contract suite runs over it and over PostgreSQL. What workers would do is done by its own setters (`start`, `set_run`,
`set_files`, `set_totals`, `finish`, `fail`); ``outage`` makes every method raise. No SQL and no I/O may enter.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from typing_extensions import override

from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.catalog.fake_rates import FakeRequestRates
from videovector_operator.catalog.outcome import (
    Ending,
    RunEvent,
    cancelled_message,
    decide_ending,
    event_of,
    open_files,
)
from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.core.records import (
    FileState,
    IndexSummary,
    KindTotals,
    OpenRun,
    RunControl,
    RunCounters,
    RunFile,
    RunSpec,
    RunState,
    RunSummary,
)
from videovector_operator.errors import CatalogUnavailable

_WAITING_WAKE_UPS = 1000
_NO_TOTALS = {"video": KindTotals(), "audio": KindTotals(), "image": KindTotals()}


class FakeCatalog(OperatorCatalog):
    """A catalog that forgets everything with the process. ``now`` is its clock (aware, UTC)."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.outage: str | None = None
        """While set, every method raises CatalogUnavailable with this text."""
        self.events: list[tuple[RunEvent, str]] = []
        """(type, run id) of every event written."""
        self.indexes: dict[str, tuple[str, str]] = {}
        """(namespace, name) of every known index by its id."""
        self.rates = FakeRequestRates(lambda: now().timestamp())
        """How fast the pods of each Connector may send."""
        self._now = now
        self._specs: dict[str, RunSpec] = {}
        self._runs: dict[str, RunSummary] = {}
        self._files: dict[str, list[RunFile]] = {}
        self._totals: dict[str, dict[str, KindTotals]] = {}
        self._listeners: set[asyncio.Queue[str]] = set()

    # What workers would do.

    def start(self, run_id: str) -> None:
        """Begin the run, as its first worker does."""
        if self._runs[run_id].state is RunState.PENDING:
            self._change(run_id, state=RunState.SCANNING, started_at=self._now())
            self.events.append((RunEvent.STARTED, run_id))

    def set_run(self, run_id: str, **changes: Any) -> None:
        """Replace fields of the run's summary (counters, scan_done, current_file, failed_files, ...)."""
        self._change(run_id, **changes)

    def set_files(self, run_id: str, files: Sequence[RunFile]) -> None:
        """Replace the run's full list of files; its counters and bounded lists stay as they are."""
        self._files[run_id] = sorted(files, key=lambda file: file.path)

    def set_totals(self, index_id: str, by_kind: Mapping[str, KindTotals]) -> None:
        """Replace the index's media totals; kinds not named are zero."""
        self._totals[index_id] = {**_NO_TOTALS, **by_kind}

    def finish(self, run_id: str) -> None:
        """End the run if it is due, as `WorkerCatalog.finish_run` does."""
        run = self._runs[run_id]
        control = RunControl(run.state, run.cancel_requested, run.scan_done, run.counters)
        ending = None if run.state.is_terminal else decide_ending(self._specs[run_id], control)
        if ending is not None:
            self._end(run_id, ending)

    def fail(self, run_id: str, reason: str, message: str) -> None:
        """End the run as `WorkerCatalog.fail_run` does."""
        if not self._runs[run_id].state.is_terminal:
            self._end(run_id, Ending(RunState.FAILED, reason, message))

    # The operator's face.

    @override
    async def ensure_index(self, index_id: str, namespace: str, name: str) -> None:
        self._check()
        if not self.indexes.get(index_id, ("", ""))[1]:
            self.indexes[index_id] = (namespace, name)

    @override
    async def observe_index(self, index_id: str) -> IndexSummary:
        self._check()
        by_kind = dict(self._totals.get(index_id, _NO_TOTALS))
        ended = [
            (run.completed_at, run) for run in self._runs.values() if run.index_id == index_id and run.completed_at
        ]
        if not ended:
            return IndexSummary(index_id, by_kind)
        completed_at, last = max(ended, key=lambda entry: entry[0])
        return IndexSummary(index_id, by_kind, last.name, last.run_id, last.state, last.counters.imported, completed_at)

    @override
    async def delete_index(self, index_id: str, *, batch: int = 5000) -> int:
        self._check()
        for run_id in [run.run_id for run in self._runs.values() if run.index_id == index_id]:
            del self._runs[run_id], self._specs[run_id]
            self._files.pop(run_id, None)
        self.indexes.pop(index_id, None)
        return sum(totals.count for totals in self._totals.pop(index_id, {}).values())

    @override
    async def admit_run(
        self, spec: RunSpec, max_concurrent_runs: int | None = None, *, unfinished: Collection[str] = ()
    ) -> bool:
        self._check()
        if spec.run_id in self._runs:
            return True
        self.indexes.setdefault(spec.index_id, (spec.namespace, ""))
        active = {run.run_id for run in self._open(spec.connector_id)} | set(unfinished)
        if max_concurrent_runs is not None and len(active) >= max_concurrent_runs:
            return False
        now = self._now()
        self._specs[spec.run_id] = spec
        self._runs[spec.run_id] = RunSummary(
            run_id=spec.run_id,
            namespace=spec.namespace,
            name=spec.name,
            index_id=spec.index_id,
            state=RunState.PENDING,
            scan_done=False,
            cancel_requested=False,
            counters=RunCounters(),
            current_file=None,
            created_at=now,
            started_at=None,
            completed_at=None,
            updated_at=now,
        )
        self._wake(spec.run_id)
        return True

    @override
    async def open_runs(self, connector_id: str) -> Sequence[OpenRun]:
        self._check()
        quiet = self._now() - timedelta(seconds=60)
        return [
            OpenRun(run.run_id, run.namespace, run.name, is_quiet=run.updated_at < quiet)
            for run in self._open(connector_id)
        ]

    @override
    async def set_request_limit(self, connector_id: str, limit: int | None) -> None:
        self._check()
        self.rates.set_limit(connector_id, limit)

    @override
    async def observe_run(self, run_id: str, *, list_limit: int = 50) -> RunSummary | None:
        self._check()
        run = self._runs.get(run_id)
        if run is None:
            return None
        return dataclasses.replace(
            run,
            media_ids=run.media_ids[:list_limit],
            failed_files=run.failed_files[:list_limit],
            skipped_files=run.skipped_files[:list_limit],
            request_rate=self.rates.observe(self._specs[run_id].connector_id),
        )

    @override
    async def request_cancel(self, run_id: str) -> None:
        self._check()
        run = self._runs.get(run_id)
        if run is None or run.state.is_terminal or run.cancel_requested:
            return
        self._change(run_id, cancel_requested=True)
        if run.state is RunState.PENDING:
            self._end(run_id, Ending(RunState.CANCELLED, Reason.CANCELLED, cancelled_message(run.counters)))

    @override
    async def end_run(self, run_id: str, state: RunState, reason: str, message: str) -> bool:
        self._check()
        if state not in (RunState.FAILED, RunState.CANCELLED):
            raise ValueError(f"a run is ended from outside as failed or cancelled, not as {state}")
        run = self._runs.get(run_id)
        if run is None or run.state.is_terminal:
            return False
        self._end(run_id, Ending(state, reason, message), open_files_fail=state is RunState.FAILED)
        return True

    @override
    async def changed_runs(self, within: timedelta) -> Sequence[tuple[str, str, str]]:
        self._check()
        since = self._now() - within
        changed = sorted((run for run in self._runs.values() if run.updated_at > since), key=lambda run: run.updated_at)
        return [(run.namespace, run.name, run.index_id) for run in changed[:1000]]

    @override
    async def list_run_files(
        self,
        run_id: str,
        *,
        state: FileState | None = None,
        reason: str | None = None,
        after: str = "",
        limit: int = 1000,
    ) -> Sequence[RunFile]:
        self._check()
        wanted = (
            file
            for file in self._files.get(run_id, ())
            if file.path > after and state in (None, file.state) and reason in (None, file.reason)
        )
        return list(islice(wanted, limit))

    @override
    async def listen(self) -> AsyncIterator[str]:
        self._check()
        queue: asyncio.Queue[str] = asyncio.Queue(_WAITING_WAKE_UPS)
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
                self._check()
        finally:
            self._listeners.discard(queue)

    @override
    async def ping(self) -> None:
        self._check()

    def _open(self, connector_id: str) -> list[RunSummary]:
        """The Connector's runs that have not ended, oldest first."""
        return [
            run
            for run in self._runs.values()
            if self._specs[run.run_id].connector_id == connector_id and not run.state.is_terminal
        ]

    def _check(self) -> None:
        if self.outage is not None:
            raise CatalogUnavailable(self.outage)

    def _change(self, run_id: str, **changes: Any) -> None:
        self._runs[run_id] = dataclasses.replace(self._runs[run_id], **{"updated_at": self._now(), **changes})
        self._wake(run_id)

    def _end(self, run_id: str, ending: Ending, *, open_files_fail: bool = False) -> None:
        counters = self._runs[run_id].counters
        field = "failed" if open_files_fail else "skipped"
        counters = dataclasses.replace(counters, **{field: getattr(counters, field) + open_files(counters)})
        self._change(
            run_id,
            state=ending.state,
            reason=str(ending.reason),
            message=ending.message,
            counters=counters,
            current_file=None,
            completed_at=self._now(),
        )
        self.events.append((event_of(ending), run_id))

    def _wake(self, run_id: str) -> None:
        for queue in self._listeners:
            if not queue.full():
                queue.put_nowait(run_id)

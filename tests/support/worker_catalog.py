"""`MemoryWorkerCatalog`: the worker's face of the catalog in memory, for unit tests of the import worker.

It keeps the promises of `catalog.port.WorkerCatalog` for one run (leases, fences, endings); the contract tests of the
worker run on PostgreSQL. ``outages`` makes as many calls fail as it says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from typing_extensions import override

from videovector_operator.catalog.fake_rates import FakeRequestRates
from videovector_operator.catalog.outcome import MAX_ATTEMPTS, Ending, decide_ending
from videovector_operator.catalog.port import WorkerCatalog
from videovector_operator.core.records import (
    Candidate,
    ClaimedFile,
    FileResult,
    FileState,
    MediaRecord,
    Reservation,
    RunControl,
    RunCounters,
    RunSpec,
    RunState,
    ScanLease,
)
from videovector_operator.errors import CatalogUnavailable


@dataclass
class Row:
    candidate: Candidate
    state: FileState
    reason: str = ""
    message: str = ""
    attempts: int = 0
    owner: str = ""
    until: float = 0.0


class MemoryWorkerCatalog(WorkerCatalog):
    """One run. ``rows`` and ``media`` are what a test looks at; ``calls`` records the names of all calls."""

    def __init__(self, spec: RunSpec | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.spec = spec
        self.rows: dict[str, Row] = {}
        self.media: dict[str, MediaRecord] = {}
        self.control = RunControl(RunState.PENDING, False, False, RunCounters())
        self.ending: Ending | None = None
        self.current_files: list[str] = []
        self.calls: list[str] = []
        self.outages = 0
        self.scanner = ("", 0.0)
        self.cursor = ""
        self.claim_answer_seconds = 0.0
        """How long the answer to a claim is on its way, when the claim has taken effect."""
        self.rates = FakeRequestRates(clock)
        self._clock = clock

    def request_cancel(self) -> None:
        self.control = replace(self.control, cancel_requested=True)

    def expire_leases(self) -> None:
        """All that is held is anybody's."""
        self.scanner = (self.scanner[0], 0.0)
        for row in self.rows.values():
            row.until = 0.0

    def outcome(self, path: str) -> tuple[str, str]:
        """(state, reason) of one file."""
        return self.rows[path].state.value, self.rows[path].reason

    @override
    async def load_run(self, run_id: str) -> RunSpec | None:
        self._enter("load_run")
        return self.spec

    @override
    async def start_run(self, run_id: str) -> RunControl:
        self._enter("start_run")
        if self.control.state is RunState.PENDING:
            self.control = replace(self.control, state=RunState.SCANNING)
        return self._observe()

    @override
    async def claim_scan(self, run_id: str, owner: str, lease: timedelta) -> ScanLease | None:
        self._enter("claim_scan")
        holder, until = self.scanner
        if self.control.scan_done or (holder not in ("", owner) and until > self._clock()):
            return None
        self.scanner = (owner, self._clock() + lease.total_seconds())
        return ScanLease(run_id, self.cursor)

    @override
    async def add_candidates(
        self, run_id: str, owner: str, candidates: Sequence[Candidate], cursor: str, lease: timedelta
    ) -> bool:
        self._enter("add_candidates")
        if self.scanner[0] != owner or self.control.state.is_terminal:
            return False
        for entry in candidates:
            state = FileState.SKIPPED if entry.skip_reason else FileState.PENDING
            self.rows.setdefault(entry.path, Row(entry, state, entry.skip_reason or "", entry.skip_message))
        self.cursor = cursor
        return True

    @override
    async def finish_scan(self, run_id: str, owner: str) -> bool:
        self._enter("finish_scan")
        if self.scanner[0] != owner:
            return False
        self.control = replace(self.control, scan_done=True, state=RunState.IMPORTING)
        return True

    @override
    async def claim_files(self, run_id: str, owner: str, limit: int, lease: timedelta) -> Sequence[ClaimedFile]:
        self._enter("claim_files")
        now = self._clock()
        if self.control.cancel_requested or self.control.state.is_terminal:
            return []
        abandoned = [row for row in self._sorted() if row.state is FileState.LEASED and row.until < now]
        for row in [row for row in abandoned if row.attempts >= MAX_ATTEMPTS]:
            row.state, row.reason = FileState.FAILED, "WorkerCrashed"
        pending = [row for row in self._sorted() if row.state is FileState.PENDING]
        chosen = [row for row in [*abandoned, *pending] if row.state is not FileState.FAILED][:limit]
        for row in chosen:
            row.state, row.owner, row.until = FileState.LEASED, owner, now + lease.total_seconds()
            row.attempts += 1
        await asyncio.sleep(self.claim_answer_seconds)
        return [
            ClaimedFile(
                row.candidate.path,
                row.candidate.size,
                row.candidate.fingerprint,
                row.candidate.modified_at,
                row.attempts,
            )
            for row in chosen
        ]

    @override
    async def renew_leases(
        self, run_id: str, owner: str, lease: timedelta, *, current_file: str | None = None
    ) -> RunControl:
        self._enter("renew_leases")
        if current_file is not None:
            self.current_files.append(current_file)
        for row in self._held(owner):
            row.until = self._clock() + lease.total_seconds()
        if self.scanner[0] == owner:
            self.scanner = (owner, self._clock() + lease.total_seconds())
        return self._observe()

    @override
    async def register_files(self, run_id: str, owner: str, results: Sequence[FileResult]) -> RunControl:
        self._enter("register_files")
        held = {row.candidate.path: row for row in self._held(owner)}
        for result in results:
            if result.path in held:
                row = held[result.path]
                row.state, row.reason, row.message = result.state, result.reason, result.message
                if result.media is not None:
                    self.media[result.media.media_id] = result.media
        return self._observe()

    @override
    async def release_files(self, run_id: str, owner: str, paths: Sequence[str]) -> None:
        self._enter("release_files")
        for row in self._held(owner):
            if row.candidate.path in paths:
                row.state, row.owner, row.attempts = FileState.PENDING, "", row.attempts - 1

    @override
    async def finish_run(self, run_id: str) -> RunControl:
        self._enter("finish_run")
        assert self.spec is not None
        control = self._observe()
        ending = None if control.state.is_terminal else decide_ending(self.spec, control)
        if ending is not None:
            self._end(ending)
        return self._observe()

    @override
    async def fail_run(self, run_id: str, reason: str, message: str) -> RunControl:
        self._enter("fail_run")
        self._end(Ending(RunState.FAILED, reason, message))
        return self._observe()

    @override
    async def reserve_requests(self, connector_id: str, count: int) -> Reservation | None:
        self._enter("reserve_requests")
        return await self.rates.reserve_requests(connector_id, count)

    @override
    async def confirm_reservation(self, connector_id: str, revision: int) -> bool:
        self._enter("confirm_reservation")
        return await self.rates.confirm_reservation(connector_id, revision)

    @override
    async def report_throttled(self, connector_id: str, retry_after: float) -> None:
        self._enter("report_throttled")
        await self.rates.report_throttled(connector_id, retry_after)

    def _end(self, ending: Ending) -> None:
        self.ending = ending
        for row in self.rows.values():
            if row.state in (FileState.PENDING, FileState.LEASED):
                row.state, row.reason = FileState.SKIPPED, "Cancelled"
        self.control = replace(self.control, state=ending.state)

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        if self.outages > 0:
            self.outages -= 1
            raise CatalogUnavailable("PostgreSQL is away (as the test wants it)")

    def _sorted(self) -> list[Row]:
        return [self.rows[path] for path in sorted(self.rows)]

    def _held(self, owner: str) -> list[Row]:
        return [row for row in self._sorted() if row.state is FileState.LEASED and row.owner == owner]

    def _observe(self) -> RunControl:
        states = [row.state for row in self.rows.values()]
        counters = RunCounters(
            len(states),
            states.count(FileState.IMPORTED),
            states.count(FileState.FAILED),
            states.count(FileState.SKIPPED),
        )
        limit = self.rates.limit_of(self.spec.connector_id) if self.spec is not None else None
        self.control = replace(self.control, counters=counters, request_limit=limit)
        return self.control

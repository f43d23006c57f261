"""The catalog's two faces: what the operator may ask, and what a worker may do.

`catalog.postgres` implements both. Nothing here knows SQL.
Every method raises CatalogUnavailable when PostgreSQL cannot be reached, and is safe to repeat: each is one transaction
whose second run changes nothing (of `RequestRates` it may take a little of the rate away, never add to it).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta
from typing import Protocol

from videovector_operator.core.records import (
    Candidate,
    ClaimedFile,
    FileResult,
    FileState,
    IndexSummary,
    OpenRun,
    Reservation,
    RunControl,
    RunFile,
    RunSpec,
    RunState,
    RunSummary,
    ScanLease,
)


class OperatorCatalog(Protocol):
    """The operator's face: create runs, read bounded summaries, pass on cancellation."""

    async def ensure_index(self, index_id: str, namespace: str, name: str) -> None:
        """Make the index known. A known one is left as it is."""
        ...

    async def observe_index(self, index_id: str) -> IndexSummary:
        """Totals by media kind and the newest finished run. An unknown index has zeros."""
        ...

    async def delete_index(self, index_id: str, *, batch: int = 5000) -> int:
        """Delete the index with its media, runs and run files, ``batch`` rows a transaction; returns the media deleted."""
        ...

    async def admit_run(
        self, spec: RunSpec, max_concurrent_runs: int | None = None, *, unfinished: Collection[str] = ()
    ) -> bool:
        """Create the run in state pending unless that many runs of its Connector are active; makes its index known too.

        Active are runs that have not ended, and those of ``unfinished`` (ids of ended runs whose workers may still be there).
        True = the run is there, made now or before: what was admitted once stays so. However many callers ask at the same
        time, never more are admitted than allowed.
        """
        ...

    async def open_runs(self, connector_id: str) -> Sequence[OpenRun]:
        """The runs of a Connector that have not ended, oldest first; at most 2,000."""
        ...

    async def set_request_limit(self, connector_id: str, limit: int | None) -> None:
        """Let all pods of a Connector's runs send at most ``limit`` requests a second together; None takes the limit off.

        Runs that are going on follow within about a second.
        """
        ...

    async def observe_run(self, run_id: str, *, list_limit: int = 50) -> RunSummary | None:
        """Read a run; None = there is no such run. Lists hold at most ``list_limit`` entries."""
        ...

    async def request_cancel(self, run_id: str) -> None:
        """Ask the workers to stop. If nobody has begun (state pending) the run is cancelled at once."""
        ...

    async def end_run(self, run_id: str, state: RunState, reason: str, message: str) -> bool:
        """End a run from outside (its workers are gone); open files become skipped (cancelled) or failed (failed).

        Writes the import_job event. False = it had ended already, nothing was changed.
        """
        ...

    async def changed_runs(self, within: timedelta) -> Sequence[tuple[str, str, str]]:
        """(namespace, name, index id) of runs touched in the last ``within``, by the catalog's own clock (the caller's
        may be off); at most 1,000, oldest first."""
        ...

    async def list_run_files(
        self,
        run_id: str,
        *,
        state: FileState | None = None,
        reason: str | None = None,
        after: str = "",
        limit: int = 1000,
    ) -> Sequence[RunFile]:
        """The files of a run (of one state, with one reason) whose path is behind ``after``, in path order; fewer than
        ``limit`` = that was the last page."""
        ...

    def listen(self) -> AsyncIterator[str]:
        """Yield the id of every run that changes, as PostgreSQL notifies. A wake-up only: polling backs it up.

        Ends with CatalogUnavailable when the connection is lost; call it again.
        """
        ...

    async def ping(self) -> None:
        """Raise CatalogUnavailable unless PostgreSQL answers and has this version's schema."""
        ...


class RequestRates(Protocol):
    """The line in which all pods of a Connector wait for their turn to send requests (`core.pace`), by the catalog's clock."""

    async def reserve_requests(self, connector_id: str, count: int) -> Reservation | None:
        """Take up to ``count`` (at least 1) of the next free moments; None = the Connector has no limit."""
        ...

    async def confirm_reservation(self, connector_id: str, revision: int) -> bool:
        """Whether a reservation still counts: it does not once the line was drawn anew (throttled, another limit)."""
        ...

    async def report_throttled(self, connector_id: str, retry_after: float) -> None:
        """Slow all pods down: the provider throttled, and wants to be left alone for so many seconds."""
        ...


class WorkerCatalog(RequestRates, Protocol):
    """A worker's face. ``owner`` names one worker process and fences its writes: results of a lost lease count nothing."""

    async def load_run(self, run_id: str) -> RunSpec | None:
        """The run's spec; None = there is no such run."""
        ...

    async def start_run(self, run_id: str) -> RunControl:
        """Move pending to scanning (once; writes the import_job.started event) and report where the run stands."""
        ...

    async def claim_scan(self, run_id: str, owner: str, lease: timedelta) -> ScanLease | None:
        """Become the run's one scanner; None = the scan is done or somebody else holds it."""
        ...

    async def add_candidates(
        self, run_id: str, owner: str, candidates: Sequence[Candidate], cursor: str, lease: timedelta
    ) -> bool:
        """Store one page: source objects, run files (new_only duplicates as skipped AlreadyImported), counters, cursor.

        One transaction (COPY, temporary table, merge); renews the scan lease. False = the lease was lost: stop scanning.
        """
        ...

    async def finish_scan(self, run_id: str, owner: str) -> bool:
        """Mark the scan done (state importing). False = the lease was lost."""
        ...

    async def claim_files(self, run_id: str, owner: str, limit: int, lease: timedelta) -> Sequence[ClaimedFile]:
        """Lease up to ``limit`` pending (or abandoned) files in path order, by FOR UPDATE SKIP LOCKED."""
        ...

    async def renew_leases(
        self, run_id: str, owner: str, lease: timedelta, *, current_file: str | None = None
    ) -> RunControl:
        """Extend all leases of ``owner`` (files and scan), note the current file, and report where the run stands."""
        ...

    async def register_files(self, run_id: str, owner: str, results: Sequence[FileResult]) -> RunControl:
        """Store results in one transaction: media rows, media.created events, file states, counters, index totals.

        Only files still leased to ``owner`` count. A media row that exists already is refreshed and makes no event; in a
        new_only run the file becomes skipped AlreadyImported, unless this very run made the row.
        """
        ...

    async def release_files(self, run_id: str, owner: str, paths: Sequence[str]) -> None:
        """Give leased files back untouched (graceful stop): pending again, and the attempt is not counted."""
        ...

    async def finish_run(self, run_id: str) -> RunControl:
        """End the run if nothing is open: completed; cancelled (open files skipped) when asked to; failed when over the
        failure threshold. Writes the import_job event in the same transaction; harmless to call at any time."""
        ...

    async def fail_run(self, run_id: str, reason: str, message: str) -> RunControl:
        """End the run as failed because its source cannot be used."""
        ...

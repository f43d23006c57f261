"""The catalog as one worker on one run sees it: patient while the catalog is away, and every answer is shown to the watch.

No decision may enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from videovector_operator.catalog.port import WorkerCatalog
from videovector_operator.core.records import Candidate, ClaimedFile, FileResult, ScanLease
from videovector_operator.imports.patience import Patience
from videovector_operator.imports.watch import RunWatch


class RunCatalog:
    """What `catalog.port.WorkerCatalog` offers, for one run and one owner. Raises CatalogUnavailable once patience ends."""

    def __init__(
        self, catalog: WorkerCatalog, run_id: str, owner: str, *, lease: timedelta, patience: Patience, watch: RunWatch
    ) -> None:
        self._catalog = catalog
        self._run_id = run_id
        self._owner = owner
        self._lease = lease
        self._patience = patience
        self._watch = watch

    async def claim_scan(self) -> ScanLease | None:
        """Become the scanner, or None."""
        return await self._patience.call(lambda: self._catalog.claim_scan(self._run_id, self._owner, self._lease))

    async def add_candidates(self, candidates: Sequence[Candidate], cursor: str) -> bool:
        """Store a page; False = the scan's lease was lost."""
        return await self._patience.call(
            lambda: self._catalog.add_candidates(self._run_id, self._owner, candidates, cursor, self._lease)
        )

    async def finish_scan(self) -> bool:
        """Mark the scan done; False = the lease was lost."""
        return await self._patience.call(lambda: self._catalog.finish_scan(self._run_id, self._owner))

    async def claim_files(self, limit: int) -> Sequence[ClaimedFile]:
        """Lease files."""
        return await self._patience.call(
            lambda: self._catalog.claim_files(self._run_id, self._owner, limit, self._lease)
        )

    async def renew_leases(self, current_file: str | None) -> None:
        """Give a sign of life."""
        self._watch.observe(
            await self._patience.call(
                lambda: self._catalog.renew_leases(self._run_id, self._owner, self._lease, current_file=current_file)
            )
        )

    async def register_files(self, results: Sequence[FileResult]) -> None:
        """Store results."""
        self._watch.observe(
            await self._patience.call(lambda: self._catalog.register_files(self._run_id, self._owner, results))
        )

    async def release_files(self, paths: Sequence[str]) -> None:
        """Give files back."""
        await self._patience.call(lambda: self._catalog.release_files(self._run_id, self._owner, paths))

    async def finish_run(self) -> None:
        """End the run if that is due."""
        self._watch.observe(await self._patience.call(lambda: self._catalog.finish_run(self._run_id)))

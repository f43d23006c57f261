"""Drives runs for the operator's tests: as workers do on PostgreSQL, by setters on the fake."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from tests.contract.catalog_samples import failed, imported, observe, scan, work
from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.names import media_id
from videovector_operator.core.records import FileOutcome, FileState, KindTotals, RunCounters, RunFile, RunState


class Driver(Protocol):
    """Puts a run into a state, whatever the catalog is."""

    @property
    def catalog(self) -> OperatorCatalog:
        """The catalog that the test asks."""

    async def start(self, run_id: str) -> None:
        """Begin the run."""

    async def list_files(self, run_id: str, paths: list[str]) -> None:
        """Begin, list all files and finish the scan."""

    async def do_files(self, run_id: str, *, imports: list[str], failures: list[str]) -> None:
        """Settle some of the listed files, each of 100 bytes with 10 read."""

    async def finish(self, run_id: str) -> None:
        """End the run if it is due."""


class PostgresDriver:
    """The driver of the real one."""

    def __init__(self, catalog: PostgresCatalog) -> None:
        self.catalog = catalog

    async def start(self, run_id: str) -> None:
        await self.catalog.start_run(run_id)

    async def list_files(self, run_id: str, paths: list[str]) -> None:
        await scan(self.catalog, paths, run_id)

    async def do_files(self, run_id: str, *, imports: list[str], failures: list[str]) -> None:
        run = await observe(self.catalog, run_id)
        results = [*(imported(path, index_id=run.index_id) for path in imports), *(failed(path) for path in failures)]
        await work(self.catalog, results, run_id)

    async def finish(self, run_id: str) -> None:
        await self.catalog.finish_run(run_id)


class FakeDriver:
    """The driver of the fake."""

    def __init__(self, catalog: FakeCatalog) -> None:
        self.catalog = catalog

    async def start(self, run_id: str) -> None:
        self.catalog.start(run_id)

    async def list_files(self, run_id: str, paths: list[str]) -> None:
        self.catalog.start(run_id)
        self.catalog.set_run(run_id, state=RunState.IMPORTING, scan_done=True, counters=RunCounters(total=len(paths)))

    async def do_files(self, run_id: str, *, imports: list[str], failures: list[str]) -> None:
        run = await observe(self.catalog, run_id)
        counters = dataclasses.replace(
            run.counters,
            imported=len(imports),
            failed=len(failures),
            bytes_transferred=10 * (len(imports) + len(failures)),
        )
        self.catalog.set_run(
            run_id,
            counters=counters,
            media_ids=tuple(media_id(run.index_id, "s3://bucket", path, "v1") for path in sorted(imports)),
            failed_files=tuple(FileOutcome(path, "UnreadableMedia", "not media", 1) for path in sorted(failures)),
        )
        good = [RunFile(path, 100, FileState.IMPORTED, attempts=1) for path in imports]
        bad = [RunFile(path, 100, FileState.FAILED, "UnreadableMedia", "not media", attempts=1) for path in failures]
        self.catalog.set_files(run_id, [*good, *bad])
        self.catalog.set_totals(run.index_id, {"video": KindTotals(len(imports), 100 * len(imports))})

    async def finish(self, run_id: str) -> None:
        self.catalog.finish(run_id)

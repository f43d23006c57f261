"""`PostgresCatalog`: both faces of the catalog on one PostgreSQL. Each method is one transaction (`delete_index`: many).

What a method promises is said in `catalog.port`, what it does in the file of its topic. No SQL but `ping`'s may enter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta
from typing import Self

from typing_extensions import override

from videovector_operator.catalog import (
    admission,
    endings,
    files,
    indexes,
    listening,
    listing,
    rates,
    registration,
    runs,
    scan,
    summary,
)
from videovector_operator.catalog.outcome import Ending
from videovector_operator.catalog.pool import Connection, Database, Timeouts
from videovector_operator.catalog.port import OperatorCatalog, WorkerCatalog
from videovector_operator.catalog.schema import MIGRATE_COMMAND, SCHEMA_REVISION
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
from videovector_operator.errors import CatalogUnavailable


class PostgresCatalog(OperatorCatalog, WorkerCatalog):
    """The catalog. Safe for concurrent use by the tasks of one event loop; ``async with`` opens and closes it.

    Connections are made when first needed, at most ``max_connections`` at a time, plus one for each `listen`.
    """

    def __init__(self, dsn: str, *, max_connections: int = 4, timeouts: Timeouts | None = None) -> None:
        self._database = Database(dsn, max_size=max_connections, timeouts=timeouts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; the object cannot be used afterwards."""
        await self._database.close()

    # The operator's face.

    @override
    async def ping(self) -> None:
        revision = await self._database.run(_read_revision)
        if revision == SCHEMA_REVISION:
            return
        found = "no schema" if revision is None else f"schema {revision}"
        raise CatalogUnavailable(
            f"PostgreSQL answers, but has {found} where this version needs {SCHEMA_REVISION}: run `{MIGRATE_COMMAND}` of "
            "the newer of the two versions."
        )

    @override
    async def ensure_index(self, index_id: str, namespace: str, name: str) -> None:
        await self._database.run(lambda c: indexes.ensure_index(c, index_id, namespace, name))

    @override
    async def observe_index(self, index_id: str) -> IndexSummary:
        return await self._database.run(lambda c: indexes.observe_index(c, index_id))

    @override
    async def delete_index(self, index_id: str, *, batch: int = 5000) -> int:
        await self._database.run(lambda c: indexes.stop_runs(c, index_id), seconds=endings.ENDING_SECONDS)
        total = 0
        while deleted := await self._database.run(lambda c: indexes.delete_media_batch(c, index_id, batch)):
            total += deleted
        while await self._database.run(lambda c: indexes.delete_run_batch(c, index_id, batch)):
            pass
        await self._database.run(lambda c: indexes.delete_index_row(c, index_id))
        return total

    @override
    async def admit_run(
        self, spec: RunSpec, max_concurrent_runs: int | None = None, *, unfinished: Collection[str] = ()
    ) -> bool:
        return await self._database.run(lambda c: admission.admit_run(c, spec, max_concurrent_runs, unfinished))

    @override
    async def open_runs(self, connector_id: str) -> Sequence[OpenRun]:
        return await self._database.run(lambda c: admission.open_runs(c, connector_id))

    @override
    async def set_request_limit(self, connector_id: str, limit: int | None) -> None:
        await self._database.run(lambda c: rates.set_request_limit(c, connector_id, limit))

    @override
    async def observe_run(self, run_id: str, *, list_limit: int = 50) -> RunSummary | None:
        return await self._database.run(lambda c: summary.observe_run(c, run_id, list_limit))

    @override
    async def request_cancel(self, run_id: str) -> None:
        await self._database.run(lambda c: runs.request_cancel(c, run_id))

    @override
    async def end_run(self, run_id: str, state: RunState, reason: str, message: str) -> bool:
        if state not in (RunState.FAILED, RunState.CANCELLED):
            raise ValueError(f"a run is ended from outside as failed or cancelled, not as {state}")
        ending = Ending(state, reason, message)
        return await self._database.run(lambda c: endings.end_run(c, run_id, ending), seconds=endings.ENDING_SECONDS)

    @override
    async def changed_runs(self, within: timedelta) -> Sequence[tuple[str, str, str]]:
        return await self._database.run(lambda c: runs.changed_runs(c, within))

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
        return await self._database.run(
            lambda c: listing.list_run_files(c, run_id, state, reason, after=after, limit=limit)
        )

    @override
    def listen(self) -> AsyncIterator[str]:
        return listening.listen(self._database)

    # A worker's face.

    @override
    async def load_run(self, run_id: str) -> RunSpec | None:
        return await self._database.run(lambda c: runs.load_run(c, run_id))

    @override
    async def start_run(self, run_id: str) -> RunControl:
        return await self._database.run(lambda c: runs.start_run(c, run_id))

    @override
    async def claim_scan(self, run_id: str, owner: str, lease: timedelta) -> ScanLease | None:
        return await self._database.run(lambda c: scan.claim_scan(c, run_id, owner, lease))

    @override
    async def add_candidates(
        self, run_id: str, owner: str, candidates: Sequence[Candidate], cursor: str, lease: timedelta
    ) -> bool:
        return await self._database.run(
            lambda c: scan.add_candidates(c, run_id, owner, candidates, cursor=cursor, lease=lease)
        )

    @override
    async def finish_scan(self, run_id: str, owner: str) -> bool:
        return await self._database.run(lambda c: scan.finish_scan(c, run_id, owner))

    @override
    async def claim_files(self, run_id: str, owner: str, limit: int, lease: timedelta) -> Sequence[ClaimedFile]:
        claimed = await self._database.run(lambda c: files.claim_files(c, run_id, owner, limit, lease))
        if len(claimed) < limit:
            await self._database.run(lambda c: files.close_crashed_files(c, run_id))
        return claimed

    @override
    async def renew_leases(
        self, run_id: str, owner: str, lease: timedelta, *, current_file: str | None = None
    ) -> RunControl:
        return await self._database.run(lambda c: files.renew_leases(c, run_id, owner, lease, current_file))

    @override
    async def register_files(self, run_id: str, owner: str, results: Sequence[FileResult]) -> RunControl:
        return await self._database.run(
            lambda c: registration.register_files(c, run_id, owner, results), seconds=endings.ENDING_SECONDS
        )

    @override
    async def release_files(self, run_id: str, owner: str, paths: Sequence[str]) -> None:
        await self._database.run(lambda c: files.release_files(c, run_id, owner, paths))

    @override
    async def finish_run(self, run_id: str) -> RunControl:
        return await self._database.run(lambda c: endings.finish_run(c, run_id), seconds=endings.ENDING_SECONDS)

    @override
    async def fail_run(self, run_id: str, reason: str, message: str) -> RunControl:
        return await self._database.run(
            lambda c: endings.fail_run(c, run_id, reason, message), seconds=endings.ENDING_SECONDS
        )

    @override
    async def reserve_requests(self, connector_id: str, count: int) -> Reservation | None:
        return await self._database.run(lambda c: rates.reserve_requests(c, connector_id, count), one_statement=True)

    @override
    async def confirm_reservation(self, connector_id: str, revision: int) -> bool:
        return await self._database.run(
            lambda c: rates.confirm_reservation(c, connector_id, revision), one_statement=True
        )

    @override
    async def report_throttled(self, connector_id: str, retry_after: float) -> None:
        await self._database.run(lambda c: rates.report_throttled(c, connector_id, retry_after), one_statement=True)


async def _read_revision(connection: Connection) -> str | None:
    row = await (await connection.execute("SELECT version_num FROM alembic_version")).fetchone()
    return None if row is None else str(row["version_num"])

"""The scan: list the source, filter, store page by page. One worker at a time does it; any other goes on from its cursor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from videovector_operator.core.file_filter import FileFilter
from videovector_operator.core.records import Candidate, RunSpec
from videovector_operator.imports.run_catalog import RunCatalog
from videovector_operator.imports.source import ImportSource
from videovector_operator.imports.watch import RunWatch
from videovector_operator.storage.port import ListPage, ObjectInfo

_PAGES_AHEAD = 2
_TAKE_OVER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ListedPage:
    """One page, filtered; ``cursor`` is the last key of the listing that it stands for."""

    candidates: Sequence[Candidate]
    cursor: str


class Scanner:
    """Scans one run, or stands by while another worker does."""

    def __init__(self, run: RunSpec, catalog: RunCatalog, source: ImportSource, watch: RunWatch) -> None:
        self._run = run
        self._catalog = catalog
        self._source = source
        self._watch = watch
        self._filter = FileFilter(run.file_pattern, run.source_prefix, excluded_prefix=run.excluded_prefix)

    async def run(self) -> None:
        """Return when the scan is done, by whomever, or the run is to stop. Raises SourceUnusable or SourceOutage."""
        while not self._watch.should_stop and not self._watch.control.scan_done:
            lease = await self._catalog.claim_scan()
            if lease is None:
                # Somebody else scans, or has just finished: the heartbeat will tell which.
                await self._watch.wait(_TAKE_OVER_SECONDS)
            elif await self._scan_from(lease.cursor):
                return

    async def _scan_from(self, cursor: str) -> bool:
        """List and store at the same time. False = the lease was lost."""
        pages: asyncio.Queue[ListedPage | None] = asyncio.Queue(_PAGES_AHEAD)
        async with asyncio.TaskGroup() as group:
            listing = group.create_task(self._list(cursor, pages))
            is_complete = await self._store(pages)
            listing.cancel()
        return is_complete and await self._catalog.finish_scan()

    async def _list(self, cursor: str, pages: asyncio.Queue[ListedPage | None]) -> None:
        prefix, recursive = self._run.source_prefix, self._run.recursive
        async for page in self._source.list_pages(prefix, recursive=recursive, start_after=cursor):
            await pages.put(self._filter_page(page))
        await pages.put(None)

    async def _store(self, pages: asyncio.Queue[ListedPage | None]) -> bool:
        while (page := await pages.get()) is not None:
            if not await self._catalog.add_candidates(page.candidates, page.cursor) or self._watch.should_stop:
                return False
        return True

    def _filter_page(self, page: ListPage) -> ListedPage:
        found = (self._filter_object(entry) for entry in page.objects)
        return ListedPage([candidate for candidate in found if candidate is not None], page.last_key)

    def _filter_object(self, entry: ObjectInfo) -> Candidate | None:
        choice = self._filter.decide_file(entry.key, entry.size)
        if choice is None:
            return None
        reason = None if choice.skip_reason is None else choice.skip_reason.value
        return Candidate(entry.key, entry.size, entry.fingerprint, entry.modified_at, reason, choice.message)

"""Ends the runs of ImportJobs that were deleted while they ran: their Jobs go by owner reference, their rows in the catalog
would stay open for ever. A courtesy to readers of the catalog; a deletion that nobody saw costs nothing but a stale row.

Ending every run that has no ImportJob would heal that too, but two operators may share a catalog, and each would end the
other's runs.
"""

from __future__ import annotations

import asyncio

import structlog

from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.core import names
from videovector_operator.core.records import RunState
from videovector_operator.errors import CatalogUnavailable

_WAITING = 4096
_TRIES = 5
_RETRY_SECONDS = 5.0
_MESSAGE = "its ImportJob was deleted; what was imported stays"
_log = structlog.get_logger(__name__)


class Departures:
    """Runs to end, by the uid of their ImportJob."""

    def __init__(self, catalog: OperatorCatalog) -> None:
        self._catalog = catalog
        self._uids: asyncio.Queue[str] = asyncio.Queue(_WAITING)

    def note(self, uid: str) -> None:
        """An ImportJob is gone."""
        if not self._uids.full():
            self._uids.put_nowait(uid)

    async def run(self) -> None:
        """End the runs, until cancelled."""
        while True:
            await self._end(names.import_run_id(await self._uids.get()))

    async def _end(self, run_id: str) -> None:
        for _ in range(_TRIES):
            try:
                if await self._catalog.end_run(run_id, RunState.CANCELLED, Reason.CANCELLED, _MESSAGE):
                    _log.info("run ended: its ImportJob was deleted", run=run_id)
            except CatalogUnavailable as error:
                _log.warning("run not ended", run=run_id, error=error.message)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

"""Wake-ups from the catalog: workers hold no Kubernetes credentials, so their progress is learnt here.

NOTIFY says that something changed, a poll every two seconds backs it up; what changed is then asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog

from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import CatalogUnavailable

_POLL_SECONDS = 2.0
_SETTLE_SECONDS = 0.3
_LOOK_BACK = timedelta(seconds=10)
_RECONNECT_SECONDS = 2.0
_INDEX_DELAY_SECONDS = 1.0
_log = structlog.get_logger(__name__)

Enqueue = Callable[[ObjectKey, float], None]
FindIndex = Callable[[ObjectKey], ObjectKey | None]


class CatalogWakes:
    """Turns changed runs into keys. ``find_index`` names the Index of an ImportJob, if that is known; ``on_recovery`` is
    called when the catalog answers again after an outage: whatever waited for it need not wait for its backoff."""

    def __init__(
        self, catalog: OperatorCatalog, enqueue: Enqueue, find_index: FindIndex, on_recovery: Callable[[], None]
    ) -> None:
        self._catalog = catalog
        self._enqueue = enqueue
        self._find_index = find_index
        self._on_recovery = on_recovery
        self._was_away = False
        self._notified = asyncio.Event()

    async def listen(self) -> None:
        """Turn PostgreSQL's notifications into wake-ups, until cancelled."""
        while True:
            try:
                async for _ in self._catalog.listen():
                    self._notified.set()
            except CatalogUnavailable as error:
                _log.warning("not listening to the catalog", error=error.message)
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def poll(self) -> None:
        """Ask what changed when told so, and every two seconds anyway, until cancelled."""
        while True:
            try:
                # Not wait_for: Python 3.11's forgets that it was cancelled when the notification comes in the same moment.
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._notified.wait()
                # Many changes come together: one look for all of them.
                await asyncio.sleep(_SETTLE_SECONDS)
            except TimeoutError:
                pass
            self._notified.clear()
            await self._look()

    async def _look(self) -> None:
        try:
            changed = await self._catalog.changed_runs(_LOOK_BACK)
        except CatalogUnavailable as error:
            _log.warning("catalog not asked", error=error.message)
            self._was_away = True
            return
        if self._was_away:
            self._was_away = False
            self._on_recovery()
        for namespace, name, _ in changed:
            key = ObjectKey("ImportJob", namespace, name)
            self._enqueue(key, 0.0)
            index = self._find_index(key)
            if index is not None:
                self._enqueue(index, _INDEX_DELAY_SECONDS)

"""`FakeRequestRates`: the line of each Connector in memory, by `core.pace`. The contract suite runs over it and over PostgreSQL.

The fakes of both faces of the catalog are made with it. No SQL and no I/O may enter.
"""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from videovector_operator.catalog.port import RequestRates
from videovector_operator.core.pace import Line, change_limit, reserve, slow_down, summarize_line
from videovector_operator.core.records import RequestRate, Reservation


class FakeRequestRates(RequestRates):
    """``clock`` gives seconds; for `observe` it must be Unix time. ``calls`` counts what workers asked."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lines: dict[str, Line] = {}
        self.calls = 0
        self._clock = clock

    def set_limit(self, connector_id: str, limit: int | None) -> None:
        """See `OperatorCatalog.set_request_limit`."""
        line = change_limit(self.lines.get(connector_id), limit, self._clock())
        if line is not None:
            self.lines[connector_id] = line

    def limit_of(self, connector_id: str) -> int | None:
        """The limit; None = there is none."""
        line = self.lines.get(connector_id)
        return None if line is None else line.limit

    def observe(self, connector_id: str) -> RequestRate | None:
        """What a run's summary says of it."""
        return summarize_line(self.lines.get(connector_id), self._clock())

    @override
    async def reserve_requests(self, connector_id: str, count: int) -> Reservation | None:
        self.calls += 1
        line = self.lines.get(connector_id)
        if line is None:
            return None
        self.lines[connector_id], reservation = reserve(line, count, self._clock())
        return reservation

    @override
    async def confirm_reservation(self, connector_id: str, revision: int) -> bool:
        self.calls += 1
        line = self.lines.get(connector_id)
        return line is not None and line.limit is not None and line.revision == revision

    @override
    async def report_throttled(self, connector_id: str, retry_after: float) -> None:
        self.calls += 1
        line = self.lines.get(connector_id)
        if line is not None:
            self.lines[connector_id] = slow_down(line, retry_after, self._clock())

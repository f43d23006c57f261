"""Turns: who of a Connector's waiting runs may begin, by its maxConcurrentRuns. Pure.

First come, first served: by creationTimestamp, then by name. How many run already is counted by the catalog, which has the
last word (`OperatorCatalog.admit_run`); here is decided who may ask it.
"""

from __future__ import annotations

from dataclasses import dataclass

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import conditions
from videovector_operator.core.conditions import Verdict

_TEENS = (11, 12, 13)
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an ImportJob stands in the queue of its Connector."""

    position: int = 1
    """1 = next."""
    is_certain: bool = True
    """False while one that came before has not been looked at: it may want to go first."""
    is_refused: bool = False
    """True when the catalog has just said that as many runs are active as may be."""

    @property
    def is_first(self) -> bool:
        """True when nobody goes before it."""
        return self.position == 1 and self.is_certain


def check_turn(connector: Connector, place: Place) -> Verdict | None:
    """Say that the run must wait for its turn; None = it may ask to begin. No limit, no queue."""
    limit = connector.spec.max_concurrent_runs
    if limit is None or (place.is_first and not place.is_refused):
        return None
    begins = (
        "it begins when an active run has ended"
        if place.position == 1
        else "it begins when those before it have begun and another run has ended"
    )
    message = (
        f"{ordinal(place.position)} in the queue of Connector {connector.metadata.name!r} "
        f"(maxConcurrentRuns {limit}): {begins}"
    )
    return conditions.progressing(Reason.QUEUED, message, "Unknown")


def ordinal(number: int) -> str:
    """Write 1st, 2nd, 3rd, 4th, …, 11th, …, 21st."""
    ending = "th" if number % 100 in _TEENS else _ENDINGS.get(number % 10, "th")
    return f"{number}{ending}"

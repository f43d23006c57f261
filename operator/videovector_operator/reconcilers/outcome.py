"""What a reconciler hands back: the status to publish, when to look again, and what is worth an Event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from videovector_operator.api.v1alpha1.common import Status
from videovector_operator.core.notices import Notice

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``status`` None = publish nothing (the object is going away); ``requeue_after`` None = wait for a trigger."""

    status: Status | None
    requeue_after: float | None = None
    notices: tuple[Notice, ...] = ()


def seconds_until(moment: datetime | None, now: datetime) -> float | None:
    """Seconds from ``now`` to ``moment``, at least a tenth; None = never."""
    return None if moment is None else max((moment - now).total_seconds(), 0.1)

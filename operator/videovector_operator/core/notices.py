"""Which Kubernetes Events a change of status is worth. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from videovector_operator.api.v1alpha1.common import Status
from videovector_operator.api.v1alpha1.reasons import ConditionType, Reason
from videovector_operator.core.conditions import find_condition

CONNECTOR_GONE = "is gone: the run goes on with the access it began with"
"""By these words a run's message says that its Connector was deleted; when they come, it is worth an Event."""

_QUIET = frozenset({Reason.SCANNING, Reason.INDEX_READY})
"""Reasons that tell nobody anything new."""
_AWAITED = frozenset({Reason.CONNECTOR_NOT_FOUND, Reason.INDEX_NOT_FOUND})
"""Nothing is wrong while what an object names may be about to come: an Event when it has not come."""
_WARNINGS = frozenset({Reason.CONNECTOR_DELETED})
"""Warnings, whatever Ready is."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing worth a Kubernetes Event."""

    type: Literal["Normal", "Warning"]
    reason: Reason
    message: str


def decide_notices(old: Status, new: Status) -> tuple[Notice, ...]:
    """An Event when Ready changes its status or reason, Warning when it becomes False; and one when a run has lost its
    Connector."""
    before = find_condition(old.conditions, ConditionType.READY)
    after = find_condition(new.conditions, ConditionType.READY)
    if after is None:
        return ()
    notices = []
    if CONNECTOR_GONE in after.message and (before is None or CONNECTOR_GONE not in before.message):
        notices.append(Notice("Warning", Reason.CONNECTOR_DELETED, after.message))
    is_known = before is not None and (before.status, before.reason) == (after.status, after.reason)
    is_awaited = after.reason in _AWAITED and after.status == "Unknown"
    if not is_known and not is_awaited and after.reason not in _QUIET:
        is_warning = after.status == "False" or after.reason in _WARNINGS
        notices.append(Notice("Warning" if is_warning else "Normal", Reason(after.reason), after.message))
    return tuple(notices)

"""Which Kubernetes Events a change of status is worth. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from videovector_operator.api.v1alpha1.common import Status
from videovector_operator.api.v1alpha1.reasons import ConditionType, Reason
from videovector_operator.core.conditions import find_condition

_QUIET = frozenset({Reason.SCANNING, Reason.INDEX_READY})
"""Reasons that tell nobody anything new."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing worth a Kubernetes Event."""

    type: Literal["Normal", "Warning"]
    reason: Reason
    message: str


def decide_notices(old: Status, new: Status) -> tuple[Notice, ...]:
    """An Event when Ready changes its status or reason; Warning when it becomes False."""
    before = find_condition(old.conditions, ConditionType.READY)
    after = find_condition(new.conditions, ConditionType.READY)
    if after is None or after.reason in _QUIET:
        return ()
    if before is not None and (before.status, before.reason) == (after.status, after.reason):
        return ()
    kind: Literal["Normal", "Warning"] = "Warning" if after.status == "False" else "Normal"
    return (Notice(kind, Reason(after.reason), after.message),)

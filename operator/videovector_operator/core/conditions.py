"""Conditions as kstatus, Flux and Argo CD read them. Pure.

=============  =======  ===========================  ==================
state          Ready    beside it                    kstatus says
=============  =======  ===========================  ==================
ready          True     nothing                      Current
progressing    Unknown  Reconciling=True             InProgress
retrying       False    Reconciling=True (…Retry)    InProgress
stalled        False    Stalled=True                 Failed
=============  =======  ===========================  ==================

Reconciling and Stalled are abnormal-true: absent unless true. No other place in the project makes conditions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from videovector_operator.api.v1alpha1.common import Condition
from videovector_operator.api.v1alpha1.reasons import ConditionType, Reason

_MAX_MESSAGE = 2048
_ORDER = tuple(ConditionType)

Truth = Literal["True", "False", "Unknown"]


class State(StrEnum):
    """The four states of an object."""

    READY = "ready"
    PROGRESSING = "progressing"
    RETRYING = "retrying"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to publish: a state with its reason and sentence; ``succeeded`` is for runs only."""

    state: State
    reason: Reason
    message: str
    succeeded: Truth | None = None

    @property
    def is_final(self) -> bool:
        """True when the present generation is dealt with: nothing goes on by itself."""
        return self.state in (State.READY, State.STALLED)


def ready(reason: Reason, message: str, succeeded: Truth | None = None) -> Verdict:
    """All is as the user wanted it."""
    return Verdict(State.READY, reason, message, succeeded)


def progressing(reason: Reason, message: str, succeeded: Truth | None = None) -> Verdict:
    """Work goes on, or waits for something that will tell us."""
    return Verdict(State.PROGRESSING, reason, message, succeeded)


def retrying(reason: Reason, message: str, succeeded: Truth | None = None) -> Verdict:
    """It failed in a way that may pass; it will be tried again."""
    return Verdict(State.RETRYING, reason, message, succeeded)


def stalled(reason: Reason, message: str, succeeded: Truth | None = None) -> Verdict:
    """Only the user can go on from here."""
    return Verdict(State.STALLED, reason, message, succeeded)


def build_conditions(
    verdict: Verdict, *, previous: Iterable[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Build the conditions of ``verdict``; a condition whose status stays keeps its lastTransitionTime."""
    before = {condition.type: condition for condition in previous}
    wanted = _wanted(verdict)
    result = []
    for kind in _ORDER:
        if kind not in wanted:
            continue
        status, reason = wanted[kind]
        old = before.get(kind)
        since = old.last_transition_time if old is not None and old.status == status else now.replace(microsecond=0)
        result.append(
            Condition(
                type=kind,
                status=status,
                reason=reason,
                message=shorten(verdict.message, _MAX_MESSAGE),
                observed_generation=generation,
                last_transition_time=since,
            )
        )
    return tuple(result)


def _wanted(verdict: Verdict) -> dict[ConditionType, tuple[Truth, Reason]]:
    wanted: dict[ConditionType, tuple[Truth, Reason]] = {}
    match verdict.state:
        case State.READY:
            wanted[ConditionType.READY] = ("True", verdict.reason)
        case State.PROGRESSING:
            wanted[ConditionType.READY] = ("Unknown", verdict.reason)
            wanted[ConditionType.RECONCILING] = ("True", verdict.reason)
        case State.RETRYING:
            wanted[ConditionType.READY] = ("False", verdict.reason)
            wanted[ConditionType.RECONCILING] = ("True", Reason.PROGRESSING_WITH_RETRY)
        case State.STALLED:
            wanted[ConditionType.READY] = ("False", verdict.reason)
            wanted[ConditionType.STALLED] = ("True", verdict.reason)
    if verdict.succeeded is not None:
        wanted[ConditionType.SUCCEEDED] = (verdict.succeeded, verdict.reason)
    return wanted


def find_condition(conditions: Iterable[Condition], kind: ConditionType) -> Condition | None:
    """Return the condition of that type, or None."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: ConditionType) -> bool:
    """True when the condition is present and True."""
    found = find_condition(conditions, kind)
    return found is not None and found.status == "True"


def observed_generation(verdict: Verdict, *, previous: int, generation: int) -> int:
    """The generation to publish: the present one only when it is dealt with (Flux's rule)."""
    return generation if verdict.is_final else previous


def shorten(text: str, limit: int) -> str:
    """Cut ``text`` to ``limit`` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"

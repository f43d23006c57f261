"""How an object stands, read from its conditions: what people look at first comes first. Pure, over plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from videovector_operator.api.v1alpha1.reasons import Phase, Reason

Json = dict[str, Any]
ENDED_PHASES = frozenset({Phase.COMPLETED.value, Phase.FAILED.value, Phase.CANCELLED.value})


class Standing(StrEnum):
    """From what is wrong to what is well. Cancelled is what somebody wanted, so it is not wrong."""

    STALLED = "Stalled"
    RETRYING = "Retrying"
    STUCK = "Stuck"
    """Its deletion does not come to an end."""
    DEGRADED = "Degraded"
    """It works, or has ended, but not all is well: files that failed, a test that failed and is borne."""
    PROGRESSING = "Progressing"
    DELETING = "Deleting"
    CANCELLED = "Cancelled"
    READY = "Ready"


ORDER = tuple(Standing)
_LONGEST_DELETION = 300.0
"""Seconds after which a deletion is stuck: whoever holds it is not there, or waits for something."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One object at a glance."""

    standing: Standing
    reason: str
    message: str


def read_standing(body: Json, *, now: float | None = None) -> Seen:
    """Read the conditions, in the order of kstatus. An object that nobody has looked at yet is progressing.

    ``now`` is Unix time; None = it is of no interest whether a deletion is stuck.
    """
    found = {entry.get("type"): entry for entry in (body.get("status") or {}).get("conditions") or ()}
    ready = found.get("Ready", {})
    reason, message = str(ready.get("reason", "")), str(ready.get("message", ""))
    if body["metadata"].get("deletionTimestamp"):
        return _read_deletion(body, now, Seen(Standing.DELETING, reason, message))
    if not ready:
        return Seen(Standing.PROGRESSING, "", "nobody has looked at it yet: is the operator running?")
    return Seen(_standing_of(body, found, ready), reason, message)


def _standing_of(body: Json, found: Mapping[Any, Json], ready: Json) -> Standing:
    """What was said of an older generation says nothing of this one, also what was wrong with it."""
    if is_outdated(body):
        return Standing.PROGRESSING
    if _is_true(found, "Stalled"):
        return Standing.CANCELLED if ready.get("reason") == Reason.CANCELLED else Standing.STALLED
    match ready.get("status"):
        case "True":
            return Standing.DEGRADED if _is_degraded(body, ready) else Standing.READY
        case "Unknown":
            return Standing.PROGRESSING
        case _:
            return Standing.RETRYING


def _read_deletion(body: Json, now: float | None, seen: Seen) -> Seen:
    began = str(body["metadata"]["deletionTimestamp"])
    if now is None or now - datetime.fromisoformat(began).timestamp() < _LONGEST_DELETION:
        return seen
    held = ", ".join(body["metadata"].get("finalizers") or ()) or "something"
    said = f" Said last: {seen.message}" if seen.message else ""
    message = f"being deleted since {began} and held by {held}: does its controller run?{said}"
    return Seen(Standing.STUCK, seen.reason, message)


def _is_degraded(body: Json, ready: Json) -> bool:
    """Ready, but: a run some of whose files failed, or a Connector whose last test failed (Ready bears a few)."""
    last_test = (body.get("status") or {}).get("lastTestResult")
    return ready.get("reason") == Reason.COMPLETED_WITH_FAILURES or last_test == "failed"


def is_outdated(body: Json) -> bool:
    """True when the conditions speak of an older generation."""
    status = body.get("status") or {}
    ready: Json = next((entry for entry in status.get("conditions") or () if entry.get("type") == "Ready"), {})
    return int(ready.get("observedGeneration", -1)) < int(body["metadata"].get("generation", 0))


def has_ended(body: Json) -> bool:
    """True when the run of an ImportJob is over."""
    return phase_of(body) in ENDED_PHASES


def phase_of(body: Json) -> str:
    """Phase of an ImportJob."""
    return str((body.get("status") or {}).get("phase") or Phase.PENDING.value)


def is_paused(body: Json) -> bool:
    """True while the annotation says so."""
    annotations = body["metadata"].get("annotations") or {}
    return str(annotations.get("videovector.io/paused", "")).strip().lower() == "true"


def _is_true(found: Mapping[Any, Json], kind: str) -> bool:
    return bool(found.get(kind, {}).get("status") == "True")

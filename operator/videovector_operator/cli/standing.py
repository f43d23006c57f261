"""How an object stands, read from its conditions: what people look at first comes first. Pure, over plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from videovector_operator.api.v1alpha1.reasons import Phase, Reason

Json = dict[str, Any]
ENDED_PHASES = frozenset({Phase.COMPLETED.value, Phase.FAILED.value, Phase.CANCELLED.value})


class Standing(StrEnum):
    """From what is wrong to what is well. Cancelled is what somebody wanted, so it is not wrong."""

    STALLED = "Stalled"
    RETRYING = "Retrying"
    PROGRESSING = "Progressing"
    DELETING = "Deleting"
    CANCELLED = "Cancelled"
    READY = "Ready"


ORDER = tuple(Standing)


@dataclass(frozen=True, slots=True)
class Seen:
    """One object at a glance."""

    standing: Standing
    reason: str
    message: str


def read_standing(body: Json) -> Seen:
    """Read the conditions, in the order of kstatus. An object that nobody has looked at yet is progressing."""
    found = {entry.get("type"): entry for entry in (body.get("status") or {}).get("conditions") or ()}
    ready = found.get("Ready", {})
    reason, message = str(ready.get("reason", "")), str(ready.get("message", ""))
    if body["metadata"].get("deletionTimestamp"):
        return Seen(Standing.DELETING, reason, message)
    if not ready:
        return Seen(Standing.PROGRESSING, "", "nobody has looked at it yet: is the operator running?")
    if _is_true(found, "Stalled"):
        return Seen(Standing.CANCELLED if reason == Reason.CANCELLED else Standing.STALLED, reason, message)
    if is_outdated(body) or ready.get("status") == "Unknown":
        return Seen(Standing.PROGRESSING, reason, message)
    return Seen(Standing.READY if ready.get("status") == "True" else Standing.RETRYING, reason, message)


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


def _is_true(found: dict[Any, Json], kind: str) -> bool:
    return bool(found.get(kind, {}).get("status") == "True")

"""Why a worker does not start or has died, in one sentence, from its pods' states and its Job's Events. Pure.

The reader of ``kubectl get importjobs`` should not need another tool to understand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from videovector_operator.core.conditions import shorten

_REFUSED = "FailedCreate"
_COMBINED = "(combined from similar events): "
"""Before the message of an Event that stands for many (client-go, tools/record/events_cache.go)."""
_LONGEST_REFUSAL = 600
_POD_NAME = re.compile(r'\bpods? "[^"]*"', re.IGNORECASE)
_REFUSALS = ("is forbidden", "is invalid", "denied the request")
_HARMLESS = frozenset({"ContainerCreating", "PodInitializing"})
_HINTS = {
    "ErrImagePull": "the image cannot be pulled: check the chart's image value and imagePullSecrets",
    "ImagePullBackOff": "the image cannot be pulled: check the chart's image value and imagePullSecrets",
    "CreateContainerConfigError": "a Secret or ConfigMap that the pod needs is missing",
    "OOMKilled": "out of memory: raise worker.resources.limits.memory in the chart's values",
}


def diagnose_pods(pods: Iterable[Mapping[str, Any]]) -> str:
    """Say what is wrong with the worst of ``pods``; "" = nothing that a user should know."""
    findings = [finding for pod in pods if (finding := _diagnose_pod(pod))]
    return findings[-1] if findings else ""


def diagnose_refusals(events: Iterable[Mapping[str, Any]]) -> str:
    """Say why the pods of a Job cannot even be created (quota, admission policy); "" = its last Event does not say so.

    The Job controller tells it only in its Events: "Error creating: pods "x" is forbidden: exceeded quota: …".
    """
    latest = max(events, key=_order_of, default={})
    refusal = str(latest.get("message") or "").strip()
    if latest.get("reason") != _REFUSED or not refusal:
        return ""
    # Each try has another pod's name, which helps nobody and would make the status change with each.
    words = _POD_NAME.sub("pods", refusal.removeprefix(_COMBINED).removeprefix("Error creating: "))
    told = shorten(words, _LONGEST_REFUSAL).rstrip(".")
    if "is being terminated" in words:
        return f"its pods cannot be created: {told}. The namespace is being deleted"
    if any(refused in words for refused in _REFUSALS):
        return (
            f"the namespace refuses its pods: {told}. Ask who administers it to allow them, then it goes on by itself"
        )
    return f"its pods cannot be created: {told}. It is tried again"


def _order_of(event: Mapping[str, Any]) -> tuple[str, str]:
    """When it was last seen (RFC 3339, UTC); of a series only the series knows. Of one second the name decides: it ends in the
    time of its making, in hexadecimal nanoseconds."""
    series = event.get("series") or {}
    seen = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or ""
    return str(seen), str((event.get("metadata") or {}).get("name", ""))


def _diagnose_pod(pod: Mapping[str, Any]) -> str:
    name = pod.get("metadata", {}).get("name", "")
    status: Mapping[str, Any] = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"pod {name} cannot be scheduled: {condition.get('message', '')}"
    for container in status.get("containerStatuses") or ():
        found = _diagnose_container(container.get("state") or {})
        if found:
            return f"pod {name}: {found}"
    if status.get("phase") == "Failed" and status.get("message"):
        return f"pod {name} failed: {status['message']}"
    return ""


def _diagnose_container(state: Mapping[str, Any]) -> str:
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason") or "")
    if reason and reason not in _HARMLESS:
        return _with_hint(reason, str(waiting.get("message") or ""))
    terminated = state.get("terminated") or {}
    code = terminated.get("exitCode")
    if code:
        ended = str(terminated.get("reason") or "Error")
        return _with_hint(ended, f"exit code {code}")
    return ""


def _with_hint(reason: str, detail: str) -> str:
    hint = _HINTS.get(reason, "")
    return ": ".join(part for part in (reason, hint or detail) if part)

"""What other programs read in our objects: kstatus' verdict, and the rules that Flux holds conditions to.

`check_status` is meant as a property: every state of every object that a test passes through must satisfy it.
Objects are plain dictionaries, as kubectl shows them. Nothing of the operator may be imported: this is the outside view.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

Json = dict[str, Any]
KStatus = Literal["Terminating", "InProgress", "Failed", "Current"]

ABNORMAL = ("Reconciling", "Stalled")
"""Conditions of negative polarity: absent unless true."""


def compute_kstatus(obj: Json) -> KStatus:
    """Say what kstatus (``flux``, ``kubectl wait`` of cli-utils) makes of a custom resource.

    In its order: deletion, generation, Reconciling and Stalled, Ready; an object that says nothing is Current.
    """
    meta, status = obj["metadata"], obj.get("status") or {}
    if meta.get("deletionTimestamp"):
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and observed != meta.get("generation"):
        return "InProgress"
    conditions: list[Json] = status.get("conditions") or []
    for condition in conditions:
        if condition["status"] == "True" and condition["type"] in ABNORMAL:
            return "InProgress" if condition["type"] == "Reconciling" else "Failed"
    for condition in conditions:
        if condition["type"] == "Ready":
            return "Current" if condition["status"] == "True" else "InProgress"
    return "Current"


def check_status(obj: Json, *, end_of_pass: bool = True) -> list[str]:
    """Name every rule that the object's status breaks; [] = it is in order.

    ``end_of_pass`` says that the operator has had its look at this generation: what is published now is what it means.
    """
    status: Json = obj.get("status") or {}
    conditions: list[Json] = status.get("conditions") or []
    problems = list(_check_generations(obj["metadata"], status, conditions, end_of_pass=end_of_pass))
    if conditions:
        problems += _check_conditions(conditions)
    return problems


def _check_conditions(conditions: list[Json]) -> Iterator[str]:
    truths = {condition["type"]: condition["status"] for condition in conditions}
    if len(truths) != len(conditions):
        yield "a condition type stands there twice"
    if "Ready" not in truths:
        yield "Ready is missing"
    for kind in ABNORMAL:
        if truths.get(kind, "True") != "True":
            yield f"{kind} is there with status {truths[kind]}: it must be absent unless true"
        if truths.get(kind) == "True" and truths.get("Ready") == "True":
            yield f"Ready is True beside {kind}=True"
    if "Reconciling" in truths and "Stalled" in truths:
        yield "Reconciling and Stalled are both there"
    if "Stalled" in truths and truths.get("Ready") != "False":
        yield "Stalled is there, but Ready is not False"
    if truths.get("Ready") == "Unknown" and truths.get("Reconciling") != "True":
        yield "Ready is Unknown without Reconciling=True"


def _check_generations(meta: Json, status: Json, conditions: list[Json], *, end_of_pass: bool) -> Iterator[str]:
    generation = meta.get("generation", 0)
    observed = status.get("observedGeneration", -1)
    truths = {condition["type"]: condition["status"] for condition in conditions}
    of_conditions = {condition.get("observedGeneration", 0) for condition in conditions}
    if max({observed, *of_conditions}) > generation:
        yield f"an observedGeneration is ahead of the generation {generation}"
    if end_of_pass and truths.get("Ready") == "True" and observed < generation:
        yield f"Ready is True, but observedGeneration {observed} is behind the generation {generation}"
    if truths.get("Ready") == "True" and len(of_conditions) > 1:
        yield f"Ready is True, but the conditions speak of several generations: {sorted(of_conditions)}"
    if observed > 0 and not conditions:
        yield "status.observedGeneration is written, but there are no conditions"


def check_step(before: Json | None, after: Json) -> list[str]:
    """Name every rule that the step from ``before`` to ``after`` breaks (None = the object is new).

    status.observedGeneration moves only when the object is Ready or Stalled, and never back; a condition whose status
    stays keeps its lastTransitionTime, one whose status changes does not.
    """
    old: Json = ((before or {}).get("status") or {}) if before else {}
    new: Json = after.get("status") or {}
    if before is not None and before["metadata"].get("uid") != after["metadata"].get("uid"):
        old = {}
    problems = []
    was, now = old.get("observedGeneration", -1), new.get("observedGeneration", -1)
    truths = {condition["type"]: condition["status"] for condition in new.get("conditions") or []}
    if now < was:
        problems.append(f"observedGeneration went back from {was} to {now}")
    if now != was and "True" not in (truths.get("Ready"), truths.get("Stalled")):
        problems.append(f"observedGeneration was written ({was} to {now}) while neither Ready nor Stalled")
    earlier = {condition["type"]: condition for condition in old.get("conditions") or []}
    for condition in new.get("conditions") or []:
        previous = earlier.get(condition["type"])
        if previous is None or previous["status"] != condition["status"]:
            continue
        if previous["lastTransitionTime"] != condition["lastTransitionTime"]:
            problems.append(f"lastTransitionTime of {condition['type']} moved while its status stayed")
    return problems

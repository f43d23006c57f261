"""`FakeCluster`: an API server in memory, for tests of what stands before the cluster port.

The contract suite runs over it and over a real API server. What users and controllers would do is done by its own
methods (`apply`, `edit`, `edit_status`, `delete`); errors are injected per verb and kind. No network, clock or randomness
may enter.
"""

from __future__ import annotations

import base64
import copy
import itertools
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from videovector_operator.api.crd import build_schema
from videovector_operator.api.kinds import BY_KIND
from videovector_operator.cluster.fake_reviews import FakeReviews
from videovector_operator.cluster.port import RESOURCES, REVIEWS, Json
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError, Conflict

Verb = Literal["get", "list", "create", "patch", "patch_status"]
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

_WITH_STATUS = frozenset({*BY_KIND, "Job", "Pod"})
_WITH_GENERATION = frozenset({*BY_KIND, "Job"})
_PRECONDITIONS = ("uid", "resourceVersion")
_SERVER_OWNED = ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "namespace", "name")
_SCHEMAS = {kind: build_schema(info) for kind, info in BY_KIND.items()}
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Write:
    """One write that came through the port and was accepted; ``body`` is the manifest or the patch."""

    verb: Verb
    key: ObjectKey
    body: Json = field(repr=False)


@dataclass(slots=True)
class _Trap:
    error: ClusterError
    verb: Verb
    kind: str | None
    times: int | None


class FakeCluster:
    """An API server that forgets everything with the process.

    ``writes`` records what the port was asked to write and really wrote, ``calls`` every call. ``after_write`` is called
    when a write has been stored: what it raises reaches the caller, as if the answer had been lost. ``on_change`` hears
    what a watch would say: type, kind, object. ``reviews`` answers who somebody is and what they may do.
    """

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.calls: list[tuple[Verb, str]] = []
        self.after_write: Callable[[Write], None] | None = None
        self.on_change: list[Callable[[ChangeType, str, Json], None]] = []
        self.reviews = FakeReviews()
        self._objects: dict[ObjectKey, Json] = {}
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)
        self._traps: list[_Trap] = []

    # What users and controllers do.

    def apply(self, manifest: Json) -> Json:
        """Create an object, as kubectl would. Raises Conflict when it is there."""
        created = self._insert(manifest)
        if created is None:
            msg = f"{_key_of(manifest)} exists already"
            raise Conflict(msg, 409, "AlreadyExists")
        return created

    def edit(self, key: ObjectKey, patch: Json) -> Json:
        """Change an object, as kubectl would. Raises ClusterError 404 when it is not there."""
        return self._must(key, self._update(key, patch, status=False))

    def edit_status(self, key: ObjectKey, status: Json) -> Json:
        """Change an object's status, as its controller would. Raises ClusterError 404 when it is not there."""
        return self._must(key, self._update(key, {"status": status}, status=True))

    def delete(self, key: ObjectKey) -> None:
        """Delete an object and what it owns; while it has finalizers it only gets a deletionTimestamp."""
        body = self._objects.get(key)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return
        if body["metadata"].get("finalizers"):
            changed = copy.deepcopy(body)
            changed["metadata"]["deletionTimestamp"] = _timestamp(self._bump(changed))
            if "generation" in changed["metadata"]:
                changed["metadata"]["generation"] += 1
            self._store(key, changed, "MODIFIED")
            return
        self._remove(key)

    def find(self, key: ObjectKey) -> Json | None:
        """The stored object, past errors and records; None = there is none."""
        return copy.deepcopy(self._objects.get(key))

    def find_all(self, kind: str) -> list[Json]:
        """All stored objects of a kind, in order of namespace and name."""
        return [copy.deepcopy(self._objects[key]) for key in sorted(self._objects) if key.kind == kind]

    # Injected errors.

    def fail(self, verb: Verb, error: ClusterError, *, kind: str | None = None, times: int | None = 1) -> None:
        """Make the next ``times`` such calls raise ``error`` before they do anything; None = all of them until `heal`."""
        self._traps.append(_Trap(error, verb, kind, times))

    def heal(self) -> None:
        """Forget every injected error."""
        self._traps.clear()

    # The port.

    async def get(self, key: ObjectKey) -> Json | None:
        """Read one object; see the port."""
        self._enter("get", key.kind)
        return self.find(key)

    async def list_pages(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
    ) -> AsyncIterator[Sequence[Json]]:
        """Yield pages of one consistent list; see the port. An empty list is one empty page."""
        self._enter("list", kind)
        found = [
            body
            for body in self.find_all(kind)
            if namespace in (None, body["metadata"]["namespace"])
            and _matches(label_selector, body["metadata"].get("labels") or {})
            and _matches(field_selector, {name: _field(body, name) for name in _names(field_selector)})
        ]
        yield found[:limit]
        for start in range(limit, len(found), limit):
            self._enter("list", kind)
            yield found[start : start + limit]

    async def create(self, manifest: Json) -> Json | None:
        """Create the object; see the port."""
        self._enter("create", manifest["kind"])
        if manifest["kind"] in REVIEWS:
            return self.reviews.answer(manifest)
        created = self._insert(manifest)
        return self._written("create", _key_of(manifest), manifest, created)

    async def patch(self, key: ObjectKey, patch: Json) -> Json | None:
        """Patch all but the status; see the port."""
        self._enter("patch", key.kind)
        return self._written("patch", key, patch, self._update(key, patch, status=False))

    async def patch_status(self, key: ObjectKey, patch: Json) -> Json | None:
        """Patch nothing but the status; see the port."""
        self._enter("patch_status", key.kind)
        return self._written("patch_status", key, patch, self._update(key, patch, status=True))

    # How it works.

    def _enter(self, verb: Verb, kind: str) -> None:
        if kind not in RESOURCES:
            msg = f"the fake API knows no kind {kind!r}"
            raise ClusterError(msg, 404)
        self.calls.append((verb, kind))
        for trap in self._traps:
            if trap.verb == verb and trap.kind in (None, kind):
                if trap.times is not None:
                    trap.times -= 1
                    if trap.times <= 0:
                        self._traps.remove(trap)
                raise trap.error

    def _written(self, verb: Verb, key: ObjectKey, body: Json, result: Json | None) -> Json | None:
        if result is not None:
            write = Write(verb, key, copy.deepcopy(body))
            self.writes.append(write)
            if self.after_write is not None:
                self.after_write(write)
        return result

    def _insert(self, manifest: Json) -> Json | None:
        key = _key_of(manifest)
        if key in self._objects:
            return None
        body = copy.deepcopy(manifest)
        if key.kind in _WITH_STATUS:
            body.pop("status", None)
        meta = body["metadata"]
        meta["uid"] = f"00000000-0000-4000-8000-{next(self._uids):012d}"
        if key.kind in _WITH_GENERATION:
            meta["generation"] = 1
        meta["creationTimestamp"] = _timestamp(self._bump(body))
        self._store(key, _admit(key.kind, body), "ADDED")
        return self.find(key)

    def _update(self, key: ObjectKey, patch: Json, *, status: bool) -> Json | None:
        old = self._objects.get(key)
        if old is None or (status and key.kind not in _WITH_STATUS):
            return None
        _check_preconditions(key, old, patch.get("metadata") or {}, ("resourceVersion",) if status else _PRECONDITIONS)
        new = _admit(key.kind, _merged(key.kind, old, patch, status=status))
        if new == old:
            return self.find(key)
        if key.kind in _WITH_GENERATION and new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        self._bump(new)
        self._store(key, new, "MODIFIED")
        answer = self.find(key)
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            self._remove(key)
        return answer

    def _must(self, key: ObjectKey, body: Json | None) -> Json:
        if body is None:
            msg = f"there is no {key}"
            raise ClusterError(msg, 404, "NotFound")
        return body

    def _bump(self, body: Json) -> int:
        version = next(self._versions)
        body["metadata"]["resourceVersion"] = str(version)
        return version

    def _store(self, key: ObjectKey, body: Json, change: ChangeType) -> None:
        self._objects[key] = body
        self._tell(change, key.kind, body)

    def _remove(self, key: ObjectKey) -> None:
        """Remove for good, and let the garbage collector take what nobody else owns."""
        body = self._objects.pop(key)
        self._bump(body)
        self._tell("DELETED", key.kind, body)
        for child in [k for k, b in self._objects.items() if _is_owned_by(b, body["metadata"]["uid"])]:
            self.delete(child)

    def _tell(self, change: ChangeType, kind: str, body: Json) -> None:
        for listener in self.on_change:
            listener(change, kind, copy.deepcopy(body))


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396) and return the result, which may share parts with ``target``; neither is changed."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def _merged(kind: str, old: Json, patch: Json, *, status: bool) -> Json:
    """Patch what the endpoint may change; what belongs to the server, and the other half, stays."""
    wanted = merge_patch(copy.deepcopy(old), patch)
    if status:
        return {**copy.deepcopy(old), "status": wanted.get("status") or {}}
    if kind in _WITH_STATUS:
        wanted.pop("status", None)
        if "status" in old:
            wanted["status"] = copy.deepcopy(old["status"])
    meta = {name: value for name, value in wanted["metadata"].items() if name not in _SERVER_OWNED}
    kept = {name: value for name, value in old["metadata"].items() if name in _SERVER_OWNED}
    return {**wanted, "apiVersion": old["apiVersion"], "kind": old["kind"], "metadata": meta | kept}


def _check_preconditions(key: ObjectKey, old: Json, meta: Json, names: Sequence[str]) -> None:
    for name in names:
        wanted = meta.get(name)
        if wanted is not None and wanted != old["metadata"][name]:
            msg = f"{key}: the object has been modified ({name} is {old['metadata'][name]}, not {wanted})"
            raise Conflict(msg, 409, "Conflict")


def _admit(kind: str, body: Json) -> Json:
    """Do what the server does to every object of a kind: the CRD's defaults; stringData becomes data."""
    if kind in _SCHEMAS:
        _default(_SCHEMAS[kind], body)
    if not body["metadata"].get("finalizers", True):
        del body["metadata"]["finalizers"]
    if kind == "Secret" and "stringData" in body:
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in body.pop("stringData").items()}
        body["data"] = {**(body.get("data") or {}), **encoded}
    return body


def _default(schema: Json, value: Json) -> None:
    for name, child in schema.get("properties", {}).items():
        if name not in value and "default" in child:
            value[name] = copy.deepcopy(child["default"])
        if isinstance(value.get(name), dict):
            _default(child, value[name])


def _key_of(manifest: Json) -> ObjectKey:
    meta = manifest["metadata"]
    return ObjectKey(manifest["kind"], meta["namespace"], meta["name"])


def _is_owned_by(body: Json, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in body["metadata"].get("ownerReferences") or ())


def _timestamp(version: int) -> str:
    """A time that grows with the resourceVersion."""
    return (_EPOCH + timedelta(seconds=version)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _matches(selector: str, labels: Json) -> bool:
    return all(_matches_one(term, labels) for term in _terms(selector))


def _terms(selector: str) -> Iterator[str]:
    return (term.strip() for term in selector.split(",") if term.strip())


def _names(field_selector: str) -> Iterator[str]:
    return (re.split("!?=", term, maxsplit=1)[0] for term in _terms(field_selector))


def _field(body: Json, path: str) -> str:
    """Value at a dotted path; "" = there is none. Which fields a kind can be selected by is not known here."""
    value: Any = body
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def _matches_one(term: str, labels: Json) -> bool:
    """One equality or existence term of a selector; set terms are not known here."""
    if "(" in term or ")" in term:
        msg = f"the fake API knows no set-based selectors: {term!r}"
        raise ClusterError(msg, 400, "BadRequest")
    if "!=" in term:
        name, value = term.split("!=", 1)
        return labels.get(name.strip()) != value.strip()
    if "=" in term:
        name, value = term.replace("==", "=").split("=", 1)
        return labels.get(name.strip()) == value.strip()
    return term[1:].strip() not in labels if term.startswith("!") else term in labels

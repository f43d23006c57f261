"""What the watchers have seen: a read cache over the Cluster port, never a truth of its own.

An object that is not in the cache is asked for live, so a missing answer is always a real one. The newest
resourceVersion wins, whether it came from a watch, a list or our own write.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

from videovector_operator.cluster.port import Cluster, Json
from videovector_operator.core.keys import ObjectKey

SECRET = "Secret"  # noqa: S105 - a kind's name


class CachedCluster:
    """A Cluster whose reads of watched kinds come from what the watchers saw.

    Secrets are kept as metadata only; `get` of a Secret always asks the API. ``hear`` is told of every object that is
    stored, and (None) of every one that is forgotten.
    """

    def __init__(
        self, cluster: Cluster, watched: Iterable[str], hear: Callable[[ObjectKey, Json | None], None] | None = None
    ) -> None:
        self._cluster = cluster
        self._hear = hear or (lambda _key, _body: None)
        self._watched = frozenset(watched)
        self._objects: dict[ObjectKey, bytes] = {}
        self._versions: dict[ObjectKey, tuple[str, int]] = {}
        self._references: dict[ObjectKey, frozenset[tuple[str, str]]] = {}
        self._referrers: dict[tuple[str, str, str, str], set[ObjectKey]] = {}

    def store(self, kind: str, body: Json) -> bool:
        """Remember an object. False = this version or a newer one of it is known already."""
        meta = body["metadata"]
        key = ObjectKey(kind, meta.get("namespace", ""), meta["name"])
        version = (str(meta.get("uid", "")), _number(meta.get("resourceVersion")))
        known = self._versions.get(key)
        if known is not None and known[0] == version[0] and known[1] >= version[1] > 0:
            return False
        self._versions[key] = version
        slim = {"metadata": meta} if kind == SECRET else dict(body)
        slim["metadata"] = {name: value for name, value in meta.items() if name != "managedFields"}
        # As JSON text an object takes a tenth of what it takes as dictionaries.
        self._objects[key] = json.dumps(slim, separators=(",", ":")).encode()
        self._index_references(key, frozenset(_references_of(body)))
        self._hear(key, body)
        return True

    def forget(self, key: ObjectKey) -> None:
        """The object is gone."""
        self._versions.pop(key, None)
        self._index_references(key, frozenset())
        if self._objects.pop(key, None) is not None:
            self._hear(key, None)

    def referring(self, kind: str, namespace: str, field: str, name: str) -> tuple[ObjectKey, ...]:
        """Keys of the objects of ``kind`` whose ``spec.<field>.name`` is ``name``."""
        return tuple(self._referrers.get((kind, namespace, field, name), ()))

    def _index_references(self, key: ObjectKey, references: frozenset[tuple[str, str]]) -> None:
        before = self._references.pop(key, frozenset())
        for field, name in before - references:
            entry = (key.kind, key.namespace, field, name)
            self._referrers[entry].discard(key)
            if not self._referrers[entry]:
                del self._referrers[entry]
        for field, name in references - before:
            self._referrers.setdefault((key.kind, key.namespace, field, name), set()).add(key)
        if references:
            self._references[key] = references

    def keys(self, kind: str | None = None) -> list[ObjectKey]:
        """Keys of all known objects (of one kind)."""
        return [key for key in self._objects if kind is None or key.kind == kind]

    def peek(self, key: ObjectKey) -> Json | None:
        """What is known of the object, without asking the API."""
        data = self._objects.get(key)
        if data is None:
            return None
        parsed: Json = json.loads(data)
        return parsed

    async def get(self, key: ObjectKey) -> Json | None:
        """Read one object: from the cache if it is watched and known, else live."""
        if key.kind in self._watched and key.kind != SECRET:
            known = self.peek(key)
            if known is not None:
                return known
        return await self.get_live(key)

    async def get_live(self, key: ObjectKey) -> Json | None:
        """Read one object from the API, and remember it if it is of a watched kind."""
        body = await self._cluster.get(key)
        if key.kind in self._watched:
            if body is None:
                self.forget(key)
            else:
                self.store(key.kind, body)
        return body

    async def list_pages(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
    ) -> AsyncIterator[Sequence[Json]]:
        """List live; what comes is remembered if it is of a watched kind."""
        pages = self._cluster.list_pages(
            kind, namespace, label_selector=label_selector, field_selector=field_selector, limit=limit
        )
        async for page in pages:
            if kind in self._watched:
                for body in page:
                    self.store(kind, body)
            yield page

    async def create(self, manifest: Json) -> Json | None:
        """Create the object and remember it."""
        return self._remember(manifest["kind"], await self._cluster.create(manifest))

    async def patch(self, key: ObjectKey, patch: Json) -> Json | None:
        """Patch the object and remember the result."""
        return self._remember(key.kind, await self._cluster.patch(key, patch))

    async def patch_status(self, key: ObjectKey, patch: Json) -> Json | None:
        """Patch the status and remember the result."""
        return self._remember(key.kind, await self._cluster.patch_status(key, patch))

    def _remember(self, kind: str, body: Json | None) -> Json | None:
        if body is not None and kind in self._watched:
            self.store(kind, body)
        return body


def _references_of(body: Json) -> Iterator[tuple[str, str]]:
    for field, value in (body.get("spec") or {}).items():
        if field.endswith("Ref") and isinstance(value, dict) and isinstance(value.get("name"), str):
            yield field, value["name"]


def _number(version: object) -> int:
    """resourceVersions are ordered numbers on every etcd-backed API server (KEP-5504); anything else counts as new."""
    text = str(version)
    return int(text) if text.isdigit() else 0

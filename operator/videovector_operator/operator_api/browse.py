"""Browse a Connector's storage: list, filter and describe objects in the contract's words. Reads no object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from pydantic import ValidationError

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.cluster.port import Cluster
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.media_types import extension_of
from videovector_operator.operator_api.problems import ApiProblem, not_found
from videovector_operator.operator_api.queries import MAX_OBJECTS, BrowseQuery
from videovector_operator.reconcilers.source import observe_source
from videovector_operator.storage.port import ListPage, ObjectInfo, Source, Storage

Json = dict[str, Any]
_PAGE = 200
"""Small, because a page of a hostile server may hold 12 KiB an entry, and several people browse at once."""


@dataclass(slots=True)
class Listing:
    """What has been found so far: at most ``limit`` objects, and as many folders beside them.

    ``truncated`` = there is more; ``is_over`` = and it is not looked for; ``scanned`` counts what was looked at.
    """

    limit: int
    items: list[ObjectInfo] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    scanned: int = 0
    truncated: bool = False
    is_over: bool = False

    def scan(self) -> bool:
        """Count one entry more; False = so many have been looked at that this one is not."""
        if self.scanned >= MAX_OBJECTS:
            self.truncated = self.is_over = True
            return False
        self.scanned += 1
        return True


@dataclass(frozen=True, slots=True)
class Browser:
    """Browses Connectors. ``cluster`` reads Connectors, Secrets and CA bundles; ``open_storage`` makes no request by itself."""

    cluster: Cluster
    open_storage: Callable[[Source], Storage]

    async def browse(self, key: ObjectKey, query: BrowseQuery) -> Json:
        """List objects of a Connector's storage.

        Raises ApiProblem (404), Stalled (a Secret that does not do), StorageError, ClusterError.
        """
        body = await self.cluster.get(key)
        if body is None:
            raise not_found(f'there is no Connector "{key.name}" in namespace "{key.namespace}"')
        source = await observe_source(self.cluster, _parse(key, body))
        storage = self.open_storage(source)
        try:
            return describe(await list_objects(storage, query), recursive=query.recursive)
        finally:
            await storage.close()


def _parse(key: ObjectKey, body: Json) -> Connector:
    try:
        return Connector.model_validate(body)
    except ValidationError:
        message = f'Connector "{key.name}" was stored under an older schema and does not fit this one: see its status'
        raise ApiProblem(422, Reason.INVALID_SPEC.value, message) from None


async def list_objects(storage: Storage, query: BrowseQuery) -> Listing:
    """List until the limit is reached, or `MAX_OBJECTS` were looked at. Raises StorageError."""
    found = Listing(query.limit)
    async for page in storage.list_pages(query.prefix, recursive=query.recursive, page_size=_PAGE):
        _take_objects(found, page, query)
        _take_prefixes(found, page, query)
        if found.is_over:
            break
    return found


def _take_objects(found: Listing, page: ListPage, query: BrowseQuery) -> None:
    """Objects go first: folders of the same page must not take their place."""
    for entry in page.objects:
        matches = query.files.matches(entry.key)
        if matches and len(found.items) >= found.limit:
            found.truncated = found.is_over = True
            return
        if not found.scan():
            return
        if matches:
            found.items.append(entry)


def _take_prefixes(found: Listing, page: ListPage, query: BrowseQuery) -> None:
    """Folders have a bound of their own; when it is reached, objects behind them are still looked for."""
    for prefix in page.prefixes:
        if not found.scan():
            return
        # A folder without a name ("a//b") is meant by no pattern, and whoever looks for what lies there must see it.
        if not query.files.matches(prefix) and prefix.removesuffix("/").rpartition("/")[2]:
            continue
        if len(found.prefixes) >= found.limit:
            found.truncated = True
        else:
            found.prefixes.append(prefix)


def describe(found: Listing, *, recursive: bool) -> Json:
    """Write what was found in the contract's words; one level deep the folders below come with it."""
    reply: Json = {
        "items": [_describe_object(entry) for entry in found.items],
        "truncated": found.truncated,
        "scanned": found.scanned,
    }
    return reply if recursive else {**reply, "prefixes": found.prefixes}


def _describe_object(entry: ObjectInfo) -> Json:
    return {
        "path": entry.key,
        "name": entry.key.rstrip("/").rpartition("/")[2] or entry.key,
        "size_bytes": entry.size,
        "last_modified": entry.modified_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "content_type": entry.content_type or None,
        "extension": extension_of(entry.key),
    }

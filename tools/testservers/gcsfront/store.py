"""Objects as Google shows them, over fake-gcs-server and files: looks objects up, creates, copies and deletes them.

Small content lies in fake-gcs-server; large content in a file here, for which an empty object stands there, marked in
its metadata. The caller has checked permissions; preconditions are checked here, under the lock that covers writes.
"""

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c

from .answers import Refusal, invalid, not_found, precondition_failed
from .backend import Backend, Json, path_of

LARGEST_IN_BACKEND = 16 * 1024 * 1024
_MARK = "testserver-file"
_LONGEST_NAME = 1024
_COPIED = ("contentType", "contentEncoding", "contentDisposition", "contentLanguage", "cacheControl", "metadata")
_HIDDEN = {"acl", "metadata", "selfLink", "mediaLink"}


class Place(NamedTuple):
    """Where an object is."""

    bucket: str
    key: str


@dataclass
class Content:
    """Bytes on their way into an object: in a file, or in memory while they are few."""

    data: bytes = b""
    file: Path | None = None
    size: int = 0
    crc32c: str = ""
    md5: str = ""


class Digest:
    """Both checksums of a stream."""

    def __init__(self) -> None:
        self._crc32c: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._crc32c.update(piece)
        self._md5.update(piece)

    def results(self) -> tuple[str, str]:
        """CRC32C and MD5 in base64, as Google writes them."""
        return base64.b64encode(self._crc32c.digest()).decode(), base64.b64encode(self._md5.digest()).decode()


@dataclass(frozen=True)
class Conditions:
    """Preconditions on a live object's generation; 0 stands for no object."""

    match: str = ""
    not_match: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str], prefix: str = "if") -> "Conditions":
        """Read ifGenerationMatch and ifGenerationNotMatch, or ifSourceGeneration…."""
        found = cls(query.get(f"{prefix}GenerationMatch", ""), query.get(f"{prefix}GenerationNotMatch", ""))
        if any(value and not value.isdigit() for value in (found.match, found.not_match)):
            raise invalid("Invalid long value for a generation precondition.")
        return found

    def check(self, resource: Json | None) -> None:
        """Raise 412 unless they hold."""
        generation = resource["generation"] if resource else "0"
        if self.match not in {"", generation} or self.not_match == generation:
            raise precondition_failed()

    def excludes(self, resource: Json) -> bool:
        """Whether a reader has this very version and wants no other."""
        return bool(self.not_match == resource["generation"])


@dataclass(frozen=True)
class CopyRequest:
    """What a copy depends on, and what its result has different from the source."""

    generation: str
    source_conditions: Conditions
    conditions: Conditions
    changes: Json


@dataclass
class Store:
    """One server's objects. Writes go one after another, so that a precondition still holds when it is acted on."""

    backend: Backend
    files: Path
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, bucket: str, key: str, generation: str = "") -> Json | None:
        """The object's resource as Google would give it, or nothing."""
        found = await self.backend.find_object(bucket, key, generation)
        return None if found is None else shown(found)

    async def get(self, bucket: str, key: str, generation: str = "") -> Json:
        """The same, or Google's 404, which tells a missing bucket from a missing object."""
        found = await self.find(bucket, key, generation)
        if found is None:
            raise await self.missing(bucket, key)
        return found

    async def missing(self, bucket: str, key: str = "") -> Refusal:
        """Build the 404 for an object that was not found."""
        if not await self.backend.bucket_exists(bucket):
            return not_found("The specified bucket does not exist.")
        return not_found(f"No such object: {bucket}/{key}")

    async def content_file(self, bucket: str, key: str, generation: str = "") -> Path | None:
        """Where a large object's content lies."""
        found = await self.backend.find_object(bucket, key, generation)
        mark = ((found or {}).get("metadata") or {}).get(_MARK)
        return self.files / json.loads(mark)["file"] if mark else None

    async def create(self, bucket: str, metadata: Json, content: Content, conditions: Conditions) -> Json:
        """Create or replace an object after checking what the client has said of its content."""
        check_name(metadata["name"])
        check_declared(metadata, content)
        async with self._writing:
            conditions.check(await self.find(bucket, metadata["name"]))
            return await self._replace(bucket, metadata, content)

    async def copy(self, source: Place, destination: Place, request: CopyRequest) -> Json:
        """Copy the live object; what the request says of the new object replaces what the old one has."""
        check_name(destination.key)
        async with self._writing:
            found = await self.get(*source, request.generation)
            request.source_conditions.check(found)
            request.conditions.check(await self.find(*destination))
            large = await self.content_file(*source)
            if large is None:
                return await self._copy_small(source, destination, request)
            kept = {name: found[name] for name in _COPIED if name in found}
            copied = Content(
                b"", self.files / secrets.token_hex(16), int(found["size"]), found["crc32c"], found["md5Hash"]
            )
            assert copied.file is not None
            copied.file.hardlink_to(large)
            return await self._replace(destination.bucket, {**kept, **request.changes, "name": destination.key}, copied)

    async def delete(self, place: Place, generation: str, conditions: Conditions) -> None:
        """Delete the live object."""
        async with self._writing:
            conditions.check(await self.get(*place, generation))
            large = await self.content_file(*place)
            await self.backend.delete(*place)
            if large is not None:
                large.unlink()

    async def _replace(self, bucket: str, metadata: Json, content: Content) -> Json:
        stored = {name: value for name, value in metadata.items() if name not in {"crc32c", "md5Hash", "bucket"}}
        if content.file is not None:
            content.file = content.file.rename(self.files / secrets.token_hex(16))
            mark = {"file": content.file.name, "size": content.size, "crc32c": content.crc32c, "md5Hash": content.md5}
            stored["metadata"] = {**(stored.get("metadata") or {}), _MARK: json.dumps(mark)}
        former = await self.content_file(bucket, metadata["name"])
        created = await self.backend.insert(bucket, stored, content.data)
        if former is not None:
            former.unlink()
        return shown(created)

    async def _copy_small(self, source: Place, destination: Place, request: CopyRequest) -> Json:
        former = await self.content_file(*destination)
        target = f"{path_of(*source)}/copyTo{path_of(*destination).removeprefix('/storage/v1')}"
        status, body = await self.backend.pass_on("POST", target, json.dumps(request.changes).encode())
        if status != HTTPStatus.OK:
            raise not_found("The specified bucket does not exist.")
        if former is not None:
            former.unlink()
        return shown(json.loads(body))


def shown(resource: Json) -> Json:
    """What clients see of fake-gcs-server's resource: an etag of the generation, no ACL, large content's own facts.

    No links either: they would lead past the front.
    """
    metadata = dict(resource.get("metadata") or {})
    mark = json.loads(metadata.pop(_MARK, "{}"))
    plain = {name: value for name, value in resource.items() if name not in _HIDDEN}
    if metadata:
        plain["metadata"] = metadata
    if mark:
        plain |= {"size": str(mark["size"]), "crc32c": mark["crc32c"], "md5Hash": mark["md5Hash"]}
    version = f"{resource['generation']}/{resource.get('metageneration', '1')}"
    return {**plain, "etag": base64.b64encode(version.encode()).decode()}


def check_name(key: str) -> None:
    """Raise what Google answers to a name that no object may have."""
    forbidden = key in {"", ".", ".."} or "\r" in key or "\n" in key or key.startswith(".well-known/acme-challenge/")
    if forbidden or len(key.encode()) > _LONGEST_NAME:
        raise invalid(f"Disallowed unicode characters or length in object name '{key[:100]}'", "name")


def check_declared(metadata: Json, content: Content) -> None:
    """Compare the checksums that the client sent with those of what arrived."""
    for name, word, actual in (("crc32c", "CRC32C", content.crc32c), ("md5Hash", "MD5 hash", content.md5)):
        declared = metadata.get(name, "")
        if declared and declared != actual:
            raise invalid(f'Provided {word} "{declared}" doesn\'t match calculated {word} "{actual}".')

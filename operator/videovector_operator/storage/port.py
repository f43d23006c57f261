"""The storage port: what the rest of the project may ask of S3, Google Cloud Storage and Azure Blob Storage.

One file a provider implements it; one contract suite (`tests/contract/test_storage.py`) runs over all of them.
No provider SDK and no network call may enter this file.
Every method raises the `StorageError` branch of the error tree and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from videovector_operator.core.sources import AzureSource, GcsSource, S3Source, Source, StaticCredentials
from videovector_operator.storage.endpoint_policy import EndpointPolicy, NameService

__all__ = [
    "UNTRUSTED_CERTIFICATE",
    "AccessReport",
    "Action",
    "AzureSource",
    "GcsSource",
    "ListPage",
    "ObjectInfo",
    "Pace",
    "Permission",
    "S3Source",
    "Source",
    "StaticCredentials",
    "Storage",
    "StorageOptions",
    "Verdict",
]


UNTRUSTED_CERTIFICATE = "UntrustedCertificate"
"""Code of the Invalid that says that the server's certificate is not trusted: the only one that is no provider's."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as the provider lists it.

    ``fingerprint`` is the provider's content identity (S3: the ETag without quotes); a changed object has another one.
    ``modified_at`` is aware, UTC. ``key`` is the raw key: any Unicode text, never normalised. ``content_type`` "" = not said
    (S3's listings do not). ``checksum`` is what the provider vouches for, as ``algorithm:base64`` ("" = nothing).
    """

    key: str
    size: int
    fingerprint: str
    modified_at: datetime
    storage_class: str = ""
    content_type: str = ""
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a listing, in key order. ``last_key`` resumes the listing by ``start_after``, even in another process."""

    objects: tuple[ObjectInfo, ...]
    prefixes: tuple[str, ...] = ()
    last_key: str = ""


class Action(StrEnum):
    """What a Connector's scopes need: import needs list and read, export needs write and delete."""

    LIST = "list"
    READ = "read"
    WRITE = "write"
    DELETE = "delete"


class Verdict(StrEnum):
    """Outcome of testing one action; unknown = it could not be tried (no object to read, endpoint down)."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Permission:
    """One tested action; ``code`` is the provider's error code."""

    action: Action
    verdict: Verdict
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class AccessReport:
    """Result of `Storage.test_access`. ``sample`` holds the first objects of the bucket (at most ten)."""

    permissions: tuple[Permission, ...]
    sample: tuple[ObjectInfo, ...] = ()


class Pace(Protocol):
    """Keeps requests to a rate that is shared with others. Both calls come from the event loop."""

    async def acquire(self) -> None:
        """Wait until one more request may be made; called before each attempt."""
        ...

    def throttled(self, retry_after: float) -> None:
        """Note that the provider asked to slow down, and for how many seconds it wants to be left alone."""
        ...


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """How to open a source. ``timeout_seconds`` bounds one request with all its tries (requests that move many bytes have more),
    ``attempts`` is their number (None = as usual). ``names`` replaces the system's name service.
    """

    timeout_seconds: float | None = None
    attempts: int | None = None
    endpoints: EndpointPolicy = field(default_factory=EndpointPolicy)
    pace: Pace | None = None
    names: NameService | None = None


class Storage(Protocol):
    """One bucket, opened. Safe for concurrent use by the tasks of one event loop."""

    def list_pages(
        self, prefix: str = "", *, recursive: bool = True, start_after: str = "", page_size: int = 1000
    ) -> AsyncIterator[ListPage]:
        """Yield the objects whose key starts with the raw string ``prefix``, in key order.

        ``recursive`` False lists one level: deeper keys come back as ``prefixes`` (ending in "/").
        """
        ...

    async def stat(self, key: str) -> ObjectInfo:
        """Look one object up. Raises NotFound."""
        ...

    async def read_range(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        """Read at most ``length`` bytes from ``start``; shorter only at the end of the object, b"" behind it.

        With ``fingerprint`` the read fails with Changed when the object is another version by now.
        """
        ...

    async def write(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str = "application/octet-stream",
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Store an object from a stream of any length, in bounded memory; it appears whole or not at all.

        The provider verifies a checksum of every byte. With ``if_absent`` an object that is there already is left alone:
        AlreadyExists. What a failed write had sent is removed again, as far as the provider answers.
        """
        ...

    async def copy(
        self,
        key: str,
        target: str,
        *,
        from_bucket: str | None = None,
        fingerprint: str | None = None,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Copy an object of any size to ``target`` without its bytes passing through here; returns the copy.

        ``from_bucket`` is another bucket (container) of the same server (account). With ``fingerprint`` only that version is
        copied, else Changed; with ``if_absent`` nothing is overwritten, else AlreadyExists. Raises NotFound.
        """
        ...

    async def delete(self, key: str) -> None:
        """Delete an object; one that is not there is fine."""
        ...

    async def presign(self, key: str, *, expires: timedelta) -> str:
        """Make a URL that reads the object without credentials for ``expires`` (at most 7 days). The URL is a secret."""
        ...

    def check(self) -> None:
        """Look at all that can be seen without a request. Raises Invalid for a malformed endpoint, one that must not be used, one
        that must not see the credentials, and a CA bundle that holds no certificate; InvalidCredentials for what cannot be any.
        """
        ...

    async def test_access(self, *, write_prefix: str | None = None, sample_size: int = 10) -> AccessReport:
        """Try list and read (and, with ``write_prefix``, write and delete of an object below it) with real requests.

        A refusal is a DENIED verdict, not an exception. Raises NotFound (no bucket), InvalidCredentials, Invalid,
        Throttled or Unavailable when the bucket as a whole cannot be used.
        """
        ...

    async def close(self) -> None:
        """Close connections; the object cannot be used afterwards."""
        ...

"""The storage port: what the rest of the project may ask of S3 (and, later, of Google Cloud Storage and Azure Blob Storage).

One file a provider implements it; one contract suite (`tests/contract/test_storage.py`) runs over all of them.
No provider SDK and no network call may enter this file.
Every method raises the `StorageError` branch of the error tree and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as the provider lists it.

    ``fingerprint`` is the provider's content identity (S3: the ETag without quotes); a changed object has another one.
    ``modified_at`` is aware, UTC. ``key`` is the raw key: any Unicode text, never normalised.
    """

    key: str
    size: int
    fingerprint: str
    modified_at: datetime
    storage_class: str = ""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a listing, in key order. ``last_key`` resumes the listing by ``start_after``, even in another process."""

    objects: tuple[ObjectInfo, ...]
    prefixes: tuple[str, ...] = ()
    last_key: str = ""


class Action(StrEnum):
    """What a Connector's scopes need: import needs list and read, export needs write."""

    LIST = "list"
    READ = "read"
    WRITE = "write"


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


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Keys from a Secret. Never printed: they are left out of ``repr``."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class S3Source:
    """Where an S3 (or compatible) bucket is. ``credentials`` None = the ambient identity of the process."""

    bucket: str
    region: str
    endpoint: str | None = None
    force_path_style: bool = False
    credentials: StaticCredentials | None = None


# Other providers' sources join this union.
Source = S3Source


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

    async def test_access(self, *, write_prefix: str | None = None, sample_size: int = 10) -> AccessReport:
        """Try list and read (and, with ``write_prefix``, write) with real requests.

        A refusal is a DENIED verdict, not an exception. Raises NotFound (no bucket), InvalidCredentials, Invalid,
        Throttled or Unavailable when the bucket as a whole cannot be used.
        """
        ...

    async def close(self) -> None:
        """Close connections; the object cannot be used afterwards."""
        ...

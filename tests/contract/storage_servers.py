"""What the storage contract needs of a server, and the fake's side of it. A provider's servers are in `storage_<provider>`.

A gap is asserted by the suite, so that a server that has learnt better is noticed.
"""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from urllib.error import HTTPError
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen

from videovector_operator.errors import StorageError
from videovector_operator.storage.fake import FakeStorage, Objects
from videovector_operator.storage.port import Storage

_NUMBERS = itertools.count(1)
Deviations = Mapping[str, type[StorageError] | None]
"""Steps of a test that end otherwise than they should: by this error, or (None) by what is found or stored under another name."""


@dataclass(frozen=True)
class Checksums:
    """By which algorithm a server vouches for an object's bytes; "" = by none.

    ``ours``: for what ours has written or copied, in the answer to that and whenever it is looked up. ``theirs``: for what the
    vendor's own client has written, as it does when it is not told how. ``listed``: whether listings say it too.
    """

    ours: str = ""
    theirs: str = ""
    listed: bool = False


@dataclass(frozen=True)
class Gaps:
    """What a server is known to get wrong: kinds of keys that it loses or cannot copy, and checks that it does not make.

    ``unwritten_keys`` are read but never written by ours, because the cloud itself would change them. ``odd_texts`` are hostile
    strings that it fails on, or stores as others, with what comes of each. ``resolves_paths`` = keys are paths of files to it, so
    that ``a/../b`` is ``b``, ``a`` and ``a/b`` exclude each other, and nothing between two slashes is longer than a file's name.
    ``hides_composites`` = it passes a checksum of parts' checksums off as one of all bytes. ``fills_slowly`` = thousands of objects
    take it longer than a test may.
    """

    checksums: Checksums = field(default_factory=Checksums)
    lost_keys: frozenset[str] = frozenset()
    unwritten_keys: frozenset[str] = frozenset()
    uncopied_keys: frozenset[str] = frozenset()
    odd_texts: Mapping[str, Deviations] = field(default_factory=dict)
    resolves_paths: bool = False
    accepts_any_region: bool = False
    hides_composites: bool = False
    fills_slowly: bool = False
    accepts_any_credentials: bool = False
    urls_never_expire: bool = False
    unchecked_bytes: bool = False
    bytes_checked_at_the_end: bool = False
    unpinned_copies: bool = False
    unconditional_copies: bool = False


class Bucket(Protocol):
    """One empty bucket (container) on one server, with a way to fill and read it that is not ours."""

    name: str
    gaps: Gaps

    def open(self) -> Storage: ...

    def beside(self) -> Bucket:
        """Make another bucket on the same server, in the same account."""
        ...

    def put(self, key: str, data: bytes, content_type: str = ...) -> None: ...

    async def fill(self, keys: Sequence[str]) -> None:
        """Put an empty object under each of very many keys, in the quickest way that there is."""
        ...

    def get(self, key: str) -> tuple[bytes, str]:
        """Give an object's bytes and content type."""
        ...

    def fetch(self, url: str) -> bytes:
        """Read a presigned URL without credentials. Raises PermissionError when it is refused."""
        ...

    def remove(self, key: str) -> None: ...

    def keys(self) -> list[str]: ...

    def leftovers(self) -> list[str]:
        """List uploads that were begun and neither ended nor aborted."""
        ...


class Server(Protocol):
    """A running server."""

    def new_bucket(self) -> Bucket: ...


class FakeServer:
    """Fake buckets beside each other."""

    def __init__(self) -> None:
        self.buckets: dict[str, Objects] = {}

    def new_bucket(self) -> Bucket:
        return FakeBucket(self, f"fake-{next(_NUMBERS)}")


class FakeBucket:
    """`FakeStorage`; every opened storage is the same bucket."""

    gaps = Gaps(checksums=Checksums("sha256", "sha256", listed=True))

    def __init__(self, server: FakeServer, name: str) -> None:
        self.name = name
        self._server = server
        self._fake = FakeStorage(name, server.buckets)

    def open(self) -> Storage:
        return FakeStorage(self.name, self._server.buckets, lambda: datetime.now(UTC))

    def beside(self) -> Bucket:
        return self._server.new_bucket()

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        self._fake.put(key, data, content_type=content_type)

    async def fill(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.put(key, b"")

    def get(self, key: str) -> tuple[bytes, str]:
        info, data = self._server.buckets[self.name][key]
        return data, info.content_type

    def fetch(self, url: str) -> bytes:
        parts = urlsplit(url)
        if datetime.fromisoformat(parse_qs(parts.query)["until"][0]) < datetime.now(UTC):
            raise PermissionError(url)
        return self.get(unquote(parts.path.removeprefix("/")))[0]

    def remove(self, key: str) -> None:
        self._fake.remove(key)

    def keys(self) -> list[str]:
        return sorted(self._server.buckets[self.name])

    def leftovers(self) -> list[str]:
        return []


def fetch_url(url: str, trust: ssl.SSLContext | None = None) -> bytes:
    """Read a presigned URL as anybody would. Raises PermissionError when it is refused."""
    try:
        with urlopen(url, timeout=10, context=trust) as reply:
            data: bytes = reply.read()
            return data
    except HTTPError as error:
        raise PermissionError(error.code) from None

"""An in-memory bucket behind the storage port, for the unit tests of other rooms. It passes the same contract suite as S3.

Errors are injected per key or per call. Nothing of a provider, no network and no clock may enter.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from videovector_operator.errors import AccessDenied, Changed, Invalid, NotFound, StorageError
from videovector_operator.storage.port import (
    AccessReport,
    Action,
    ListPage,
    ObjectInfo,
    Permission,
    Verdict,
)

Call = Literal["list_pages", "stat", "read_range", "test_access"]
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeStorage:
    """One bucket. ``calls`` records (call, key or prefix) in order; ``bytes_read`` counts what `read_range` returned."""

    def __init__(self, bucket: str = "fake") -> None:
        self.bucket = bucket
        self.calls: list[tuple[Call, str]] = []
        self.bytes_read = 0
        self.closed = False
        self._objects: dict[str, tuple[ObjectInfo, bytes]] = {}
        self._next_errors: dict[tuple[Call, str], deque[StorageError]] = defaultdict(deque)
        self._lasting_errors: dict[tuple[Call, str], StorageError] = {}
        self._denied: dict[Action, str] = {}

    def put(
        self, key: str, data: bytes = b"", *, modified_at: datetime = _EPOCH, storage_class: str = ""
    ) -> ObjectInfo:
        """Store an object; the same bytes have the same fingerprint."""
        fingerprint = hashlib.sha256(data).hexdigest()[:32]
        info = ObjectInfo(key, len(data), fingerprint, modified_at, storage_class)
        self._objects[key] = (info, data)
        return info

    def resize(self, key: str, size: int) -> None:
        """Make an object claim another size than it has bytes (a listing that lies)."""
        info, data = self._objects[key]
        self._objects[key] = (replace(info, size=size), data)

    def remove(self, key: str) -> None:
        """Delete an object."""
        del self._objects[key]

    def fail(self, call: Call, *errors: StorageError, key: str = "") -> None:
        """Make the next calls raise ``errors``, one each; with ``key`` only those on that key (or prefix)."""
        self._next_errors[call, key].extend(errors)

    def fail_always(self, call: Call, error: StorageError, *, key: str = "") -> None:
        """Make every such call raise ``error`` until `heal`."""
        self._lasting_errors[call, key] = error

    def heal(self) -> None:
        """Forget every injected error and refusal."""
        self._next_errors.clear()
        self._lasting_errors.clear()
        self._denied.clear()

    def deny(self, action: Action, code: str = "AccessDenied") -> None:
        """Refuse an action, in `test_access` and in the calls that need it."""
        self._denied[action] = code

    async def list_pages(
        self, prefix: str = "", *, recursive: bool = True, start_after: str = "", page_size: int = 1000
    ) -> AsyncIterator[ListPage]:
        """Yield pages; see the port. An injected error strikes before the page that it was injected for."""
        entries = self._iterate(prefix, recursive=recursive, start_after=start_after)
        while True:
            self._enter("list_pages", prefix, Action.LIST)
            page = list(islice(entries, max(1, page_size)))
            if not page:
                return
            objects = tuple(entry for entry in page if isinstance(entry, ObjectInfo))
            prefixes = tuple(entry for entry in page if isinstance(entry, str))
            last = page[-1]
            yield ListPage(objects, prefixes, last if isinstance(last, str) else last.key)

    async def stat(self, key: str) -> ObjectInfo:
        """Look one object up; see the port."""
        self._enter("stat", key, Action.READ)
        return self._find(key)[0]

    async def read_range(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        """Read part of an object; see the port."""
        self._enter("read_range", key, Action.READ)
        if start < 0 or length < 0:
            raise Invalid(f"A range of object {key!r} cannot start at {start} with length {length}")
        info, data = self._find(key)
        if fingerprint is not None and fingerprint != info.fingerprint:
            raise Changed(
                f"Object {key!r} in bucket '{self.bucket}' was changed since it was listed", "PreconditionFailed"
            )
        part = data[start : start + length]
        self.bytes_read += len(part)
        return part

    async def test_access(self, *, write_prefix: str | None = None, sample_size: int = 10) -> AccessReport:
        """Report what `deny` left; see the port."""
        self._enter("test_access", "", None)
        listable = Action.LIST not in self._denied
        sample = tuple(self._objects[key][0] for key in sorted(self._objects)[:sample_size]) if listable else ()
        permissions = [self._test(Action.LIST)]
        if sample:
            permissions.append(self._test(Action.READ))
        else:
            permissions.append(Permission(Action.READ, Verdict.UNKNOWN, message="No object to read is known"))
        if write_prefix is not None:
            permissions.append(self._test(Action.WRITE))
        return AccessReport(tuple(permissions), sample)

    async def close(self) -> None:
        """Refuse every later call."""
        self.closed = True

    def _enter(self, call: Call, key: str, action: Action | None) -> None:
        self.calls.append((call, key))
        if self.closed:
            raise Invalid(f"The storage of bucket '{self.bucket}' was closed and cannot be used any more")
        for place in ((call, key), (call, "")):
            if self._next_errors[place]:
                raise self._next_errors[place].popleft()
            if place in self._lasting_errors:
                raise self._lasting_errors[place]
        if action is not None and action in self._denied:
            raise AccessDenied(f"Bucket '{self.bucket}' refuses to {action}: access denied", self._denied[action])

    def _find(self, key: str) -> tuple[ObjectInfo, bytes]:
        if key not in self._objects:
            raise NotFound(f"Object {key!r} does not exist in bucket '{self.bucket}'", "NoSuchKey")
        return self._objects[key]

    def _iterate(self, prefix: str, *, recursive: bool, start_after: str) -> Iterator[ObjectInfo | str]:
        """Give objects and, one level deep, prefixes, in the order of keys; a prefix once."""
        last = start_after
        for key in sorted(self._objects):
            if not key.startswith(prefix):
                continue
            head, slash, _ = key[len(prefix) :].partition("/")
            entry = f"{prefix}{head}/" if slash and not recursive else key
            if entry > last:
                last = entry
                yield entry if slash and not recursive else self._objects[key][0]

    def _test(self, action: Action) -> Permission:
        code = self._denied.get(action)
        if code is None:
            return Permission(action, Verdict.ALLOWED)
        return Permission(action, Verdict.DENIED, code, f"Bucket '{self.bucket}' refuses to {action} ({code})")

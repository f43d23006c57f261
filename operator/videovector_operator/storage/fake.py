"""An in-memory bucket behind the storage port, for the unit tests of other rooms. It passes the same contract suite as S3.

Errors are injected per key or per call. Nothing of a provider, no network and no clock may enter.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal
from urllib.parse import quote

from videovector_operator.errors import AccessDenied, AlreadyExists, Changed, Invalid, NotFound, StorageError
from videovector_operator.storage.object_key import (
    refuse_bad_content_type,
    refuse_bad_expiry,
    refuse_bad_key,
    refuse_bad_prefix,
)
from videovector_operator.storage.port import (
    AccessReport,
    Action,
    ListPage,
    ObjectInfo,
    Permission,
    Verdict,
)

Call = Literal["list_pages", "stat", "read_range", "write", "copy", "delete", "presign", "check", "test_access"]
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Objects = dict[str, tuple[ObjectInfo, bytes]]
_TYPE = "application/octet-stream"


class FakeStorage:
    """One bucket. ``calls`` records (call, key or prefix) in order, ``write_prefixes`` what `test_access` was given;
    ``bytes_read`` counts what `read_range` returned.

    Storages of one ``buckets`` are on the same server; ``clock`` stamps what is written.
    """

    def __init__(
        self,
        bucket: str = "fake",
        buckets: dict[str, Objects] | None = None,
        clock: Callable[[], datetime] = lambda: _EPOCH,
    ) -> None:
        self.bucket = bucket
        self.calls: list[tuple[Call, str]] = []
        self.write_prefixes: list[str | None] = []
        self.bytes_read = 0
        self.closed = False
        self._buckets = {} if buckets is None else buckets
        self._objects = self._buckets.setdefault(bucket, {})
        self._clock = clock
        self._next_errors: dict[tuple[Call, str], deque[StorageError]] = defaultdict(deque)
        self._lasting_errors: dict[tuple[Call, str], StorageError] = {}
        self._denied: dict[Action, str] = {}

    def put(
        self,
        key: str,
        data: bytes = b"",
        *,
        modified_at: datetime = _EPOCH,
        storage_class: str = "",
        content_type: str = _TYPE,
    ) -> ObjectInfo:
        """Store an object; the same bytes have the same fingerprint."""
        digest = hashlib.sha256(data).digest()
        checksum = f"sha256:{b64encode(digest).decode()}"
        info = ObjectInfo(key, len(data), digest.hex()[:32], modified_at, storage_class, content_type, checksum)
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
        refuse_bad_prefix(prefix)
        refuse_bad_prefix(start_after, "key")
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
        refuse_bad_key(key)
        self._enter("stat", key, Action.READ)
        return self._find(key)[0]

    async def read_range(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        """Read part of an object; see the port."""
        refuse_bad_key(key)
        self._enter("read_range", key, Action.READ)
        if start < 0 or length < 0:
            raise Invalid(f"A range of object {key!r} cannot start at {start} with length {length}")
        _, data = self._find(key, fingerprint)
        part = data[start : start + length]
        self.bytes_read += len(part)
        return part

    async def write(
        self, key: str, chunks: AsyncIterable[bytes], *, content_type: str = _TYPE, if_absent: bool = False
    ) -> ObjectInfo:
        """Store a stream; see the port."""
        refuse_bad_key(key)
        refuse_bad_content_type(content_type)
        self._enter("write", key, Action.WRITE)
        data = b"".join([chunk async for chunk in chunks])
        self._refuse_present(key, if_absent=if_absent)
        return self.put(key, data, modified_at=self._clock(), content_type=content_type)

    async def copy(
        self,
        key: str,
        target: str,
        *,
        from_bucket: str | None = None,
        fingerprint: str | None = None,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Copy an object; see the port."""
        refuse_bad_key(key)
        refuse_bad_key(target)
        self._enter("copy", target, Action.WRITE)
        info, data = self._find(key, fingerprint, from_bucket)
        self._refuse_present(target, if_absent=if_absent)
        return self.put(target, data, modified_at=self._clock(), content_type=info.content_type)

    async def delete(self, key: str) -> None:
        """Delete an object; see the port."""
        refuse_bad_key(key)
        self._enter("delete", key, Action.DELETE)
        self._objects.pop(key, None)

    async def presign(self, key: str, *, expires: timedelta) -> str:
        """Make a URL that says what it would read and until when; nobody answers there."""
        refuse_bad_key(key)
        refuse_bad_expiry(expires)
        self._enter("presign", key, None)
        until = (self._clock() + expires).isoformat()
        return f"https://{self.bucket}.fake.invalid/{quote(key, safe='/')}?until={quote(until)}"

    def check(self) -> None:
        """Raise what is injected for "check", if anything."""
        self._enter("check", "", None)

    async def test_access(self, *, write_prefix: str | None = None, sample_size: int = 10) -> AccessReport:
        """Report what `deny` left; see the port."""
        self._enter("test_access", "", None)
        self.write_prefixes.append(write_prefix)
        listable = Action.LIST not in self._denied
        sample = tuple(self._objects[key][0] for key in sorted(self._objects)[:sample_size]) if listable else ()
        permissions = [self._test(Action.LIST)]
        if sample:
            permissions.append(self._test(Action.READ))
        else:
            permissions.append(Permission(Action.READ, Verdict.UNKNOWN, message="No object to read is known"))
        if write_prefix is not None:
            write = self._test(Action.WRITE)
            untried = Permission(Action.DELETE, Verdict.UNKNOWN, message="Nothing was written that could be deleted")
            permissions += [write, self._test(Action.DELETE) if write.verdict is Verdict.ALLOWED else untried]
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

    def _find(
        self, key: str, fingerprint: str | None = None, from_bucket: str | None = None
    ) -> tuple[ObjectInfo, bytes]:
        bucket = self.bucket if from_bucket is None else from_bucket
        if bucket not in self._buckets:
            raise NotFound(f"Bucket '{bucket}' does not exist", "NoSuchBucket")
        if key not in self._buckets[bucket]:
            raise NotFound(f"Object {key!r} does not exist in bucket '{bucket}'", "NoSuchKey")
        info, data = self._buckets[bucket][key]
        if fingerprint is not None and fingerprint != info.fingerprint:
            raise Changed(f"Object {key!r} in bucket '{bucket}' was changed since it was listed", "PreconditionFailed")
        return info, data

    def _refuse_present(self, key: str, *, if_absent: bool) -> None:
        if if_absent and key in self._objects:
            raise AlreadyExists(f"Object {key!r} exists already in bucket '{self.bucket}'", "PreconditionFailed")

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

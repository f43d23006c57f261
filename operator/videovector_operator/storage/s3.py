"""S3 and compatible servers behind the storage port, by requests of our own.

The hot paths (listing, ranged reads of very many objects) cost a tenth of what an SDK client takes.
The pieces: `s3_address` where, `s3_dialect` (with `s3_sign` and `s3_credentials`) as whom, `exchange` how (over `transport`, and
over `pool` + `connection` for ranged reads); `s3_list`, `s3_object`, `s3_write`, `s3_copy` and `s3_multipart`, `s3_presign` what;
`s3_errors` what went wrong.
"""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from videovector_operator.errors import Invalid, NotFound
from videovector_operator.storage.access import probe_access
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.object_key import (
    refuse_bad_content_type,
    refuse_bad_expiry,
    refuse_bad_key,
    refuse_bad_prefix,
)
from videovector_operator.storage.port import AccessReport, Action, ListPage, ObjectInfo, S3Source, StorageOptions
from videovector_operator.storage.ranges import ACCEPTED, decode_range
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.s3_address import Address, build_address
from videovector_operator.storage.s3_copy import Copy, copy_object
from videovector_operator.storage.s3_credentials import AmbientCredentials, CredentialsProvider, FixedCredentials
from videovector_operator.storage.s3_dialect import S3Dialect
from videovector_operator.storage.s3_identity import BotocoreChain
from videovector_operator.storage.s3_list import list_pages
from videovector_operator.storage.s3_object import check_version, look_up, path_of
from videovector_operator.storage.s3_presign import presign_get
from videovector_operator.storage.s3_write import Target, write_object
from videovector_operator.storage.surroundings import Surroundings

_REMEDIES = {
    Action.LIST: "allow s3:ListBucket on the bucket",
    Action.READ: "allow s3:GetObject on the bucket's objects",
    Action.WRITE: "allow s3:PutObject below the Connector's exportBasePath",
    Action.DELETE: "allow s3:DeleteObject below the Connector's exportBasePath",
}


class _Opened(NamedTuple):
    http: Exchange
    dialect: S3Dialect
    address: Address
    credentials: CredentialsProvider


class S3Storage:
    """One S3 bucket. Nothing is checked or connected before the first request; a bad endpoint is Invalid then.

    ``credentials`` replaces what ``source`` says.
    """

    def __init__(
        self,
        source: S3Source,
        options: StorageOptions | None = None,
        surroundings: Surroundings | None = None,
        *,
        credentials: CredentialsProvider | None = None,
    ) -> None:
        self._source = source
        self._options = options or StorageOptions()
        self._surroundings = surroundings or Surroundings()
        self._credentials = credentials
        self._opened: dict[str, _Opened] = {}
        self._closed = False

    async def list_pages(
        self, prefix: str = "", *, recursive: bool = True, start_after: str = "", page_size: int = 1000
    ) -> AsyncIterator[ListPage]:
        """Yield the pages of a listing; see the port."""
        refuse_bad_prefix(prefix)
        refuse_bad_prefix(start_after, "key")
        http = self._open().http
        pages = list_pages(http, prefix, recursive=recursive, start_after=start_after, page_size=page_size)
        async for page in pages:
            yield page

    async def stat(self, key: str) -> ObjectInfo:
        """Look one object up; see the port."""
        return (await look_up(self._open().http, key)).info

    async def read_range(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        """Read part of an object; see the port. Raises AccessDenied with code InvalidObjectState for archived objects."""
        if start < 0 or length < 0:
            raise Invalid(f"A range of object {key!r} cannot start at {start} with length {length}")
        if length == 0:
            return b""
        headers = {"range": f"bytes={start}-{start + length - 1}"}
        if fingerprint is not None:
            headers["if-match"] = f'"{fingerprint}"'
        request = Request(
            "GET",
            f"read object {key!r}",
            path=path_of(key),
            headers=headers,
            skip=start,
            keep=length,
            accepted=ACCEPTED,
            lean=True,
        )

        def decode(reply: Reply) -> bytes:
            check_version(key, fingerprint, reply)
            return decode_range(key, start, length, reply)

        return await self._open().http.send(request, decode)

    async def write(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str = "application/octet-stream",
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Store an object from a stream; see the port. ``modified_at`` is the time of the server's answer."""
        refuse_bad_key(key)
        refuse_bad_content_type(content_type)
        opened = self._open()
        target = Target(key, content_type, if_absent, self._surroundings.make_mark(), opened.dialect.now)
        return await write_object(opened.http, target, chunks)

    async def copy(
        self,
        key: str,
        target: str,
        *,
        from_bucket: str | None = None,
        fingerprint: str | None = None,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Copy an object on the server; see the port."""
        opened = self._open()
        source = self._open(from_bucket)
        plan = Copy(
            source.http,
            opened.http,
            source.address.bucket,
            key,
            target,
            if_absent=if_absent,
            mark=self._surroundings.make_mark(),
            now=opened.dialect.now,
        )
        return await copy_object(plan, fingerprint)

    async def delete(self, key: str) -> None:
        """Delete an object; see the port."""
        request = Request("DELETE", f"delete object {key!r}", path=path_of(key), accepted=(204, 200))
        try:
            await self._open().http.send(request, lambda _: None)
        except NotFound as error:
            if error.code == "NoSuchBucket":
                raise

    async def presign(self, key: str, *, expires: timedelta) -> str:
        """Make a URL for reading; see the port. It ends with the credentials, when they are temporary."""
        refuse_bad_expiry(expires)
        opened = self._open()
        credentials = await opened.credentials.current()
        return presign_get(opened.address, key, credentials, expires=expires, now=opened.dialect.now())

    def check(self) -> None:
        """Look at all that can be seen without a request; see the port."""
        self._open()

    async def test_access(self, *, write_prefix: str | None = None, sample_size: int = 10) -> AccessReport:
        """Try what the credentials may do; see the port."""
        return await probe_access(self, _REMEDIES, write_prefix=write_prefix, sample_size=sample_size)

    async def close(self) -> None:
        """Close connections; see the port."""
        self._closed = True
        for opened in self._opened.values():
            await opened.http.close()

    def _open(self, bucket: str | None = None) -> _Opened:
        """Open the bucket, or another one of the same server (its host may be another), once."""
        if self._closed:
            raise Invalid(f"The storage of bucket '{self._source.bucket}' was closed and cannot be used any more")
        name = bucket or self._source.bucket
        if name not in self._opened:
            self._opened[name] = self._connect(replace(self._source, bucket=name))
        return self._opened[name]

    def _connect(self, source: S3Source) -> _Opened:
        address = build_address(source, self._options.endpoints)
        credentials = self._credentials or _build_credentials(source)
        dialect = S3Dialect(address, credentials, self._surroundings.clock)
        http = self._surroundings.open_exchange(address.place, dialect, self._options, source.ca_bundle)
        return _Opened(http, dialect, address, credentials)


def _build_credentials(source: S3Source) -> CredentialsProvider:
    if source.credentials is not None:
        return FixedCredentials(source.credentials)
    return AmbientCredentials(_ambient_chain(), time.monotonic)


@functools.cache
def _ambient_chain() -> BotocoreChain:
    """One chain a process: the environment has one identity, however many buckets are opened with it."""
    return BotocoreChain()

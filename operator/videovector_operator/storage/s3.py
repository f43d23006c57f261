"""S3 and compatible servers behind the storage port, by requests of our own.

The hot paths (listing, ranged reads of very many objects) cost a tenth of what an SDK client takes.
The pieces: `s3_address` where, `s3_dialect` (with `s3_sign` and `s3_credentials`) as whom, `exchange` how (over `transport`, and
over `pool` + `connection` for ranged reads), `s3_list` what, `s3_errors` what went wrong.
"""

from __future__ import annotations

import asyncio
import functools
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from videovector_operator.errors import AccessDenied, Invalid, Unavailable
from videovector_operator.storage.access import probe_access
from videovector_operator.storage.exchange import Exchange, Limits
from videovector_operator.storage.object_key import refuse_bad_key, refuse_bad_prefix
from videovector_operator.storage.port import AccessReport, Action, ListPage, ObjectInfo, S3Source, StorageOptions
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.s3_address import Address, build_address
from videovector_operator.storage.s3_credentials import (
    AmbientCredentials,
    BotocoreChain,
    CredentialsProvider,
    FixedCredentials,
)
from videovector_operator.storage.s3_dialect import S3Dialect
from videovector_operator.storage.s3_list import list_pages, parse_etag
from videovector_operator.storage.s3_sign import encode_key

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_REMEDIES = {
    Action.LIST: "allow s3:ListBucket on the bucket",
    Action.READ: "allow s3:GetObject on the bucket's objects",
    Action.WRITE: "allow s3:PutObject below the Connector's exportBasePath",
    Action.DELETE: "allow s3:DeleteObject below the Connector's exportBasePath",
}


def _now() -> datetime:
    return datetime.now(UTC)


class S3Storage:
    """One S3 bucket. Nothing is checked or connected before the first request; a bad endpoint is Invalid then.

    ``clock``, ``jitter`` and ``sleep`` are for tests; ``credentials`` replaces what ``source`` says.
    """

    def __init__(
        self,
        source: S3Source,
        options: StorageOptions | None = None,
        *,
        limits: Limits | None = None,
        credentials: CredentialsProvider | None = None,
        clock: Callable[[], datetime] = _now,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._options = options or StorageOptions()
        self._limits = limits or Limits()
        self._credentials = credentials
        self._clock = clock
        self._jitter = jitter
        self._sleep = sleep
        self._opened: tuple[Exchange, S3Dialect, Address] | None = None
        self._closed = False

    async def list_pages(
        self, prefix: str = "", *, recursive: bool = True, start_after: str = "", page_size: int = 1000
    ) -> AsyncIterator[ListPage]:
        """Yield the pages of a listing; see the port."""
        refuse_bad_prefix(prefix)
        refuse_bad_prefix(start_after, "key")
        http, _, address = self._open()
        pages = list_pages(http, address, prefix, recursive=recursive, start_after=start_after, page_size=page_size)
        async for page in pages:
            yield page

    async def stat(self, key: str) -> ObjectInfo:
        """Look one object up; see the port."""
        request = Request("HEAD", f"look up object {key!r}", path=_path(key))
        try:
            return await self._open()[0].send(request, lambda reply: _decode_stat(key, reply.headers))
        except (AccessDenied, Invalid) as error:
            if error.code:
                raise
            # A refused HEAD has no body and so no code; the first byte's GET needs the same right and says why.
            await self.read_range(key, 0, 1)
            raise

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
            path=_path(key),
            headers=headers,
            skip=start,
            keep=length,
            accepted=(206, 200, 416),
            lean=True,
        )
        return await self._open()[0].send(request, lambda reply: _decode_range(key, start, length, reply))

    async def test_access(self, *, write_prefix: str | None = None, sample_size: int = 10) -> AccessReport:
        """Try what the credentials may do; see the port."""
        return await probe_access(self, _REMEDIES, write_prefix=write_prefix, sample_size=sample_size)

    async def close(self) -> None:
        """Close connections; see the port."""
        self._closed = True
        if self._opened is not None:
            await self._opened[0].close()

    def _open(self) -> tuple[Exchange, S3Dialect, Address]:
        if self._closed:
            raise Invalid(f"The storage of bucket '{self._source.bucket}' was closed and cannot be used any more")
        if self._opened is None:
            address = build_address(self._source, self._options.endpoints)
            credentials = self._credentials or _build_credentials(self._source)
            dialect = S3Dialect(address, credentials, self._clock)
            http = Exchange(
                address.place,
                dialect,
                self._limits,
                self._options,
                self._source.ca_bundle,
                jitter=self._jitter,
                sleep=self._sleep,
            )
            self._opened = (http, dialect, address)
        return self._opened


def _build_credentials(source: S3Source) -> CredentialsProvider:
    if source.credentials is not None:
        return FixedCredentials(source.credentials)
    return AmbientCredentials(_ambient_chain(), time.monotonic)


@functools.cache
def _ambient_chain() -> BotocoreChain:
    """One chain a process: the environment has one identity, however many buckets are opened with it."""
    return BotocoreChain()


def _path(key: str) -> str:
    """Encode a key for the request line. Raises Invalid for keys that no S3 object can have."""
    refuse_bad_key(key)
    return f"/{encode_key(key)}"


def _decode_stat(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    storage_class = headers.get("x-amz-storage-class", "")
    try:
        return ObjectInfo(
            key,
            int(headers["content-length"]),
            parse_etag(headers["etag"]),
            parsedate_to_datetime(headers["last-modified"]).astimezone(UTC),
            "" if storage_class == "STANDARD" else storage_class,
        )
    except (KeyError, ValueError):
        raise Invalid(f"The answer to looking up object {key!r} is not S3's: check the endpoint") from None


def _decode_range(key: str, start: int, length: int, reply: Reply) -> bytes:
    """Check that the reply is the asked slice. Raises Unavailable when it is short, Invalid when it is another one."""
    if reply.status == 416:
        return b""
    if reply.status == 200:
        # The server ignores ranges: the transport has cut the slice out.
        return reply.body
    match = _CONTENT_RANGE.match(reply.headers.get("content-range", ""))
    if match is None:
        raise Invalid(f"The answer to reading object {key!r} does not say which bytes it holds: check the endpoint")
    first, last, size = int(match[1]), int(match[2]), match[3]
    end = start + length - 1 if size == "*" else min(start + length, int(size)) - 1
    if first != start or last > end:
        raise Invalid(f"The server sent other bytes of object {key!r} than asked for ({first}-{last})")
    if (last < end and size != "*") or len(reply.body) != last - first + 1:
        raise Unavailable(f"The server sent too few bytes of object {key!r} ({len(reply.body)})")
    return reply.body

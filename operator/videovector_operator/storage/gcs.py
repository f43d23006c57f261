"""Google Cloud Storage (and servers that speak its JSON API) behind the storage port, by requests of our own.

The hot paths (listing, ranged reads of very many objects) cost a fraction of what an SDK client takes; google-auth stays for
identities. The pieces: `gcs_address` where, `gcs_dialect` (with `gcs_credentials`) as whom, `exchange` how, `gcs_objects` and
`gcs_list` what, `gcs_read`, `gcs_write` (with `gcs_session`), `gcs_copy` and `gcs_sign` what for, `gcs_errors` what went wrong.
"""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from datetime import timedelta

from videovector_operator.errors import Invalid
from videovector_operator.storage.access import probe_access
from videovector_operator.storage.endpoint_policy import refuse_clear_text, refuse_own_authority
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.gcs_access import REMEDIES, judge_overwriting
from videovector_operator.storage.gcs_address import Address, build_address, object_path, refuse_showing_tokens
from videovector_operator.storage.gcs_copy import Copy, copy_object
from videovector_operator.storage.gcs_credentials import (
    AmbientCredentials,
    Credentials,
    DefaultChain,
    ServiceAccountCredentials,
)
from videovector_operator.storage.gcs_dialect import GcsDialect
from videovector_operator.storage.gcs_errors import is_bucket_missing
from videovector_operator.storage.gcs_list import list_pages
from videovector_operator.storage.gcs_objects import look_up
from videovector_operator.storage.gcs_read import read_range
from videovector_operator.storage.gcs_sign import prepare_url
from videovector_operator.storage.gcs_write import Target, write_object
from videovector_operator.storage.object_key import refuse_bad_expiry, refuse_bad_prefix
from videovector_operator.storage.port import AccessReport, GcsSource, ListPage, ObjectInfo, StorageOptions
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.surroundings import Surroundings


class GcsStorage:
    """One bucket. Nothing is checked or connected before the first request; a bad endpoint is Invalid then.

    ``credentials`` replaces what ``source`` says.
    """

    def __init__(
        self,
        source: GcsSource,
        options: StorageOptions | None = None,
        surroundings: Surroundings | None = None,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        self._source = source
        self._options = options or StorageOptions()
        self._surroundings = surroundings or Surroundings()
        self._credentials = credentials
        self._opened: tuple[Exchange, GcsDialect, Address] | None = None
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
        return await look_up(self._open()[0], self._source.bucket, key)

    async def read_range(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        """Read part of an object as it is stored; see the port."""
        return await read_range(self._open()[0], self._source.bucket, key, start, length, fingerprint=fingerprint)

    async def write(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str = "application/octet-stream",
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Store an object from a stream; see the port."""
        target = Target(self._source.bucket, key, content_type, if_absent, self._surroundings.make_mark())
        return await write_object(self._open()[0], target, chunks)

    async def copy(
        self,
        key: str,
        target: str,
        *,
        from_bucket: str | None = None,
        fingerprint: str | None = None,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Copy an object within Cloud Storage; see the port."""
        bucket = self._source.bucket
        copy = Copy((from_bucket or bucket, key), (bucket, target), fingerprint, if_absent)
        return await copy_object(self._open()[0], copy)

    async def delete(self, key: str) -> None:
        """Delete an object; see the port. Raises NotFound when the bucket is not there."""
        http = self._open()[0]
        path = object_path(self._source.bucket, key)
        request = Request("DELETE", f"delete object {key!r}", path=path, accepted=(200, 204, 404))

        def decode(reply: Reply) -> None:
            if reply.status == 404 and is_bucket_missing(reply):
                raise http.build_error(request, reply)

        await http.send(request, decode)

    async def presign(self, key: str, *, expires: timedelta) -> str:
        """Make a URL that reads the object; see the port. Raises Invalid when there is no key to sign with."""
        refuse_bad_expiry(expires)
        object_path(self._source.bucket, key)
        _, dialect, address = self._open()
        credentials = dialect.credentials
        unsigned = prepare_url(address, key, credentials.email, expires, dialect.now())
        return unsigned.complete(await credentials.sign(unsigned.message))

    def check(self) -> None:
        """Look at all that can be seen without a request; see the port."""
        self._open()

    async def test_access(self, *, write_prefix: str | None = None, sample_size: int = 10) -> AccessReport:
        """Try what the credentials may do; see the port."""
        report = await probe_access(self, REMEDIES, write_prefix=write_prefix, sample_size=sample_size)
        return replace(report, permissions=judge_overwriting(report.permissions))

    async def close(self) -> None:
        """Close connections; see the port."""
        self._closed = True
        if self._opened is not None:
            await self._opened[0].close()

    def _open(self) -> tuple[Exchange, GcsDialect, Address]:
        if self._closed:
            raise Invalid(f"The storage of bucket '{self._source.bucket}' was closed and cannot be used any more")
        if self._opened is None:
            address = build_address(self._source, self._options.endpoints)
            credentials = self._credentials or self._build_credentials(address)
            dialect = GcsDialect(address, credentials, self._source.project_id, self._surroundings.clock)
            http = self._surroundings.open_exchange(address.place, dialect, self._options, self._source.ca_bundle)
            self._opened = (http, dialect, address)
        return self._opened

    def _build_credentials(self, address: Address) -> Credentials:
        account = self._source.credentials
        if account is not None:
            refuse_clear_text(address.origin, "the tokens of the service account")
            return ServiceAccountCredentials(account)
        refuse_showing_tokens(address, self._options.endpoints)
        if address.is_google:
            refuse_own_authority(self._source.ca_bundle)
        return AmbientCredentials(_default_chain(), time.monotonic)


@functools.cache
def _default_chain() -> DefaultChain:
    """One chain a process: the environment has one identity, however many buckets are opened with it."""
    return DefaultChain()

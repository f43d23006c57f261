"""Azure Blob Storage behind the storage port, by requests of our own.

The hot paths (listing, ranged reads of very many blobs) cost a small part of what an SDK client takes.
The pieces: `azure_address` where, `azure_dialect` (with `azure_credentials`, `azure_identity`, `azure_sign`) as whom, `exchange`
how; `azure_list` (with `azure_order`), `azure_blobs`, `azure_write`, `azure_copy`, `azure_presign` what; `azure_errors` what went wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta
from typing import NamedTuple

from videovector_operator.errors import Invalid, NotFound
from videovector_operator.storage.access import probe_access
from videovector_operator.storage.azure_address import Address, build_address, refuse_bad_list_prefix
from videovector_operator.storage.azure_blobs import changed, check_content, decode_read, parse_fingerprint
from videovector_operator.storage.azure_copy import Copy, copy_blob, look_up
from videovector_operator.storage.azure_credentials import Credentials, SasCredentials, build_credentials
from videovector_operator.storage.azure_dialect import AzureDialect
from videovector_operator.storage.azure_errors import NO_BLOB
from videovector_operator.storage.azure_list import Listing
from videovector_operator.storage.azure_presign import Presigner
from videovector_operator.storage.azure_write import Target, write_blob
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.object_key import refuse_bad_content_type, refuse_bad_expiry
from videovector_operator.storage.port import AccessReport, Action, AzureSource, ListPage, ObjectInfo, StorageOptions
from videovector_operator.storage.ranges import ACCEPTED
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.surroundings import Surroundings

_READER = "the role Storage Blob Data Reader on the container"
_CONTRIBUTOR = "the role Storage Blob Data Contributor on the container"
_REMEDIES = {
    Action.LIST: f"assign {_READER}, or give the shared access signature the permission l",
    Action.READ: f"assign {_READER}, or give the shared access signature the permission r",
    Action.WRITE: f"assign {_CONTRIBUTOR}, or give the shared access signature the permissions c and w",
    Action.DELETE: f"assign {_CONTRIBUTOR}, or give the shared access signature the permission d",
}


class _Opened(NamedTuple):
    http: Exchange
    address: Address
    credentials: Credentials
    listing: Listing
    presigner: Presigner


class AzureStorage:
    """One container. Nothing is checked or connected before the first request; a bad endpoint is Invalid then.

    ``credentials`` replaces what ``source`` says.
    """

    def __init__(
        self,
        source: AzureSource,
        options: StorageOptions | None = None,
        surroundings: Surroundings | None = None,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        self._source = source
        self._options = options or StorageOptions()
        self._surroundings = surroundings or Surroundings()
        self._credentials = credentials
        self._opened: _Opened | None = None
        self._closed = False

    async def list_pages(
        self, prefix: str = "", *, recursive: bool = True, start_after: str = "", page_size: int = 1000
    ) -> AsyncIterator[ListPage]:
        """Yield the pages of a listing, in Azure's own order; see the port and `azure_order`."""
        refuse_bad_list_prefix(prefix)
        refuse_bad_list_prefix(start_after)
        listing = self._open().listing
        pages = listing.list_pages(prefix, recursive=recursive, start_after=start_after, page_size=page_size)
        async for page in pages:
            yield page

    async def stat(self, key: str) -> ObjectInfo:
        """Look one blob up; see the port."""
        opened = self._open()
        return (await look_up(opened.http, opened.address, key)).info

    async def read_range(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        """Read part of a blob; see the port. Raises AccessDenied with code BlobArchived for archived blobs."""
        if start < 0 or length < 0:
            raise Invalid(f"A range of object {key!r} cannot start at {start} with length {length}")
        if length == 0:
            return b""
        pinned = parse_fingerprint(fingerprint) if fingerprint is not None else None
        if fingerprint is None or pinned is None:
            return await self._read(key, start, length, fingerprint)
        label = self._open().address.label

        def decode(reply: Reply) -> bytes | None:
            said = check_content(key, label, start, pinned, reply)
            return decode_read(key, start, length, reply) if said else None

        data = await self._open().http.send(self._build_read(key, start, length, None), decode)
        return await self._read_by_etag(key, start, length, fingerprint) if data is None else data

    async def write(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str = "application/octet-stream",
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Store a blob from a stream; see the port. Blocks of a failed write vanish after a week: Azure removes them itself."""
        refuse_bad_content_type(content_type)
        opened = self._open()
        target = Target(opened.http, opened.address, key, content_type, if_absent, self._surroundings.make_mark())
        return await write_blob(target, chunks)

    async def copy(
        self,
        key: str,
        target: str,
        *,
        from_bucket: str | None = None,
        fingerprint: str | None = None,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Copy a blob within the account; see the port."""
        opened = self._open()
        own = opened.credentials
        query = own.token if isinstance(own, SasCredentials) else ""
        mark = self._surroundings.make_mark()
        plan = Copy(
            opened.http, opened.address, key, target, from_bucket, if_absent, query, mark, self._surroundings.sleep
        )
        return await copy_blob(plan, fingerprint)

    async def delete(self, key: str) -> None:
        """Delete a blob; see the port. One with snapshots is left, with AccessDenied: they are somebody's on purpose."""
        opened = self._open()
        request = Request("DELETE", f"delete object {key!r}", path=opened.address.blob_path(key), accepted=(202,))
        try:
            await opened.http.send(request, lambda _: None)
        except NotFound as error:
            if error.code != NO_BLOB:
                raise

    async def presign(self, key: str, *, expires: timedelta) -> str:
        """Make a URL for reading; see the port. Raises Invalid with a shared access signature, which cannot make others."""
        refuse_bad_expiry(expires)
        return await self._open().presigner.presign(key, expires)

    def check(self) -> None:
        """Look at all that can be seen without a request; see the port."""
        self._open()

    async def test_access(self, *, write_prefix: str | None = None, sample_size: int = 10) -> AccessReport:
        """Try what the credentials may do; see the port."""
        return await probe_access(self, _REMEDIES, write_prefix=write_prefix, sample_size=sample_size)

    async def close(self) -> None:
        """Close connections; see the port."""
        self._closed = True
        if self._opened is not None:
            await self._opened.http.close()

    def _build_read(self, key: str, start: int, length: int, etag: str | None) -> Request:
        headers = {"range": f"bytes={start}-{start + length - 1}"}
        if etag is not None:
            headers["if-match"] = f'"{etag}"'
        return Request(
            "GET",
            f"read object {key!r}",
            path=self._open().address.blob_path(key),
            headers=headers,
            skip=start,
            keep=length,
            accepted=ACCEPTED,
            lean=True,
        )

    async def _read(self, key: str, start: int, length: int, etag: str | None) -> bytes:
        request = self._build_read(key, start, length, etag)
        return await self._open().http.send(request, lambda reply: decode_read(key, start, length, reply))

    async def _read_by_etag(self, key: str, start: int, length: int, fingerprint: str) -> bytes:
        """Read from a server that does not say the MD5 of what it sends: looked up first, then pinned by the ETag."""
        opened = self._open()
        found = await look_up(opened.http, opened.address, key)
        if found.info.fingerprint != fingerprint:
            raise changed(key, opened.address.label)
        return await self._read(key, start, length, found.etag.strip('"'))

    def _open(self) -> _Opened:
        if self._closed:
            name = self._source.container
            raise Invalid(f"The storage of container '{name}' was closed and cannot be used any more")
        if self._opened is None:
            self._opened = self._connect()
        return self._opened

    def _connect(self) -> _Opened:
        address = build_address(self._source, self._options.endpoints)
        credentials = self._credentials or build_credentials(self._source, address, self._options.endpoints)
        dialect = AzureDialect(address, credentials, self._surroundings.clock)
        http = self._surroundings.open_exchange(address.place, dialect, self._options, self._source.ca_bundle)
        presigner = Presigner(http, address, credentials, dialect.now)
        return _Opened(http, address, credentials, Listing(http, address), presigner)

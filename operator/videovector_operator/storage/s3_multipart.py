"""One multipart upload: begun, completed or aborted. What its parts hold (bytes, or ranges of another object) is its user's.

Every upload carries a mark of its own as the object's metadata, so that after a lost answer its object can be told from others.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from xml.sax.saxutils import escape

from videovector_operator.errors import AlreadyExists, Changed, NotFound, StorageError, Unavailable
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.s3_answer import not_s3, parse_answer, parse_etag
from videovector_operator.storage.s3_object import look_up, parse_checksum, parse_date, path_of

MOST_PARTS = 10_000
MARK = "x-amz-meta-videovector-write"
"""Header that makes an object recognisable as what one certain call has written."""
IF_ABSENT = {"if-none-match": "*"}
_GONE = "NoSuchUpload"
_MOST_ABORTS = 3
_COMPLETE_SECONDS = 600.0
_PATIENCE = 12.0
"""Servers may put the parts together only now; S3 itself sends white space meanwhile."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One begun upload of ``key``. ``now`` gives the server's time."""

    http: Exchange
    key: str
    id: str
    mark: str
    now: Callable[[], datetime]

    async def complete(self, etags: list[str], size: int, content_type: str, *, if_absent: bool) -> ObjectInfo:
        """Make the object of the parts. Raises AlreadyExists, and Unavailable when the upload is gone for no reason of ours."""
        rows = (
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in enumerate(etags, 1)
        )
        body = f"<CompleteMultipartUpload>{''.join(rows)}</CompleteMultipartUpload>".encode()
        request = Request(
            "POST",
            f"complete object {self.key!r}",
            path=path_of(self.key),
            params={"uploadId": self.id},
            headers={"content-type": "application/xml", **(IF_ABSENT if if_absent else {})},
            body=body,
            body_sha256=sha256(body).hexdigest(),
            extra_seconds=_COMPLETE_SECONDS,
            patience=_PATIENCE,
        )

        def decode(reply: Reply) -> ObjectInfo:
            root = parse_answer(self.http, request, reply, "CompleteMultipartUploadResult")
            checksum = parse_checksum(lambda name: root.findtext(f"Checksum{name.upper()}"))
            whole = checksum if root.findtext("ChecksumType") != "COMPOSITE" else ""
            etag = parse_etag(root.findtext("ETag") or "")
            when = parse_date(reply.headers, self.now())
            return ObjectInfo(self.key, size, etag, when, content_type=content_type, checksum=whole)

        try:
            return await self.http.send(request, decode)
        except NotFound as error:
            if error.code != _GONE:
                raise
            return await self._find_own(
                Unavailable(f"The upload of object {self.key!r} was ended by somebody else. It is tried again", _GONE)
            )
        except Changed as error:
            return await self._find_own(exists_already(self.http, self.key, error.code))

    async def abort(self) -> None:
        """Free what the parts take up, as far as the server answers. Parts that were under way may come in late: asked for twice."""
        request = Request(
            "DELETE",
            f"abort the upload of object {self.key!r}",
            path=path_of(self.key),
            params={"uploadId": self.id},
            accepted=(204, 200),
        )
        with contextlib.suppress(StorageError):
            for _ in range(_MOST_ABORTS):
                await self.http.send(request, lambda _: None)

    async def _find_own(self, otherwise: StorageError) -> ObjectInfo:
        """The answer to an earlier try may have been lost: then the object is there, with our mark on it."""
        return await find_own(self.http, self.key, self.mark, otherwise)


async def find_own(http: Exchange, key: str, mark: str, otherwise: StorageError) -> ObjectInfo:
    """Return the object when it bears ``mark``. Raises ``otherwise`` when it does not or cannot be looked up."""
    with contextlib.suppress(StorageError):
        found = await look_up(http, key)
        if found.headers.get(MARK) == mark:
            return found.info
    raise otherwise


@asynccontextmanager
async def begun_upload(
    http: Exchange, key: str, headers: Mapping[str, str], mark: str, now: Callable[[], datetime]
) -> AsyncIterator[Upload]:
    """Begin an upload; it is aborted when the block fails or is cancelled."""
    request = Request(
        "POST",
        f"begin the upload of object {key!r}",
        path=path_of(key),
        params={"uploads": ""},
        headers={**headers, MARK: mark},
    )

    def decode(reply: Reply) -> str:
        found = parse_answer(http, request, reply, "InitiateMultipartUploadResult").findtext("UploadId")
        if not found:
            raise not_s3(request.action)
        return found

    upload = Upload(http, key, await http.send(request, decode), mark, now)
    try:
        yield upload
    except BaseException:
        await upload.abort()
        raise


def exists_already(http: Exchange, key: str, code: str = "") -> AlreadyExists:
    """Say that a conditional create found an object."""
    return AlreadyExists(f"Object {key!r} exists already in {http.place.label} at {http.place.endpoint}", code)

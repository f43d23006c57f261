"""Copies objects within an S3 server: one CopyObject up to 256 MiB, above that ranges side by side.

Every copy is pinned to the version that was looked up first, also when the caller does not name one: what is copied is whole.
What may only be created bears the mark of its call, so that after a lost answer it can be told from somebody else's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from videovector_operator.errors import AccessDenied, Changed, NotFound, StorageError
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.parts import send_parts
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.request import Reply, Request, transfer_seconds
from videovector_operator.storage.s3_answer import not_s3, parse_answer, parse_etag, parse_time
from videovector_operator.storage.s3_multipart import (
    IF_ABSENT,
    MARK,
    Upload,
    begun_upload,
    exists_already,
)
from videovector_operator.storage.s3_object import Found, look_up, parse_checksum, parse_date, path_of

_MIB = 1024 * 1024
_LARGEST_AT_ONCE = 256 * _MIB
_RANGE = 128 * _MIB
_MOST_RANGES = 9_000
_WIDTH = 4
_PATIENCE = 6.0
"""A server that copies says nothing until it is done."""
_TRIES = 3
"""Versions that are tried when the source changes under a copy that names none."""
_KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires")
_METADATA = "x-amz-meta-"
_UNTOLD = "x-amz-missing-meta"
"""Header that counts metadata which no header can hold."""
_MOST_METADATA_BYTES = 2048
"""Names and values of an object's metadata, without the prefix of the headers."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What is copied where. ``source`` answers for the bucket that is copied from, ``http`` for the one that is copied to.

    ``mark`` is unique to this call; ``now`` gives the server's time.
    """

    source: Exchange
    http: Exchange
    bucket: str
    key: str
    target: str
    if_absent: bool
    mark: str
    now: Callable[[], datetime]

    @property
    def action(self) -> str:
        """For messages."""
        return f"copy object {self.key!r} to {self.target!r}"


async def copy_object(copy: Copy, fingerprint: str | None) -> ObjectInfo:
    """Copy an object; see the port. Raises Changed, AlreadyExists and NotFound."""
    path_of(copy.target)
    if copy.if_absent and await _is_there(copy):
        raise exists_already(copy.http, copy.target)
    tries = 1 if fingerprint is not None else _TRIES
    for left in reversed(range(tries)):
        found = await look_up(copy.source, copy.key)
        if fingerprint is not None and found.info.fingerprint != fingerprint:
            raise _changed(copy)
        try:
            return await _copy_found(copy, found)
        except Changed:
            if not left:
                raise
    raise _changed(copy)


async def _is_there(copy: Copy) -> bool:
    """Look before copying: not every server knows conditional copies, and a large copy would be in vain."""
    try:
        await look_up(copy.http, copy.target)
    except NotFound as error:
        if error.code == "NoSuchBucket":
            raise
        return False
    except AccessDenied:
        # Who may not read may write all the same; the condition itself decides.
        return False
    return True


async def _copy_found(copy: Copy, found: Found) -> ObjectInfo:
    if found.info.size <= _LARGEST_AT_ONCE:
        return await _copy_at_once(copy, found)
    headers = _kept_headers(found)
    async with begun_upload(copy.http, copy.target, headers, copy.mark, copy.now) as upload:

        async def send(number: int, byte_range: str) -> str:
            return await _copy_range(copy, upload, found, number, byte_range)

        etags = await send_parts(_ranges(found.info.size), send, _WIDTH)
        info = found.info
        return await upload.complete(etags, info.size, info.content_type, if_absent=copy.if_absent)


def _kept_headers(found: Found) -> dict[str, str]:
    """What a copy at once would keep by itself: type and metadata."""
    pairs = ((name.lower(), value) for name, value in found.headers.items())
    return {name: value for name, value in pairs if name in _KEPT or (name.startswith(_METADATA) and name != MARK)}


def _marked_headers(copy: Copy, found: Found) -> dict[str, str]:
    """The mark, and all that a copy would keep by itself: who names any must name all. None when that would not come through as it is."""
    kept = _kept_headers(found)
    own = {**kept, MARK: copy.mark}
    size = sum(len(name) - len(_METADATA) + len(value) for name, value in own.items() if name.startswith(_METADATA))
    is_plain = all(text.isascii() and text.isprintable() and text == " ".join(text.split()) for text in kept.values())
    if not is_plain or size > _MOST_METADATA_BYTES or _UNTOLD in found.headers:
        return {}
    return {"x-amz-metadata-directive": "REPLACE", **own}


async def _copy_at_once(copy: Copy, found: Found) -> ObjectInfo:
    marked = _marked_headers(copy, found) if copy.if_absent else {}
    request = Request(
        "PUT",
        copy.action,
        path=path_of(copy.target),
        headers={**_source_headers(copy, found), **(IF_ABSENT if copy.if_absent else {}), **marked},
        extra_seconds=transfer_seconds(found.info.size) / 16,
        patience=_PATIENCE,
    )
    info = found.info

    def decode(reply: Reply) -> ObjectInfo:
        root = parse_answer(copy.http, request, reply, "CopyObjectResult")
        etag = parse_etag(root.findtext("ETag") or "")
        try:
            when = parse_time(root.findtext("LastModified") or "")
        except ValueError:
            when = parse_date(reply.headers, copy.now())
        checksum = parse_checksum(lambda name: root.findtext(f"Checksum{name.upper()}"))
        return ObjectInfo(copy.target, info.size, etag, when, content_type=info.content_type, checksum=checksum)

    failures: list[StorageError] = []
    try:
        return await copy.http.send(request, decode, failures=failures)
    except Changed as error:
        if copy.if_absent and failures and (done := await _find_done(copy, found, is_marked=bool(marked))):
            return done
        await _tell_apart(copy, found, error)
        raise exists_already(copy.http, copy.target, error.code) from None


async def _copy_range(copy: Copy, upload: Upload, found: Found, number: int, byte_range: str) -> str:
    request = Request(
        "PUT",
        f"{copy.action} ({byte_range})",
        path=path_of(copy.target),
        params={"partNumber": str(number), "uploadId": upload.id},
        headers={**_source_headers(copy, found), "x-amz-copy-source-range": byte_range},
        extra_seconds=transfer_seconds(_RANGE) / 4,
        patience=_PATIENCE,
    )

    def decode(reply: Reply) -> str:
        etag = parse_answer(copy.http, request, reply, "CopyPartResult").findtext("ETag")
        if not etag:
            raise not_s3(request.action)
        return etag

    try:
        return await copy.http.send(request, decode)
    except Changed as error:
        raise _changed(copy, error.code) from None


async def _ranges(size: int) -> AsyncIterator[str]:
    """Cut ``size`` bytes into ranges as the header wants them, few enough for one upload."""
    step = max(_RANGE, -(-size // _MOST_RANGES))
    for start in range(0, size, step):
        yield f"bytes={start}-{min(start + step, size) - 1}"


def _source_headers(copy: Copy, found: Found) -> Mapping[str, str]:
    return {
        "x-amz-copy-source": quote(f"{copy.bucket}/{copy.key}", safe="/"),
        "x-amz-copy-source-if-match": f'"{found.info.fingerprint}"',
    }


async def _tell_apart(copy: Copy, found: Found, error: Changed) -> None:
    """A refused condition does not say which one it was: look at the source. Raises Changed when it was changed or deleted."""
    if not copy.if_absent:
        raise _changed(copy, error.code)
    try:
        now = await look_up(copy.source, copy.key)
    except NotFound:
        raise _changed(copy, error.code) from None
    if now.info.fingerprint != found.info.fingerprint:
        raise _changed(copy, error.code)


async def _find_done(copy: Copy, found: Found, *, is_marked: bool) -> ObjectInfo | None:
    """Look for what an earlier try, whose answer was lost, has made. Without a mark the same content counts as ours."""
    try:
        there = await look_up(copy.http, copy.target)
    except StorageError:
        return None
    if is_marked:
        return there.info if there.headers.get(MARK) == copy.mark else None
    same = (there.info.size, there.info.fingerprint) == (found.info.size, found.info.fingerprint)
    return there.info if same else None


def _changed(copy: Copy, code: str = "") -> Changed:
    place = f"bucket '{copy.bucket}' at {copy.source.place.endpoint}"
    return Changed(f"Cannot {copy.action}: {copy.key!r} in {place} was changed since it was listed", code)

"""Writes one S3 object from a stream: one PUT when it fits a part, else a multipart upload, a few parts at once.

The SHA-256 of every body is signed, so that the server refuses what was changed on the way. Memory holds the parts under way
and no more: 64 MiB, growing only behind the first 16 GiB of an object.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from videovector_operator.errors import Changed, Invalid
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.parts import cut_parts, first_of, put_back, send_parts
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.request import Reply, Request, transfer_seconds
from videovector_operator.storage.s3_answer import not_s3
from videovector_operator.storage.s3_multipart import (
    IF_ABSENT,
    MARK,
    MOST_PARTS,
    Upload,
    begun_upload,
    exists_already,
    find_own,
)
from videovector_operator.storage.s3_object import decode_written, path_of

_MIB = 1024 * 1024
_FIRST_PART = 16 * _MIB
_GROWTH = 8 * _MIB
_PARTS_OF_ONE_SIZE = 1000
"""Some compatible servers want parts of one size: they have that up to 16 GiB, and 10,000 parts still reach 500 GiB."""
_WIDTH = 3


@dataclass(frozen=True, slots=True)
class Target:
    """What is written and how. ``mark`` is unique to this call; ``now`` gives the server's time."""

    key: str
    content_type: str
    if_absent: bool
    mark: str
    now: Callable[[], datetime]


def part_size(number: int) -> int:
    """Bytes of part ``number`` (from 1), but for the last one. Raises Invalid beyond the last that there may be."""
    if number > MOST_PARTS:
        raise Invalid(f"The object is too large: S3 takes at most {MOST_PARTS} parts, which are 500 GiB here. Split it")
    return _FIRST_PART + (number - 1) // _PARTS_OF_ONE_SIZE * _GROWTH


async def write_object(http: Exchange, target: Target, chunks: AsyncIterable[bytes]) -> ObjectInfo:
    """Store an object; see the port. Raises AlreadyExists."""
    async with aclosing(cut_parts(chunks, part_size)) as parts:
        head = [part async for part in first_of(parts, 2)]
        if len(head) < 2:
            return await _put(http, target, head[0] if head else b"")
        return await _put_parts(http, target, put_back(head, parts))


async def _put(http: Exchange, target: Target, body: bytes) -> ObjectInfo:
    conditional = {**IF_ABSENT, MARK: target.mark} if target.if_absent else {}
    request = Request(
        "PUT",
        f"write object {target.key!r}",
        path=path_of(target.key),
        headers={"content-type": target.content_type, **conditional},
        body=body,
        body_sha256=await _hash(body),
        extra_seconds=transfer_seconds(len(body)),
        patience=2,
    )

    def decode(reply: Reply) -> ObjectInfo:
        return decode_written(target.key, len(body), target.content_type, reply.headers, target.now())

    try:
        return await http.send(request, decode)
    except Changed as error:
        return await find_own(http, target.key, target.mark, exists_already(http, target.key, error.code))


async def _put_parts(http: Exchange, target: Target, parts: AsyncIterator[bytes]) -> ObjectInfo:
    size = 0
    headers = {"content-type": target.content_type}
    async with begun_upload(http, target.key, headers, target.mark, target.now) as upload:

        async def send(number: int, part: bytes) -> str:
            nonlocal size
            size += len(part)
            return await _put_part(upload, number, part)

        etags = await send_parts(parts, send, _WIDTH)
        return await upload.complete(etags, size, target.content_type, if_absent=target.if_absent)


async def _put_part(upload: Upload, number: int, part: bytes) -> str:
    request = Request(
        "PUT",
        f"write part {number} of object {upload.key!r}",
        path=path_of(upload.key),
        params={"partNumber": str(number), "uploadId": upload.id},
        body=part,
        body_sha256=await _hash(part),
        extra_seconds=transfer_seconds(len(part)),
        patience=2,
    )

    def decode(reply: Reply) -> str:
        etag = reply.headers.get("etag")
        if not etag:
            raise not_s3(request.action)
        return etag

    return await upload.http.send(request, decode)


async def _hash(body: bytes) -> str:
    """Hash in a thread: 16 MiB take long enough to be felt by everybody on the loop."""
    if len(body) <= _MIB:
        return sha256(body).hexdigest()
    return await asyncio.to_thread(lambda: sha256(body).hexdigest())

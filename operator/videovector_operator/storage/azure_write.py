"""Writes one blob from a stream: Put Blob when it fits a block, else blocks, a few at once, and the list that makes them a blob.

Azure compares the MD5 of every body with what came; that of the whole blob is stored with it. Blocks that no list names are
invisible and removed by Azure after a week: nothing else can remove them. Memory holds the blocks under way and no more.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from hashlib import md5

from videovector_operator.errors import AlreadyExists, Changed, Invalid, StorageError
from videovector_operator.storage.azure_address import Address, refuse_lossy_name
from videovector_operator.storage.azure_blobs import MARK, build_fields, build_info
from videovector_operator.storage.azure_errors import is_create_conflict
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.parts import cut_parts, send_parts
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.request import Reply, Request, transfer_seconds

_MIB = 1024 * 1024
_BLOCK = 16 * _MIB
_MOST_BLOCKS = 50_000
_BLOCKS_OF_ONE_SIZE = 5_000
"""Behind each 5,000, blocks grow by 16 MiB: 78 GiB in the first ones, 4 TiB in all."""
_WIDTH = 3
_COMMIT_SECONDS = 60.0
_IF_ABSENT = {"if-none-match": "*"}


@dataclass(frozen=True, slots=True)
class Target:
    """What is written and how. ``mark`` is a unique word of letters and digits, at most 40."""

    http: Exchange
    address: Address
    key: str
    content_type: str
    if_absent: bool
    mark: str

    @property
    def path(self) -> str:
        """The blob's, for requests."""
        return self.address.blob_path(self.key)

    @property
    def conditions(self) -> dict[str, str]:
        """Headers of the request that makes the blob."""
        return {**_IF_ABSENT, MARK: self.mark} if self.if_absent else {}


def block_size(number: int) -> int:
    """Bytes of block ``number`` (from 1), but for the last one."""
    return _BLOCK * (1 + (number - 1) // _BLOCKS_OF_ONE_SIZE)


async def write_blob(target: Target, chunks: AsyncIterable[bytes]) -> ObjectInfo:
    """Store a blob; see the port. Raises AlreadyExists, Changed when another write of the same blob came in between."""
    refuse_lossy_name(target.key)
    parts = cut_parts(chunks, block_size)
    first = await anext(parts, b"")
    second = await anext(parts, None)
    if second is None:
        return await _put(target, first)
    return await _put_blocks(target, _chain(first, second, parts))


async def _chain(first: bytes, second: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    yield second
    async for part in rest:
        yield part


async def _put(target: Target, body: bytes) -> ObjectInfo:
    digest = await _digest(body)
    request = Request(
        "PUT",
        f"write object {target.key!r}",
        path=target.path,
        headers={
            "content-type": target.content_type,
            "content-md5": digest,
            "x-ms-blob-type": "BlockBlob",
            **target.conditions,
        },
        body=body,
        accepted=(201,),
        extra_seconds=transfer_seconds(len(body)),
    )
    return await _make(target, request, len(body), digest)


async def _put_blocks(target: Target, parts: AsyncIterator[bytes]) -> ObjectInfo:
    whole, size = md5(usedforsecurity=False), 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal size
        async for part in parts:
            await asyncio.to_thread(whole.update, part)
            size += len(part)
            yield part

    async def send(number: int, part: bytes) -> str:
        return await _put_block(target, number, part)

    ids = await send_parts(counted(), send, _WIDTH)
    rows = "".join(f"<Latest>{each}</Latest>" for each in ids)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'.encode()
    digest = base64.b64encode(whole.digest()).decode()
    request = Request(
        "PUT",
        f"complete object {target.key!r}",
        path=target.path,
        params={"comp": "blocklist"},
        headers={
            "content-type": "application/xml",
            "content-md5": await _digest(body),
            "x-ms-blob-content-type": target.content_type,
            "x-ms-blob-content-md5": digest,
            **target.conditions,
        },
        body=body,
        accepted=(201,),
        extra_seconds=_COMMIT_SECONDS,
        patience=6,
    )
    return await _make(target, request, size, digest)


async def _put_block(target: Target, number: int, part: bytes) -> str:
    """Send one block; returns its id, which no other write of the same blob uses."""
    if number > _MOST_BLOCKS:
        raise Invalid(f"Object {target.key!r} is too large: Azure takes at most {_MOST_BLOCKS} blocks. Split it")
    identity = base64.b64encode(f"{target.mark}-{number:05}".encode()).decode()
    request = Request(
        "PUT",
        f"write block {number} of object {target.key!r}",
        path=target.path,
        params={"comp": "block", "blockid": identity},
        headers={"content-type": "application/octet-stream", "content-md5": await _digest(part)},
        body=part,
        accepted=(201,),
        extra_seconds=transfer_seconds(len(part)),
    )
    await target.http.send(request, lambda _: None)
    return identity


async def _make(target: Target, request: Request, size: int, digest: str) -> ObjectInfo:
    """Send the request that makes the blob."""

    def decode(reply: Reply) -> ObjectInfo:
        try:
            fields = {**build_fields(reply.headers), "Content-MD5": digest, "Content-Type": target.content_type}
            return build_info(target.key, size, fields)
        except (KeyError, ValueError):
            raise Invalid(f"The answer to writing object {target.key!r} is not Azure's: check the endpoint") from None

    try:
        return await target.http.send(request, decode)
    except (AlreadyExists, Changed) as error:
        if not target.if_absent or not (is_create_conflict(error) or error.code == "InvalidBlockList"):
            raise
        # The answer to an earlier try may have been lost: then the blob is there, with our mark on it.
        if (found := await _find_own(target, size, digest)) is not None:
            return found
        place = f"{target.address.label} at {target.address.endpoint}"
        raise AlreadyExists(f"Object {target.key!r} exists already in {place}", error.code) from None


async def _find_own(target: Target, size: int, digest: str) -> ObjectInfo | None:
    def decode(reply: Reply) -> ObjectInfo | None:
        fields = {**build_fields(reply.headers), "Content-MD5": digest, "Content-Type": target.content_type}
        return build_info(target.key, size, fields) if reply.headers.get(MARK) == target.mark else None

    request = Request("HEAD", f"look up object {target.key!r}", path=target.path)
    try:
        return await target.http.send(request, decode)
    except (StorageError, KeyError, ValueError):
        return None


async def _digest(body: bytes) -> str:
    """MD5 as Content-MD5 has it; in a thread when it takes long enough to be felt by everybody on the loop."""
    if len(body) <= _MIB:
        return base64.b64encode(md5(body, usedforsecurity=False).digest()).decode()
    digest = await asyncio.to_thread(lambda: md5(body, usedforsecurity=False).digest())
    return base64.b64encode(digest).decode()

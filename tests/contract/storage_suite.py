"""What the files of the storage contract share: kinds of keys, ways to read a listing, and streams to write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import azure.core.exceptions
import botocore.exceptions
import google.api_core.exceptions

from videovector_operator.errors import StorageError
from videovector_operator.storage.port import ListPage, ObjectInfo, Storage

REFUSALS = (
    StorageError,
    botocore.exceptions.ClientError,
    google.api_core.exceptions.GoogleAPIError,
    azure.core.exceptions.AzureError,
)
"""What ours, and the independent clients, raise when a server will not have a key."""

KEYS = {
    "spaces": " two  spaces .mp4 ",
    "plus": "1+1=2.mp4",
    "percent": "100%.mp4",
    "percent escape": "a%2Fb%41.mp4",
    "question and hash": "what?x=1#top.mp4",
    "ampersand and quotes": "a&b<c>\"d'.mp4",
    "backslash": "win\\dows.mp4",
    "composed unicode": "caf\u00e9.mp4",
    "decomposed unicode": "cafe\u0301.mp4",
    "beyond the basic plane": "clip-\U0001f3ac.mp4",
    "right to left": "\u05e9\u05dc\u05d5\u05dd.mp4",
    "reserved": "a:b;c,d@e!f$g*h(i)[j]{k}|l^m`n~.mp4",
    "long": "x" * 200 + "/" + "y" * 200 + ".mp4",
    "1024 bytes": ("\u00e9" * 100 + "/") * 5 + "y" * 15 + ".mp4",
    "double slash": "a//b.mp4",
    "leading slash": "/root.mp4",
    "dot segment": "a/./b.mp4",
    "two dots segment": "a/../../b.mp4",
    "only dots": "..",
    "trailing slash": "folder/",
    "trailing dot": "a.",
    "dot before a slash": "a./b.mp4",
    "line break": "two\nlines.mp4",
    "control characters": "bell\x07tab\tend\x7f.mp4",
}


async def pages_of(storage: Storage, prefix: str = "", **options: object) -> list[ListPage]:
    return [page async for page in storage.list_pages(prefix, **options)]  # type: ignore[arg-type]  # test options


async def objects_of(storage: Storage, prefix: str = "", **options: object) -> list[ObjectInfo]:
    return [entry for page in await pages_of(storage, prefix, **options) for entry in page.objects]


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def write_empty(storage: Storage, keys: Sequence[str]) -> None:
    """Write an empty object under each key, many at a time, and close. The vendors' clients would take ten times as long."""
    turns = asyncio.Semaphore(_WRITERS)

    async def write(key: str) -> None:
        async with turns:
            await storage.write(key, stream())

    await asyncio.gather(*(write(key) for key in keys))
    await storage.close()


MIB = 1024 * 1024
_WRITERS = 16
_BLOCK = (bytes(range(251)) * 4178)[:MIB]


async def blocks(size: int) -> AsyncIterator[bytes]:
    """Generate ``size`` bytes, a MiB at a time, each of which says by its first bytes where it belongs."""
    for start in range(0, size, MIB):
        yield block(start // MIB)[: size - start]


def block(number: int) -> bytes:
    return number.to_bytes(8, "big") + _BLOCK[8:]


def part_of_blocks(start: int, length: int) -> bytes:
    """What `blocks` has in a range."""
    first, last = start // MIB, (start + length - 1) // MIB
    whole = b"".join(block(number) for number in range(first, last + 1))
    return whole[start - first * MIB :][:length]

"""The storage contract: streams of any length are stored whole or not at all, and only over what may be replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.storage_servers import Bucket
from tests.contract.storage_suite import KEYS, MIB, REFUSALS, blocks, objects_of, part_of_blocks, stream
from videovector_operator.errors import AlreadyExists, Invalid, NotFound
from videovector_operator.storage.port import Storage

pytestmark = pytest.mark.contract


class SourceGoneError(Exception):
    """What the stream that is written raises."""


async def breaking(size: int) -> AsyncIterator[bytes]:
    """Give ``size`` bytes and then fail."""
    async for chunk in blocks(size):
        yield chunk
    raise SourceGoneError


async def survives(bucket: Bucket, storage: Storage, key: str) -> bool:
    """Write by ours; then list, and read by another client under the very same key; then delete by ours."""
    data = b"0123456789" if not key.endswith("/") else b""
    try:
        written = await storage.write(key, stream(data))
        if bucket.keys() != [key] or bucket.get(key)[0] != data or written.key != key:
            return False
        await storage.delete(key)
        return bucket.keys() == []
    except REFUSALS:
        return False


@pytest.mark.parametrize("kind", KEYS)
async def test_every_kind_of_key_can_be_written_and_deleted(bucket: Bucket, storage: Storage, kind: str) -> None:
    assert await survives(bucket, storage, KEYS[kind]) is (
        kind not in bucket.gaps.lost_keys | bucket.gaps.unwritten_keys
    )


async def test_what_was_written_is_what_is_looked_up(bucket: Bucket, storage: Storage) -> None:
    before = datetime.now(UTC)
    written = await storage.write("a/clip 1.mp4", stream(b"01", b"", b"234"), content_type="video/mp4")
    found = await storage.stat("a/clip 1.mp4")
    [listed] = await objects_of(storage)
    assert (written.key, written.size, written.content_type) == ("a/clip 1.mp4", 5, "video/mp4")
    assert written.fingerprint == found.fingerprint == listed.fingerprint
    assert found.content_type == "video/mp4"
    assert written.checksum == found.checksum
    assert abs(written.modified_at - found.modified_at) < timedelta(seconds=3)
    assert before - timedelta(seconds=3) < written.modified_at
    assert bucket.get("a/clip 1.mp4") == (b"01234", "video/mp4")


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 16 * MIB - 1, 16 * MIB, 16 * MIB + 1, 33 * MIB + 7])
async def test_any_length(bucket: Bucket, storage: Storage, size: int) -> None:
    written = await storage.write("big.bin", blocks(size), content_type="application/x-test")
    found = await storage.stat("big.bin")
    assert written.size == found.size == size
    assert written.fingerprint == found.fingerprint
    assert (written.content_type, found.content_type) == ("application/x-test", "application/x-test")
    assert bucket.get("big.bin")[0] == (part_of_blocks(0, size) if size else b"")
    assert bucket.leftovers() == []


async def test_a_chunk_may_be_larger_than_a_part(bucket: Bucket, storage: Storage) -> None:
    data = part_of_blocks(0, 37 * MIB)
    await storage.write("big.bin", stream(data[:5], data[5:]))
    assert bucket.get("big.bin")[0] == data


async def test_an_object_is_replaced_unless_it_must_be_absent(bucket: Bucket, storage: Storage) -> None:
    first = await storage.write("a", stream(b"first"), if_absent=True)
    with pytest.raises(AlreadyExists, match="'a'"):
        await storage.write("a", stream(b"first"), if_absent=True)
    with pytest.raises(AlreadyExists, match="'a'"):
        await storage.write("a", blocks(17 * MIB), if_absent=True)
    assert bucket.get("a")[0] == b"first"
    assert bucket.leftovers() == []
    second = await storage.write("a", stream(b"second"))
    assert second.fingerprint != first.fingerprint
    assert bucket.get("a")[0] == b"second"
    await storage.write("big", blocks(17 * MIB), if_absent=True)
    assert (await storage.stat("big")).size == 17 * MIB


async def test_of_many_that_create_the_same_object_one_succeeds(bucket: Bucket, storage: Storage) -> None:
    contents = [f"writer {number}".encode() for number in range(8)]
    results = await asyncio.gather(
        *(storage.write("once", stream(data), if_absent=True) for data in contents), return_exceptions=True
    )
    won = [data for data, result in zip(contents, results, strict=True) if not isinstance(result, BaseException)]
    assert [bucket.get("once")[0]] == won
    assert sum(isinstance(result, AlreadyExists) for result in results) == 7


@pytest.mark.parametrize("size", [0, 10, 17 * MIB, 70 * MIB])
async def test_a_source_that_fails_leaves_nothing_and_harms_nothing(
    bucket: Bucket, storage: Storage, size: int
) -> None:
    bucket.put("old", b"old content")
    for key in ("old", "new"):
        with pytest.raises(SourceGoneError):
            await storage.write(key, breaking(size))
    assert bucket.keys() == ["old"]
    assert bucket.get("old")[0] == b"old content"
    assert bucket.leftovers() == []


async def test_a_cancelled_write_leaves_nothing(bucket: Bucket, storage: Storage) -> None:
    drawn = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        for number in range(100):
            yield bytes(MIB)
            if number == 60:
                drawn.set()
                await asyncio.Event().wait()

    writing = asyncio.create_task(storage.write("new", endless()))
    await asyncio.wait_for(drawn.wait(), 60)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert bucket.keys() == []
    assert bucket.leftovers() == []


async def test_many_writes_at_once(bucket: Bucket, storage: Storage) -> None:
    names = [f"{number:02}" for number in range(40)]
    await asyncio.gather(*(storage.write(name, stream(name.encode())) for name in names))
    assert bucket.keys() == names
    assert {bucket.get(name)[0] for name in names} == {name.encode() for name in names}


async def test_deleting_what_is_not_there_is_fine(bucket: Bucket, storage: Storage) -> None:
    bucket.put("a", b"x")
    for _ in range(2):
        await storage.delete("a")
        await storage.delete("never was/there ä")
    assert bucket.keys() == []
    with pytest.raises(NotFound):
        await storage.stat("a")


@pytest.mark.parametrize("content_type", ["", "video/mp4\r\nx: y", "a\nb", "ü/x", "x" * 300, "a\0b"])
async def test_a_content_type_that_no_header_can_hold_is_refused(storage: Storage, content_type: str) -> None:
    with pytest.raises(Invalid, match="content type"):
        await storage.write("a", stream(b"x"), content_type=content_type)

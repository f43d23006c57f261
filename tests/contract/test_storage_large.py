"""The storage contract beyond 5 GiB, the limit of one request of S3's: written from a stream, read in ranges, copied, in bounded
memory.

Not on every server. The fake keeps its objects in this very process. moto reads a whole object into memory to answer any range
of it (two minutes for ranges of 1 GiB), and cannot be asked for 5 GiB in a time that a test may take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.contract.storage_servers import Bucket, Server
from tests.contract.storage_suite import MIB, blocks, part_of_blocks
from tests.support.memory import PeakMemory
from videovector_operator.errors import AlreadyExists, Changed
from videovector_operator.storage.port import ObjectInfo, Storage

pytestmark = [pytest.mark.contract, pytest.mark.timeout(600)]

GIB = 1024 * MIB
SIZE = 5 * GIB + 12_345
MOST_MEMORY = 200 * MIB
RANGE = 8 * MIB
SERVERS = ["versitygw", "gcs", "azurite"]


@pytest.fixture(params=SERVERS)
def large_bucket(request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket on each server that can hold objects of this size."""
    server: Server = request.getfixturevalue(request.param)
    return server.new_bucket()


async def test_an_object_of_more_than_5_gib(large_bucket: Bucket) -> None:
    storage = large_bucket.open()
    memory = PeakMemory()
    written = await storage.write("in/large.mp4", blocks(SIZE), content_type="video/mp4")
    assert written.size == SIZE
    assert memory.growth < MOST_MEMORY
    await check_whole(storage, written)
    assert memory.growth < MOST_MEMORY
    await check_copy(large_bucket, storage, written)
    assert memory.growth < MOST_MEMORY
    for key in ("in/large.mp4", "out/copy.mp4"):
        await storage.delete(key)
    assert large_bucket.keys() == []
    assert large_bucket.leftovers() == []
    await storage.close()


async def check_whole(storage: Storage, written: ObjectInfo) -> None:
    """Read every byte of it, four ranges at a time, pinned to what was written."""
    found = await storage.stat(written.key)
    assert (found.size, found.fingerprint, found.content_type) == (SIZE, written.fingerprint, "video/mp4")
    for start in range(0, SIZE, 4 * RANGE):
        await check_ranges(storage, written, [start + step * RANGE for step in range(4)], RANGE)
    assert await storage.read_range(written.key, SIZE, 10) == b""


async def check_ranges(storage: Storage, info: ObjectInfo, starts: Sequence[int], length: int) -> None:
    inside = [start for start in starts if start < SIZE]
    reads = (storage.read_range(info.key, start, length, fingerprint=info.fingerprint) for start in inside)
    for start, data in zip(inside, await asyncio.gather(*reads), strict=True):
        assert data == part_of_blocks(start, min(length, SIZE - start))


async def check_copy(bucket: Bucket, storage: Storage, written: ObjectInfo) -> None:
    """The copy is the same object at its beginning, on both sides of 4 GiB and of 5 GiB, and at its end."""
    copied = await storage.copy(written.key, "out/copy.mp4", fingerprint=written.fingerprint, if_absent=True)
    found = await storage.stat("out/copy.mp4")
    assert (copied.size, copied.fingerprint) == (found.size, found.fingerprint)
    assert (found.size, found.content_type) == (SIZE, "video/mp4")
    await check_ranges(storage, copied, [0, 4 * GIB - 100, 4 * GIB, 5 * GIB - 100, 5 * GIB, SIZE - 200], 200)
    with pytest.raises(Changed):
        await storage.copy(written.key, "out/other.mp4", fingerprint="another version")
    with pytest.raises(AlreadyExists):
        await storage.copy(written.key, "out/copy.mp4", if_absent=True)
    assert sorted(bucket.keys()) == ["in/large.mp4", "out/copy.mp4"]
    assert bucket.leftovers() == []


async def test_a_copy_that_does_not_fit_one_request(bucket: Bucket, storage: Storage) -> None:
    size = 257 * MIB + 5
    written = await storage.write("a b.mp4", blocks(size), content_type="video/mp4")
    copied = await storage.copy("a b.mp4", "ä/copy.mp4", fingerprint=written.fingerprint)
    found = await storage.stat("ä/copy.mp4")
    assert (copied.size, copied.fingerprint, copied.content_type) == (size, found.fingerprint, "video/mp4")
    assert (found.size, found.content_type) == (size, "video/mp4")
    for start in (0, 128 * MIB - 9, 256 * MIB - 9, size - 20):
        assert await storage.read_range("ä/copy.mp4", start, 20) == part_of_blocks(start, min(20, size - start))
    with pytest.raises(AlreadyExists):
        await storage.copy("a b.mp4", "ä/copy.mp4", if_absent=True)
    assert bucket.leftovers() == []

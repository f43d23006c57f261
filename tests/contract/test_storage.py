"""The storage contract, reading side: one list of tests over every implementation and server (see conftest.SERVERS)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.storage_servers import Bucket
from tests.contract.storage_suite import KEYS, REFUSALS, objects_of, pages_of
from videovector_operator.errors import Changed, Invalid, NotFound
from videovector_operator.storage.port import Action, ListPage, Storage, Verdict

pytestmark = pytest.mark.contract


async def survives(bucket: Bucket, storage: Storage, key: str) -> bool:
    """Put by another client; then list, look up and read by ours under the very same key."""
    data = b"0123456789" if not key.endswith("/") else b""
    try:
        bucket.put(key, data)
        listed = [entry.key for entry in await objects_of(storage)]
        info = await storage.stat(key)
        return listed == [key] and info.key == key and await storage.read_range(key, 2, 3) == data[2:5]
    except REFUSALS:
        return False


@pytest.mark.parametrize("kind", KEYS)
async def test_every_kind_of_key_survives(bucket: Bucket, storage: Storage, kind: str) -> None:
    assert await survives(bucket, storage, KEYS[kind]) is (kind not in bucket.gaps.lost_keys)


async def test_a_prefix_is_a_raw_string(bucket: Bucket, storage: Storage) -> None:
    for key in ("clip-1.mp4", "clip-2.mp4", "clips/a.mp4", "other/clip-3.mp4", "a b+%41/x", "a b+%41y"):
        bucket.put(key, b"x")
    assert [entry.key for entry in await objects_of(storage, "clip-")] == ["clip-1.mp4", "clip-2.mp4"]
    assert [entry.key for entry in await objects_of(storage, "clip-1.mp4")] == ["clip-1.mp4"]
    assert [entry.key for entry in await objects_of(storage, "a b+%41")] == ["a b+%41/x", "a b+%41y"]
    assert await pages_of(storage, "none/") == []


ORDERED = ["a b", "a!c", "a-b", "a.b", "a/1", "a/2", "a0", "b/c/1", "b/c/2", "b/d", "z", "\u00e4", "\U0001f3ac"]


async def test_pages_come_in_key_order_and_resume_from_any_page(bucket: Bucket, storage: Storage) -> None:
    for key in reversed(ORDERED):
        bucket.put(key, b"x")
    pages = await pages_of(storage, page_size=3)
    keys = [entry.key for page in pages for entry in page.objects]
    assert keys == ORDERED
    assert all(len(page.objects) <= 3 and page.last_key == page.objects[-1].key for page in pages)
    for index, key in enumerate(ORDERED):
        assert [entry.key for entry in await objects_of(storage, start_after=key)] == ORDERED[index + 1 :]
    assert [entry.key for entry in await objects_of(storage, "a", start_after="a.", page_size=2)] == ORDERED[3:7]


async def test_one_level_gives_prefixes_once_and_resumes(bucket: Bucket, storage: Storage) -> None:
    for key in ("a/1", "a/2", "a-b", "b/c/1", "b/c/2", "b/d", "c"):
        bucket.put(key, b"x")
    expected = ["a-b", "a/", "b/", "c"]
    for size in (1, 2, 1000):
        pages = await pages_of(storage, recursive=False, page_size=size)
        entries = [entry for page in pages for entry in merged(page)]
        assert entries == expected
        for page in pages:
            rest = await pages_of(storage, recursive=False, start_after=page.last_key)
            assert [entry for each in rest for entry in merged(each)] == [e for e in expected if e > page.last_key]
    assert [merged(page) for page in await pages_of(storage, "b/", recursive=False)] == [["b/c/", "b/d"]]


def merged(page: ListPage) -> list[str]:
    return sorted([*(entry.key for entry in page.objects), *page.prefixes])


async def test_thousands_of_objects_are_listed_once_each(bucket: Bucket, storage: Storage) -> None:
    """The second page is full too: the third is asked for by a token that came with a page of a token."""
    sizes = [1000, 3] if bucket.gaps.fills_slowly else [1000, 1000, 503]
    expected = [f"many/{number:05}" for number in range(sum(sizes))]
    await bucket.fill(expected)
    pages = await pages_of(storage)
    assert [len(page.objects) for page in pages] == sizes
    assert [entry.key for page in pages for entry in page.objects] == expected


async def test_looking_up_agrees_with_listing(bucket: Bucket, storage: Storage) -> None:
    bucket.put("a/b.mp4", b"12345")
    [listed] = await objects_of(storage)
    found = await storage.stat("a/b.mp4")
    assert (found.key, found.size, found.fingerprint) == ("a/b.mp4", 5, listed.fingerprint)
    assert found.fingerprint
    assert '"' not in found.fingerprint
    assert found.storage_class == listed.storage_class == ""
    assert listed.modified_at.utcoffset() == found.modified_at.utcoffset() == timedelta(0)
    assert abs(listed.modified_at - found.modified_at) < timedelta(seconds=1)
    assert datetime(2026, 1, 1, tzinfo=UTC) <= found.modified_at


async def test_what_is_not_there_is_not_found(bucket: Bucket, storage: Storage) -> None:
    bucket.put("here.mp4", b"x")
    for call in (storage.stat("gone ä.mp4"), storage.read_range("gone ä.mp4", 0, 1)):
        with pytest.raises(NotFound, match=r"gone ä\.mp4"):
            await call


async def test_ranges(bucket: Bucket, storage: Storage) -> None:
    data = bytes(range(256)) * 40
    bucket.put("a.bin", data)
    bucket.put("empty.bin", b"")
    for start, length in ((0, 1), (0, len(data)), (17, 4096), (len(data) - 1, 1), (len(data) - 5, 100), (5, 1 << 30)):
        assert await storage.read_range("a.bin", start, length) == data[start : start + length]
    for start in (len(data), len(data) + 1, 1 << 40):
        assert await storage.read_range("a.bin", start, 10) == b""
    assert await storage.read_range("a.bin", 3, 0) == b""
    assert await storage.read_range("empty.bin", 0, 10) == b""
    with pytest.raises(Invalid):
        await storage.read_range("a.bin", -1, 10)


async def test_a_pinned_read_notices_another_version(bucket: Bucket, storage: Storage) -> None:
    bucket.put("a.bin", b"first")
    fingerprint = (await storage.stat("a.bin")).fingerprint
    assert await storage.read_range("a.bin", 0, 5, fingerprint=fingerprint) == b"first"
    bucket.put("a.bin", b"second")
    with pytest.raises(Changed, match=r"a\.bin"):
        await storage.read_range("a.bin", 0, 5, fingerprint=fingerprint)
    assert await storage.read_range("a.bin", 0, 6) == b"second"


async def test_many_reads_at_once(bucket: Bucket, storage: Storage) -> None:
    bucket.put("a.bin", bytes(range(250)))
    parts = await asyncio.gather(*(storage.read_range("a.bin", start, 5) for start in range(200)))
    assert [part[0] for part in parts] == list(range(200))


async def test_an_empty_bucket_leaves_reading_unknown(storage: Storage) -> None:
    report = await storage.test_access()
    assert [(each.action, each.verdict) for each in report.permissions] == [
        (Action.LIST, Verdict.ALLOWED),
        (Action.READ, Verdict.UNKNOWN),
    ]
    assert report.permissions[1].message
    assert report.sample == ()


async def test_the_connection_test_samples_reads_and_writes_without_a_trace(bucket: Bucket, storage: Storage) -> None:
    keys = [f"{number:02}.mp4" for number in range(12)]
    for key in keys:
        bucket.put(key, b"x")
    report = await storage.test_access(write_prefix="exports/team a/")
    assert [entry.key for entry in report.sample] == keys[:10]
    assert [(each.action, each.verdict, each.code, each.message) for each in report.permissions] == [
        (action, Verdict.ALLOWED, "", "") for action in Action
    ]
    assert bucket.keys() == keys
    assert len((await storage.test_access(sample_size=3)).sample) == 3


async def test_an_empty_object_is_enough_to_test_reading(bucket: Bucket, storage: Storage) -> None:
    bucket.put("folder/", b"")
    report = await storage.test_access()
    assert report.permissions[1].verdict is Verdict.ALLOWED


async def test_nothing_works_behind_close(bucket: Bucket) -> None:
    opened = bucket.open()
    bucket.put("a", b"x")
    await opened.stat("a")
    await opened.close()
    await opened.close()
    for call in (opened.stat("a"), opened.read_range("a", 0, 1), opened.test_access(), pages_of(opened)):
        with pytest.raises(Invalid, match="closed"):
            await call

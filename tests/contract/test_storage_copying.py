"""The storage contract: copies that never leave the server, pinned to a version, and URLs for people without credentials."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from tests.contract.storage_servers import Bucket
from tests.contract.storage_suite import KEYS, REFUSALS, stream
from videovector_operator.errors import AlreadyExists, Changed, Invalid, NotFound
from videovector_operator.storage.port import Storage

pytestmark = pytest.mark.contract


async def test_a_copy_has_content_and_type_of_its_source(bucket: Bucket, storage: Storage) -> None:
    bucket.put("in/a b.mp4", b"0123456789", "video/mp4")
    bucket.put("in/empty.txt", b"", "text/plain")
    copied = await storage.copy("in/a b.mp4", "out/ä/c.mp4")
    found = await storage.stat("out/ä/c.mp4")
    assert (copied.key, copied.size, copied.content_type) == ("out/ä/c.mp4", 10, "video/mp4")
    assert (copied.fingerprint, copied.size) == (found.fingerprint, found.size)
    assert abs(copied.modified_at - found.modified_at) < timedelta(seconds=3)
    assert bucket.get("out/ä/c.mp4") == (b"0123456789", "video/mp4")
    assert (await storage.copy("in/empty.txt", "out/empty.txt")).size == 0
    assert bucket.get("out/empty.txt") == (b"", "text/plain")


async def survives(bucket: Bucket, storage: Storage, key: str) -> bool:
    """Copy from the key, and back to it."""
    data = b"0123456789" if not key.endswith("/") else b""
    other = "plain.bin"
    try:
        bucket.put(key, data)
        if bucket.keys() != [key]:
            return False
        await storage.copy(key, other)
        bucket.remove(key)
        await storage.copy(other, key)
        return sorted(bucket.keys()) == sorted([key, other]) and bucket.get(key)[0] == data
    except REFUSALS:
        return False


@pytest.mark.parametrize("kind", KEYS)
async def test_every_kind_of_key_can_be_copied(bucket: Bucket, storage: Storage, kind: str) -> None:
    gaps = bucket.gaps
    assert await survives(bucket, storage, KEYS[kind]) is (
        kind not in gaps.lost_keys | gaps.unwritten_keys | gaps.uncopied_keys
    )


async def test_copies_between_buckets(bucket: Bucket, storage: Storage) -> None:
    source = bucket.beside()
    source.put("dir/a+b %41.mp4", b"theirs", "video/mp4")
    bucket.put("dir/a+b %41.mp4", b"ours")
    await storage.copy("dir/a+b %41.mp4", "copy.mp4", from_bucket=source.name)
    assert bucket.get("copy.mp4") == (b"theirs", "video/mp4")
    await storage.copy("dir/a+b %41.mp4", "own.mp4", from_bucket=bucket.name)
    assert bucket.get("own.mp4")[0] == b"ours"
    with pytest.raises(NotFound):
        await storage.copy("copy.mp4", "x", from_bucket=source.name)
    assert source.keys() == ["dir/a+b %41.mp4"]


async def test_a_pinned_copy_takes_that_version_or_none(bucket: Bucket, storage: Storage) -> None:
    bucket.put("a", b"first")
    pinned = (await storage.stat("a")).fingerprint
    assert (await storage.copy("a", "b", fingerprint=pinned)).size == 5
    bucket.put("a", b"second")
    for target in ("b", "c"):
        with pytest.raises(Changed, match="'a'"):
            await storage.copy("a", target, fingerprint=pinned)
    assert bucket.get("b")[0] == b"first"
    assert sorted(bucket.keys()) == ["a", "b"]


async def test_a_copy_may_be_only_where_nothing_is(bucket: Bucket, storage: Storage) -> None:
    bucket.put("a", b"first")
    bucket.put("taken", b"taken")
    with pytest.raises(AlreadyExists, match="'taken'"):
        await storage.copy("a", "taken", if_absent=True)
    assert bucket.get("taken")[0] == b"taken"
    pinned = (await storage.stat("a")).fingerprint
    with pytest.raises(AlreadyExists, match="'taken'"):
        await storage.copy("a", "taken", if_absent=True, fingerprint=pinned)
    await storage.copy("a", "free", if_absent=True, fingerprint=pinned)
    with pytest.raises(AlreadyExists, match="'free'"):
        await storage.copy("a", "free", if_absent=True, fingerprint=pinned)
    with pytest.raises(Changed, match="'a'"):
        await storage.copy("a", "free2", if_absent=True, fingerprint="other")
    await storage.copy("a", "taken")
    assert bucket.get("taken")[0] == b"first"
    assert sorted(bucket.keys()) == ["a", "free", "taken"]


async def test_what_is_not_there_cannot_be_copied(bucket: Bucket, storage: Storage) -> None:
    for options in ({}, {"fingerprint": "x"}, {"if_absent": True}, {"from_bucket": f"{bucket.name}-none"}):
        with pytest.raises(NotFound):
            await storage.copy("gone", "target", **options)
    assert bucket.keys() == []


async def test_many_copies_at_once(bucket: Bucket, storage: Storage) -> None:
    bucket.put("a", b"content")
    names = [f"copies/{number:02}" for number in range(30)]
    await asyncio.gather(*(storage.copy("a", name) for name in names))
    assert bucket.keys() == ["a", *names]


async def test_a_url_reads_one_object_for_a_while(bucket: Bucket, storage: Storage) -> None:
    data = b"for everybody"
    for key in ("a b/ü+%41.mp4", "plain"):
        await storage.write(key, stream(data))
        url = await storage.presign(key, expires=timedelta(days=7))
        assert bucket.fetch(url) == data


async def test_a_url_expires(bucket: Bucket, storage: Storage) -> None:
    await storage.write("a", stream(b"x"))
    url = await storage.presign("a", expires=timedelta(seconds=1))
    deadline = time.monotonic() + (3 if bucket.gaps.urls_never_expire else 20)
    expired = False
    while not expired and time.monotonic() < deadline:
        try:
            bucket.fetch(url)
        except PermissionError:
            expired = True
        await asyncio.sleep(0.2)
    assert expired is not bucket.gaps.urls_never_expire


@pytest.mark.parametrize("expires", [timedelta(0), timedelta(seconds=-1), timedelta(days=7, seconds=1)])
async def test_a_url_cannot_last_for_ever(storage: Storage, expires: timedelta) -> None:
    with pytest.raises(Invalid, match="7 days"):
        await storage.presign("a", expires=expires)

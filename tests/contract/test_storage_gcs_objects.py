"""Cloud Storage: what a version is, and what objects with more than bytes are read and copied as. On the real front."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.contract.gcs_calls import Calls, token_of
from tests.contract.storage_gcs import GcsBucket, GcsServer
from tests.contract.storage_suite import MIB, blocks, objects_of, stream
from tests.support.checksums import checksum_of
from videovector_operator.errors import Changed
from videovector_operator.storage.port import Storage

pytestmark = pytest.mark.contract


@pytest.fixture
def bucket(gcs: GcsServer) -> GcsBucket:
    """Here, Cloud Storage's alone."""
    return gcs.new_bucket()


def blob_of(bucket: GcsBucket, key: str) -> Any:
    """The object as Google's own client sees it."""
    return bucket.server.client.bucket(bucket.name).blob(key)


async def test_a_change_of_metadata_is_no_new_version(bucket: GcsBucket, storage: Storage) -> None:
    bucket.put("a.mp4", b"0123456789", "video/mp4")
    before = await storage.stat("a.mp4")
    blob = blob_of(bucket, "a.mp4")
    blob.metadata = {"reviewed": "yes"}
    blob.content_type = "video/quicktime"
    blob.patch()
    after = await storage.stat("a.mp4")
    assert after.content_type == "video/quicktime"
    assert (after.fingerprint, after.modified_at) == (before.fingerprint, before.modified_at)
    assert after.checksum == before.checksum == checksum_of("crc32c", b"0123456789")
    assert [entry.fingerprint for entry in await objects_of(storage)] == [before.fingerprint]
    assert await storage.read_range("a.mp4", 0, 3, fingerprint=before.fingerprint) == b"012"


async def test_the_same_bytes_again_are_a_new_version(bucket: GcsBucket, storage: Storage) -> None:
    bucket.put("a.mp4", b"0123456789")
    before = await storage.stat("a.mp4")
    bucket.put("a.mp4", b"0123456789")
    after = await storage.stat("a.mp4")
    assert after.fingerprint != before.fingerprint
    assert after.checksum == before.checksum == checksum_of("crc32c", b"0123456789")
    assert after.modified_at > before.modified_at
    with pytest.raises(Changed):
        await storage.read_range("a.mp4", 0, 3, fingerprint=before.fingerprint)


async def test_what_is_stored_compressed_is_read_as_it_lies(bucket: GcsBucket, storage: Storage) -> None:
    packed = gzip.compress(b"0123456789" * 1000)
    blob = blob_of(bucket, "a.json")
    blob.content_encoding = "gzip"
    blob.upload_from_string(packed, content_type="application/json")
    plain = Calls(bucket.server.endpoint, bucket.name, token_of(bucket.server.server.administrator)).read(
        "a.json", "bytes=0-9"
    )
    assert (plain.status, len(plain.body)) == (200, 10_000), "who does not take gzip gets other bytes, and no range"
    found = await storage.stat("a.json")
    assert (found.size, found.checksum) == (len(packed), checksum_of("crc32c", packed))
    assert await storage.read_range("a.json", 0, len(packed), fingerprint=found.fingerprint) == packed
    assert await storage.read_range("a.json", 5, 7) == packed[5:12]
    assert await storage.read_range("a.json", len(packed), 7) == b""
    copied = await storage.copy("a.json", "b.json")
    assert (copied.size, copied.checksum) == (found.size, found.checksum)
    assert await storage.read_range("b.json", 0, 20) == packed[:20]


async def test_a_copy_keeps_what_the_source_says_of_itself(bucket: GcsBucket, storage: Storage) -> None:
    blob = blob_of(bucket, "a.mp4")
    blob.metadata = {"camera": "7"}
    blob.cache_control = "no-store"
    blob.upload_from_string(b"x", content_type="video/mp4")
    await storage.copy("a.mp4", "b.mp4", if_absent=True)
    copied = blob_of(bucket, "b.mp4")
    copied.reload()
    assert (copied.content_type, copied.metadata, copied.cache_control) == ("video/mp4", {"camera": "7"}, "no-store")


@pytest.mark.parametrize("size", [10, 17 * MIB])
async def test_only_what_must_be_absent_bears_a_mark(bucket: GcsBucket, storage: Storage, size: int) -> None:
    marks = []
    for key, if_absent in (("plain", False), ("created", True), ("created too", True)):
        content = stream(b"0123456789") if size == 10 else blocks(size)
        await storage.write(key, content, if_absent=if_absent)
        blob = blob_of(bucket, key)
        blob.reload()
        marks.append((blob.metadata or {}).get("videovector-write"))
    assert marks[0] is None
    assert marks[1]
    assert marks[2] not in (None, marks[1])

"""Azure: what is one version of a blob, which blobs cannot be read or replaced, and writers that meet."""

from __future__ import annotations

import asyncio

import pytest
from azure.storage.blob import StandardBlobTier

from tests.contract.storage_azure import AzureContainer, AzureServer, opened
from tests.contract.storage_suite import MIB, objects_of, stream
from videovector_operator.errors import (
    AccessDenied,
    Changed,
    Invalid,
)
from videovector_operator.storage.port import Verdict

pytestmark = pytest.mark.contract


@pytest.fixture
def place(azurite: AzureServer) -> AzureContainer:
    fresh = azurite.new_bucket()
    fresh.put("a.mp4", b"0123456789")
    return fresh


async def test_a_change_of_metadata_is_no_new_version_and_harms_no_pinned_read(place: AzureContainer) -> None:
    async with opened(place) as storage:
        before = await storage.stat("a.mp4")
        place.touch("a.mp4")
        after = await storage.stat("a.mp4")
        [listed] = await objects_of(storage)
        assert before.fingerprint == after.fingerprint == listed.fingerprint
        assert before.fingerprint.startswith("md5-")
        assert await storage.read_range("a.mp4", 2, 3, fingerprint=before.fingerprint) == b"234"
        assert (await storage.copy("a.mp4", "b.mp4", fingerprint=before.fingerprint)).fingerprint == before.fingerprint
        place.put("a.mp4", b"9876543210")
        for call in (
            storage.read_range("a.mp4", 2, 3, fingerprint=before.fingerprint),
            storage.copy("a.mp4", "c.mp4", fingerprint=before.fingerprint),
        ):
            with pytest.raises(Changed, match=r"a\.mp4"):
                await call
        place.put("a.mp4", b"0")
        with pytest.raises(Changed, match=r"a\.mp4"):
            await storage.read_range("a.mp4", 2, 3, fingerprint=before.fingerprint)


async def test_a_blob_without_a_stored_md5_is_pinned_by_its_etag(place: AzureContainer) -> None:
    blob = place.client.get_blob_client("parts.mp4")
    blob.stage_block("AAAA", b"01234")
    blob.commit_block_list(["AAAA"])
    async with opened(place) as storage:
        found = await storage.stat("parts.mp4")
        assert found.fingerprint.startswith("0x")
        assert found.checksum == ""
        assert await storage.read_range("parts.mp4", 1, 2, fingerprint=found.fingerprint) == b"12"
        assert (await storage.copy("parts.mp4", "b.mp4", fingerprint=found.fingerprint)).size == 5
        place.touch("parts.mp4")
        with pytest.raises(Changed):
            await storage.read_range("parts.mp4", 1, 2, fingerprint=found.fingerprint)


async def test_an_append_blob_that_grows_is_another_version(place: AzureContainer) -> None:
    blob = place.client.get_blob_client("log.mp4")
    blob.create_append_blob()
    blob.append_block(b"first")
    async with opened(place) as storage:
        [found] = await objects_of(storage, "log")
        assert await storage.read_range("log.mp4", 0, 5, fingerprint=found.fingerprint) == b"first"
        blob.append_block(b"second")
        with pytest.raises(Changed):
            await storage.read_range("log.mp4", 0, 5, fingerprint=found.fingerprint)


async def test_archived_blobs(place: AzureContainer) -> None:
    place.client.get_blob_client("a.mp4").set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    async with opened(place) as storage:
        [found] = await objects_of(storage)
        assert found.storage_class == "Archive"
        assert (await storage.stat("a.mp4")).storage_class == "Archive"
        with pytest.raises(AccessDenied, match="Rehydrate") as refused:
            await storage.read_range("a.mp4", 0, 1, fingerprint=found.fingerprint)
        assert refused.value.code == "BlobArchived"
        report = await storage.test_access()
        assert report.permissions[1].verdict is Verdict.UNKNOWN


async def test_snapshots_and_leases_are_respected(place: AzureContainer) -> None:
    place.client.get_blob_client("a.mp4").create_snapshot()
    place.put("leased.mp4", b"x")
    place.client.get_blob_client("leased.mp4").acquire_lease(60)
    async with opened(place) as storage:
        with pytest.raises(AccessDenied, match="snapshots") as refused:
            await storage.delete("a.mp4")
        assert refused.value.code == "SnapshotsPresent"
        for call in (storage.delete("leased.mp4"), storage.write("leased.mp4", stream(b"y"))):
            with pytest.raises(AccessDenied, match="leased"):
                await call
        assert [entry.key for entry in await objects_of(storage)] == ["a.mp4", "leased.mp4"]


async def test_two_that_write_the_same_blob_at_once_do_not_mix(place: AzureContainer) -> None:
    size = 40 * MIB
    contents = {fill: fill * size for fill in (b"a", b"b")}
    async with opened(place) as one, opened(place) as other:
        results = await asyncio.gather(
            *(
                storage.write("big", stream(*(data[start : start + MIB] for start in range(0, size, MIB))))
                for storage, data in zip((one, other), contents.values(), strict=True)
            ),
            return_exceptions=True,
        )
        # Whoever completes first throws the other's blocks away: that one is told so.
        assert all(not isinstance(result, BaseException) or isinstance(result, Changed) for result in results)
        assert any(not isinstance(result, BaseException) for result in results)
    assert place.get("big")[0] in contents.values()


async def test_what_lies_below_a_prefix_stays_there(place: AzureContainer) -> None:
    async with opened(place) as storage:
        for key in ("exports/../a.mp4", "exports/..\\a.mp4", "../other/a.mp4", "exports/./a", "..", "exports/a."):
            for call in (storage.write(key, stream(b"x")), storage.copy("a.mp4", key)):
                with pytest.raises(Invalid):
                    await call
    assert place.keys() == ["a.mp4"]

"""The storage contract: what a server vouches for are the bytes that were written, by an algorithm that it is known for.

Each checksum is computed here a second time, over the bytes; a server that gives none is known for that too (`Gaps.checksums`).
"""

from __future__ import annotations

import pytest

from tests.contract.storage_s3 import S3Bucket, S3Server
from tests.contract.storage_servers import Bucket
from tests.contract.storage_suite import MIB, blocks, objects_of, part_of_blocks
from tests.support.checksums import checksum_of
from videovector_operator.storage.port import Storage

pytestmark = pytest.mark.contract


def content_of(size: int) -> bytes:
    return part_of_blocks(0, size) if size else b""


@pytest.mark.parametrize("size", [0, 3, 16 * MIB + 5])
async def test_what_ours_has_written_and_copied(bucket: Bucket, storage: Storage, size: int) -> None:
    """In one request, and in parts."""
    gives = bucket.gaps.checksums
    expected = checksum_of(gives.ours, content_of(size))
    written = await storage.write("a", blocks(size))
    copied = await storage.copy("a", "b")
    found = [await storage.stat(key) for key in ("a", "b")]
    assert [info.checksum for info in (written, copied, *found)] == [expected] * 4
    listed = await objects_of(storage)
    assert [entry.checksum for entry in listed] == [expected if gives.listed else ""] * 2


@pytest.mark.parametrize("size", [0, 3, MIB])
async def test_what_another_client_has_written(bucket: Bucket, storage: Storage, size: int) -> None:
    gives = bucket.gaps.checksums
    expected = checksum_of(gives.theirs, content_of(size))
    bucket.put("a", content_of(size))
    assert (await storage.stat("a")).checksum == expected
    [listed] = await objects_of(storage)
    assert listed.checksum == (expected if gives.listed else "")


ALGORITHMS = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_s3_vouches_by_what_the_writer_chose(versitygw: S3Server, algorithm: str) -> None:
    """The server compares it with the bytes: so what is computed here is what S3 means by that name."""
    place = versitygw.new_bucket()
    expected = checksum_of(algorithm, b"content")
    given = {f"Checksum{algorithm.upper()}": expected.partition(":")[2]}
    versitygw.client.put_object(Bucket=place.name, Key="a", Body=b"content", **given)
    with pytest.raises(versitygw.client.exceptions.ClientError, match="BadDigest"):
        versitygw.client.put_object(Bucket=place.name, Key="a", Body=b"another", **given)
    storage = place.open()
    assert (await storage.stat("a")).checksum == expected
    assert (await storage.copy("a", "b")).checksum == expected
    await storage.close()


@pytest.mark.parametrize("name", ["versitygw", "moto"])
async def test_a_checksum_of_checksums_is_none(request: pytest.FixtureRequest, name: str) -> None:
    """S3 makes one of an upload in parts whose writer asks for it. It says nothing of the bytes to who does not know the parts."""
    server: S3Server = request.getfixturevalue(name)
    place = server.new_bucket()
    put_in_parts(place, "a", [bytes(5 * MIB), b"end"])
    storage = place.open()
    found = await storage.stat("a")
    assert found.size == 5 * MIB + 3
    assert bool(found.checksum) is place.gaps.hides_composites
    assert found.checksum != checksum_of("crc32", bytes(5 * MIB) + b"end")
    await storage.close()


def put_in_parts(place: S3Bucket, key: str, parts: list[bytes]) -> None:
    """Upload as AWS' own client, with a CRC32 of each part."""
    client, where = place.server.client, {"Bucket": place.name, "Key": key}
    upload = {**where, "UploadId": client.create_multipart_upload(**where, ChecksumAlgorithm="CRC32")["UploadId"]}
    done = []
    for number, data in enumerate(parts, 1):
        crc32 = checksum_of("crc32", data).partition(":")[2]
        sent = client.upload_part(**upload, PartNumber=number, Body=data, ChecksumCRC32=crc32)
        done.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumCRC32": crc32})
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})

"""Copies on real S3 servers that bear a mark: type and metadata come through exactly, whatever the source was made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.contract.storage_faults import open_at, proxied
from tests.contract.storage_s3 import S3Bucket, S3Server
from tests.contract.storage_suite import MIB, blocks, part_of_blocks
from tools.testservers.faultproxy import refusing_s3, resetting
from videovector_operator.errors import AlreadyExists
from videovector_operator.storage.s3_multipart import MARK

pytestmark = pytest.mark.contract

MARK_NAME = MARK.removeprefix("x-amz-meta-")
DESCRIBED: dict[str, Any] = {
    "ContentType": "video/mp4; codecs=avc1",
    "CacheControl": "no-cache, max-age=0",
    "ContentDisposition": 'attachment; filename="a b.mp4"',
    "ContentEncoding": "gzip",
    "ContentLanguage": "de-CH",
    "Expires": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
    "Metadata": {"camera": "7", "take_2": "a; b, c=d %41+", "empty": "", "videovector-write": "of another call"},
}
TOLD = ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ExpiresString")
LARGE = 17 * MIB


@pytest.fixture(params=["versitygw", "moto"])
def place(request: pytest.FixtureRequest) -> S3Bucket:
    server: S3Server = request.getfixturevalue(request.param)
    return server.new_bucket()


def describe(place: S3Bucket, key: str) -> tuple[dict[str, Any], dict[str, str], str]:
    """What boto3 tells of an object, its metadata without our mark, and the mark."""
    found = place.server.client.head_object(Bucket=place.name, Key=key)
    metadata = dict(found["Metadata"])
    mark = metadata.pop(MARK_NAME, "")
    return {name: found.get(name) for name in TOLD}, metadata, mark


async def test_a_marked_copy_keeps_type_and_metadata(place: S3Bucket) -> None:
    client = place.server.client
    client.put_object(Bucket=place.name, Key="a", Body=b"0123456789", **DESCRIBED)
    client.put_object(Bucket=place.name, Key="plain", Body=b"0123456789")
    storage = place.open()
    for key in ("a", "plain"):
        copied = await storage.copy(key, f"{key}.copy", if_absent=True)
        told, metadata, mark = describe(place, f"{key}.copy")
        assert (told, metadata) == describe(place, key)[:2]
        assert mark not in ("", "of another call")
        assert copied == await storage.stat(f"{key}.copy")
    await storage.close()


async def test_a_copy_over_whatever_is_there_keeps_them_too(place: S3Bucket) -> None:
    place.server.client.put_object(Bucket=place.name, Key="a", Body=b"0123456789", **DESCRIBED)
    storage = place.open()
    await storage.copy("a", "b")
    assert describe(place, "b") == describe(place, "a")
    await storage.close()


async def test_a_lost_answer_to_a_copy_of_parts_makes_it_no_ones_else(place: S3Bucket) -> None:
    """The proxy keeps the condition that these servers do not: behind a lost answer the second try is refused."""
    with proxied(place) as proxy:
        storage = open_at(place, proxy.endpoint)
        await storage.write("big.bin", blocks(LARGE), content_type="video/mp4")
        assert "-" in (await storage.stat("big.bin")).fingerprint
        proxy.inject(resetting(forward=True), methods="PUT")
        proxy.inject(refusing_s3(412, "PreconditionFailed"), methods="PUT")
        proxy.forget()
        copied = await storage.copy("big.bin", "new.bin", if_absent=True)
        assert (copied.key, copied.size, copied.content_type) == ("new.bin", LARGE, "video/mp4")
        assert len(proxy.requests("PUT")) == 2
        proxy.clear()
        with pytest.raises(AlreadyExists):
            await storage.copy("big.bin", "new.bin", if_absent=True)
        await storage.close()
    assert place.get("new.bin") == (part_of_blocks(0, LARGE), "video/mp4")

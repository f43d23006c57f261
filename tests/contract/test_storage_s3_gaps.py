"""What S3 servers do not check, each asserted by an independent client: a gap that is closed is noticed here."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest

from tests.contract.storage_faults import open_at, proxied
from tests.contract.storage_s3 import S3Bucket, S3Server
from tests.contract.storage_suite import stream
from tools.testservers.faultproxy import flipping_upload
from videovector_operator.errors import Unavailable

pytestmark = pytest.mark.contract


@pytest.fixture(params=["versitygw", "moto"])
def place(request: pytest.FixtureRequest) -> S3Bucket:
    server: S3Server = request.getfixturevalue(request.param)
    bucket = server.new_bucket()
    bucket.put("a", b"content")
    bucket.put("b", b"other")
    return bucket


def is_refused(place: S3Bucket, **condition: Any) -> bool:
    """Copy a to b under a condition that does not hold."""
    source = {"Bucket": place.name, "Key": "a"}
    try:
        place.server.client.copy_object(Bucket=place.name, Key="b", CopySource=source, **condition)
    except botocore.exceptions.ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 412)
    return False


def test_copies_pinned_to_a_version(place: S3Bucket) -> None:
    assert is_refused(place, CopySourceIfMatch='"another"') is not place.gaps.unpinned_copies


def test_copies_only_where_nothing_is(place: S3Bucket) -> None:
    assert is_refused(place, IfNoneMatch="*") is not place.gaps.unconditional_copies


async def test_bytes_that_were_changed_on_the_way(place: S3Bucket) -> None:
    with proxied(place) as proxy:
        proxy.inject(flipping_upload(1), methods="PUT", times=None)
        storage = open_at(place, proxy.endpoint)
        try:
            await storage.write("a", stream(b"CONTENT"))
        except Unavailable:
            assert not place.gaps.unchecked_bytes
            assert place.get("a")[0] == b"content"
        else:
            assert place.gaps.unchecked_bytes
            assert place.get("a")[0] not in (b"content", b"CONTENT")
        await storage.close()

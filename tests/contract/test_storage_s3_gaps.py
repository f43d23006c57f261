"""What S3 servers do not check, each asserted by an independent client: a gap that is closed is noticed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from tests.contract.storage_faults import open_at, proxied
from tests.contract.storage_s3 import ROOT, S3Bucket, S3Server
from tests.contract.storage_suite import stream
from tools.testservers.clients import s3_client_of
from tools.testservers.faultproxy import flipping_upload
from videovector_operator.errors import Invalid, Unavailable

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


@pytest.mark.parametrize("region", ["eu-central-1", "no-such-region"])
def test_signatures_for_another_region(place: S3Bucket, region: str) -> None:
    client = s3_client_of(place.server.endpoint, ROOT.access_key_id, ROOT.secret_access_key, region=region)
    refused = refusal_of(client.put_object, Bucket=place.name, Key="c", Body=b"content")
    assert (refused == "") is place.gaps.accepts_any_region


FILES_IN_THE_WAY = {
    "a file where a folder must be": ("c", "c/d", "ObjectParentIsFile"),
    "a file far above": ("c", "c/d/e/f", "ObjectParentIsFile"),
    "a folder where a file must be": ("c/d", "c", "ExistingObjectIsDirectory"),
    "a folder on the way": ("c/d/e", "c/d", "ExistingObjectIsDirectory"),
}


@pytest.mark.parametrize("case", FILES_IN_THE_WAY)
def test_keys_that_exclude_each_other(place: S3Bucket, case: str) -> None:
    first, second, code = FILES_IN_THE_WAY[case]
    place.put(first, b"first")
    refused = refusal_of(place.put, second, b"second")
    assert refused == (code if place.gaps.resolves_paths else "")
    assert sorted({first, second}.intersection(place.keys())) == sorted({first} if refused else {first, second})
    assert place.get(first)[0] == b"first"


@pytest.mark.parametrize("case", FILES_IN_THE_WAY)
async def test_keys_that_exclude_each_other_are_refused_for_good(versitygw: S3Server, case: str) -> None:
    first, second, code = FILES_IN_THE_WAY[case]
    place = versitygw.new_bucket()
    place.put("other", b"other")
    place.put(first, b"first")
    storage = place.open()
    for call in (storage.write(second, stream(b"x")), storage.copy("other", second)):
        with pytest.raises(Invalid) as refused:
            await call
        assert refused.value.code == code
    await storage.close()


@pytest.mark.parametrize("folder", ["", "c/", "c/d/"])
def test_parts_of_a_key_that_are_longer_than_the_name_of_a_file(place: S3Bucket, folder: str) -> None:
    """Bytes count, not characters."""
    place.put(f"{folder}beside", b"x")
    for name, fits in (("x" * 255, True), ("\u00e9" * 127, True), ("x" * 256, False), ("\u00e9" * 128, False)):
        refused = refusal_of(place.put, folder + name, b"content")
        assert refused == ("" if fits or not place.gaps.resolves_paths else "KeyTooLongError")
        assert (folder + name in place.keys()) is not bool(refused)  # noqa: SIM118 - no mapping


def refusal_of(call: Callable[..., object], *arguments: Any, **options: Any) -> str:
    """Answer S3's code for refusing, or "" when it does not."""
    try:
        call(*arguments, **options)
    except botocore.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""

"""Who may do what: users with restricted rights, wrong credentials, buckets and endpoints that are not there."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from tests.contract.storage_s3 import ROOT, S3Bucket, S3Server, running_moto
from tests.contract.storage_suite import MIB, blocks
from tests.support.local_storage import LOCAL
from videovector_operator.errors import AccessDenied, AlreadyExists, Invalid, InvalidCredentials, NotFound, Unavailable
from videovector_operator.storage.port import Action, Permission, StaticCredentials, Verdict
from videovector_operator.storage.s3 import S3Storage

pytestmark = pytest.mark.contract

LIST = ("s3:ListBucket", "")
READ = ("s3:GetObject", "/*")
WRITE = ("s3:PutObject", "/*")
DELETE = ("s3:DeleteObject", "/*")
ALLOWED, DENIED, UNKNOWN = Verdict.ALLOWED, Verdict.DENIED, Verdict.UNKNOWN


@pytest.fixture(scope="module")
def server(versitygw: S3Server) -> S3Server:
    assert versitygw.gateway is not None
    for user in ("reader", "lister", "getter", "writer", "nobody"):
        versitygw.gateway.create_user(user, f"{user}-secret")
    return versitygw


@pytest.fixture
def bucket(server: S3Server) -> S3Bucket:
    fresh = server.new_bucket()
    fresh.put("a.mp4", b"0123456789")
    return fresh


def keys_of(user: str) -> StaticCredentials:
    return StaticCredentials(user, f"{user}-secret")


async def probe(bucket: S3Bucket, user: str, write_prefix: str) -> dict[Action, Permission]:
    storage = S3Storage(bucket.source(keys_of(user)), LOCAL)
    try:
        report = await storage.test_access(write_prefix=write_prefix)
    finally:
        await storage.close()
    return {each.action: each for each in report.permissions}


RIGHTS = {
    "list and read": ("reader", (LIST, READ), (ALLOWED, ALLOWED, DENIED, UNKNOWN)),
    "list only": ("lister", (LIST,), (ALLOWED, DENIED, DENIED, UNKNOWN)),
    "read only, so that no key is known": ("getter", (READ,), (DENIED, UNKNOWN, DENIED, UNKNOWN)),
    "write and delete only": ("writer", (WRITE, DELETE), (DENIED, UNKNOWN, ALLOWED, ALLOWED)),
    "write only": ("writer", (WRITE,), (DENIED, UNKNOWN, ALLOWED, DENIED)),
    "all": ("writer", (LIST, READ, WRITE, DELETE), (ALLOWED, ALLOWED, ALLOWED, ALLOWED)),
    "another user's rights": ("nobody", (), (DENIED, UNKNOWN, DENIED, UNKNOWN)),
}


@pytest.mark.parametrize("case", RIGHTS)
async def test_each_permission_is_told_apart(bucket: S3Bucket, case: str) -> None:
    user, statements, expected = RIGHTS[case]
    bucket.allow(user if statements else "writer", *(statements or (LIST,)))
    found = await probe(bucket, user, write_prefix="exports/")
    assert tuple(found[action].verdict for action in Action) == expected
    for permission in found.values():
        assert permission.code == ("AccessDenied" if permission.verdict is DENIED else "")
        assert bool(permission.message) is (permission.verdict is not ALLOWED)
        assert user not in permission.message
        assert f"{user}-secret" not in permission.message
        if permission.verdict is DENIED:
            assert bucket.name in permission.message
            assert bucket.server.endpoint in permission.message
            assert "s3:" in permission.message
    left = set(bucket.keys()) - {"a.mp4"}
    assert bool(left) is (found[Action.WRITE].verdict is ALLOWED and found[Action.DELETE].verdict is DENIED)


async def test_who_may_write_but_not_delete_is_told_what_was_left(bucket: S3Bucket) -> None:
    bucket.allow("writer", LIST, READ, WRITE)
    for _ in range(2):
        found = await probe(bucket, "writer", write_prefix="out/")
        assert (found[Action.WRITE].verdict, found[Action.WRITE].message) == (ALLOWED, "")
        assert (found[Action.DELETE].verdict, found[Action.DELETE].code) == (DENIED, "AccessDenied")
        [left] = set(bucket.keys()) - {"a.mp4"}
        assert left.startswith("out/.videovector-write-test-")
        assert left in found[Action.DELETE].message


async def test_who_may_only_write_can_write_large_objects_and_where_nothing_is(bucket: S3Bucket) -> None:
    bucket.allow("writer", WRITE, ("s3:AbortMultipartUpload", "/*"))
    storage = S3Storage(bucket.source(keys_of("writer")), LOCAL)
    assert (await storage.write("big", blocks(17 * MIB))).size == 17 * MIB
    assert (await storage.write("small", blocks(10), if_absent=True)).size == 10
    for size in (10, 17 * MIB):
        with pytest.raises(AlreadyExists):
            await storage.write("small", blocks(size), if_absent=True)
    for call in (storage.stat("small"), storage.delete("small"), storage.copy("small", "other")):
        with pytest.raises(AccessDenied) as refused:
            await call
        assert refused.value.code == "AccessDenied"
    await storage.close()
    assert bucket.leftovers() == []


async def test_who_may_not_list_may_still_read_known_keys(bucket: S3Bucket) -> None:
    bucket.allow("getter", READ)
    storage = S3Storage(bucket.source(keys_of("getter")), LOCAL)
    assert await storage.read_range("a.mp4", 2, 3) == b"234"
    assert (await storage.stat("a.mp4")).size == 10
    with pytest.raises(AccessDenied) as refused:
        await anext(storage.list_pages())
    assert refused.value.code == "AccessDenied"
    await storage.close()


async def test_a_refused_look_up_says_the_code_although_head_has_no_body(bucket: S3Bucket) -> None:
    bucket.allow("lister", LIST)
    storage = S3Storage(bucket.source(keys_of("lister")), LOCAL)
    with pytest.raises(AccessDenied) as refused:
        await storage.stat("a.mp4")
    assert refused.value.code == "AccessDenied"
    await storage.close()


WRONG = {
    "unknown key": (StaticCredentials("unknown-key", "some-secret"), "InvalidAccessKeyId"),
    "wrong secret": (StaticCredentials(ROOT.access_key_id, "wrong-secret"), "SignatureDoesNotMatch"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_wrong_credentials_are_named_and_never_repeated(bucket: S3Bucket, case: str) -> None:
    credentials, code = WRONG[case]
    storage = S3Storage(bucket.source(credentials), LOCAL)
    for call in (storage.test_access(), storage.stat("a.mp4"), storage.read_range("a.mp4", 0, 1)):
        with pytest.raises(InvalidCredentials) as refused:
            await call
        assert refused.value.code == code
        assert bucket.name in str(refused.value)
        for secret in (credentials.access_key_id, credentials.secret_access_key, "AWS4", "Signature="):
            assert secret not in str(refused.value)
    await storage.close()


async def test_a_missing_bucket(bucket: S3Bucket) -> None:
    storage = S3Storage(replace(bucket.source(), bucket="no-such-bucket"), LOCAL)
    for call in (storage.test_access(), storage.read_range("a.mp4", 0, 1)):
        with pytest.raises(NotFound, match="no-such-bucket") as missing:
            await call
        assert missing.value.code == "NoSuchBucket"
    await storage.close()


async def test_an_endpoint_where_nobody_listens(bucket: S3Bucket) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        storage = S3Storage(bucket.source(endpoint=endpoint), LOCAL)
        with pytest.raises(Unavailable, match="Connection refused"):
            await storage.test_access()
        await storage.close()


async def test_plain_http_spoken_to_as_https(bucket: S3Bucket) -> None:
    storage = S3Storage(bucket.source(endpoint=bucket.server.endpoint.replace("http:", "https:")), LOCAL)
    with pytest.raises(Unavailable, match="https"):
        await storage.test_access()
    await storage.close()


@pytest.mark.parametrize("endpoint", ["http://169.254.169.254", "http://0xa9fea9fe", "http://[fe80::1]:9000"])
async def test_metadata_addresses_are_never_dialled(bucket: S3Bucket, endpoint: str) -> None:
    storage = S3Storage(bucket.source(endpoint=endpoint), LOCAL)
    with pytest.raises(Invalid, match="metadata"):
        await storage.test_access()
    await storage.close()


async def test_moto_takes_any_credentials() -> None:
    """A known gap, asserted: when it fails, moto checks credentials and can join the tests above."""
    with running_moto() as moto:
        assert moto.gaps.accepts_any_credentials
        storage = S3Storage(moto.new_bucket().source(StaticCredentials("unknown-key", "some-secret")), LOCAL)
        assert (await storage.test_access()).permissions[0].verdict is ALLOWED
        await storage.close()

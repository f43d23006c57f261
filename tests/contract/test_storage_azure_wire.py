"""Azure on the wire, as a scripted server sees it: names, headers, blocks, and the lent keys that URLs are signed with."""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable
from datetime import timedelta

import pytest

from tests.contract.azure_script import blob, digest_of, lines, part, refusal, serving
from tests.contract.storage_suite import MIB, blocks, stream
from tests.support.stub_server import answer
from videovector_operator.errors import AccessDenied, Invalid
from videovector_operator.storage.ambient import Ambient
from videovector_operator.storage.azure_credentials import TokenCredentials
from videovector_operator.storage.azure_sign import DelegationKey

pytestmark = pytest.mark.contract

WIRE = {
    "a//b": "/acct/media/a//b",
    "a b+c%41#d?e=f&g": "/acct/media/a%20b%2Bc%2541%23d%3Fe%3Df%26g",
    "é\n\x01": "/acct/media/%C3%A9%0A%01",
    "/a/": "/acct/media//a/",
}


async def test_names_stand_on_the_wire_as_they_are() -> None:
    async with serving(part(b"0", 0, 1)) as (storage, stub, _):
        for key in WIRE:
            assert await storage.read_range(key, 0, 1) == b"0"
    assert [seen.target for seen in stub.seen] == list(WIRE.values())


async def test_names_that_cannot_be_are_refused_before_any_request() -> None:
    async with serving(answer(500)) as (storage, stub, _):
        for key in ("", "x" * 1025, "\ud800", "a/../b", "a\\b"):
            calls: tuple[Awaitable[object], ...] = (
                storage.stat(key),
                storage.read_range(key, 0, 1),
                storage.write(key, stream(b"x")),
                storage.copy(key, "c"),
                storage.copy("c", key),
                storage.delete(key),
                storage.presign(key, expires=timedelta(hours=1)),
            )
            for call in calls:
                with pytest.raises(Invalid):
                    await call
        assert [seen.method for seen in stub.seen if seen.method != "HEAD"] == []


async def test_requests_are_plain_and_signed_with_what_they_carry() -> None:
    async with serving(blob(201)) as (storage, stub, _):
        await storage.write("a", stream(b"0123"), content_type="video/mp4", if_absent=True)
    [seen] = stub.seen
    assert seen.headers["x-ms-blob-type"] == "BlockBlob"
    assert seen.headers["content-md5"] == digest_of(b"0123")
    assert seen.headers["content-type"] == "video/mp4"
    assert seen.headers["if-none-match"] == "*"
    assert seen.headers["x-ms-meta-videovector_write"] == "mark"
    assert seen.headers["x-ms-version"] == "2021-12-02"
    assert seen.headers["authorization"].startswith("SharedKey acct:")
    assert seen.headers["accept-encoding"] == "identity"


async def test_blocks_are_of_this_write_alone_and_their_list_is_in_order() -> None:
    async with serving(blob(201)) as (storage, stub, _):
        written = await storage.write("a", blocks(40 * MIB))
    ids = [base64.b64encode(f"mark-0000{number}".encode()).decode() for number in (1, 2, 3)]
    targets = {seen.target for seen in stub.seen[:3]}
    assert targets == {f"/acct/media/a?comp=block&blockid={each.replace('=', '%3D')}" for each in ids}
    assert stub.seen[3].target == "/acct/media/a?comp=blocklist"
    assert f"md5:{stub.seen[3].headers['x-ms-blob-content-md5']}" == written.checksum
    assert (written.size, written.fingerprint.endswith(f"-{40 * MIB}")) == (40 * MIB, True)


LENT = (
    b"<?xml version='1.0'?><UserDelegationKey><SignedOid>oid</SignedOid><SignedTid>tid</SignedTid><SignedStart>s</SignedStart>"
    b"<SignedExpiry>e</SignedExpiry><SignedService>b</SignedService><SignedVersion>v</SignedVersion><Value>bGVudA==</Value>"
    b"</UserDelegationKey>"
)


def as_identity() -> TokenCredentials:
    return TokenCredentials(Ambient(lambda: "the.token", time.monotonic, name="azure-test"))


async def test_one_lent_key_serves_many_urls() -> None:
    async with serving(answer(200, LENT), own=as_identity()) as (storage, stub, _):
        urls = [await storage.presign(key, expires=timedelta(days=6)) for key in ("a", "b", "c")]
        assert lines(stub) == ["POST /acct/?restype=service&comp=userdelegationkey"]
        assert stub.seen[0].headers["authorization"] == "Bearer the.token"
        assert all("bGVudA" not in url and "skoid=oid" in url for url in urls)
        # No URL outlives the key that it was made with.
        assert "se=2026-05-11T02%3A57%3A01Z" in await storage.presign("d", expires=timedelta(days=7))
        assert len(stub.seen) == 1
    assert "bGVudA" not in repr(DelegationKey("o", "t", "s", "e", "b", "v", "bGVudA=="))


async def test_an_identity_that_is_lent_no_key_is_told_which_role_it_needs() -> None:
    async with serving(refusal(403, "AuthorizationPermissionMismatch"), own=as_identity()) as (storage, _, _):
        with pytest.raises(AccessDenied, match="Storage Blob Delegator") as refused:
            await storage.presign("a", expires=timedelta(hours=1))
        assert refused.value.code == "AuthorizationPermissionMismatch"
    async with serving(answer(200, b"<html/>"), own=as_identity()) as (storage, _, _):
        with pytest.raises(Invalid, match="delegation key"):
            await storage.presign("a", expires=timedelta(hours=1))

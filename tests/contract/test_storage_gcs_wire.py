"""Cloud Storage on the wire: what stands in requests, and what is made of answers that the real front never gives.

A scripted server in the test shows both.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.contract.storage_suite import MIB, blocks, objects_of, stream
from tests.support.local_storage import LOCAL
from tests.support.sleeping import Slept
from tests.support.stub_server import Answer, StubServer, answer
from tools.testservers.gcs_accounts import make_account
from videovector_operator.core.sources import GcsServiceAccount
from videovector_operator.errors import AccessDenied, Changed, Invalid, NotFound, StorageError, Unavailable
from videovector_operator.storage.exchange import Limits
from videovector_operator.storage.gcs import GcsStorage
from videovector_operator.storage.port import GcsSource
from videovector_operator.storage.surroundings import Surroundings

pytestmark = pytest.mark.contract

QUICK = Limits(connect=2.0, silence=10.0, total=60.0, attempts=3)
ACCOUNT = make_account("wire", "project")[0]
KEY = GcsServiceAccount(ACCOUNT.email, ACCOUNT.key_id, ACCOUNT.private_key)


@asynccontextmanager
async def serving(*script: Answer, path: str = "") -> AsyncIterator[tuple[GcsStorage, StubServer]]:
    async with StubServer(script) as stub:
        source = GcsSource("me dia", "payer", f"{stub.endpoint}{path}", KEY)
        storage = GcsStorage(
            source, LOCAL, Surroundings(QUICK, jitter=lambda: 0.0, sleep=Slept(), make_mark=lambda: "mark-7")
        )
        yield storage, stub
        await storage.close()


def described(key: str, size: int = 1, **changes: object) -> dict[str, Any]:
    plain = {"name": key, "size": str(size), "generation": "1700000000000001", "crc32c": "AAAAAA=="}
    return {**plain, "timeCreated": "2026-01-02T03:04:05.678Z", "storageClass": "STANDARD", **changes}


def sent(content: object, status: int = 200, **headers: str) -> Answer:
    return answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})


def page(items: object, **more: object) -> Answer:
    return sent({"kind": "storage#objects", "items": items, **more})


def listing(*keys: str, token: str = "", prefixes: Sequence[str] = ()) -> Answer:
    more = {"nextPageToken": token} if token else {}
    return page([described(key) for key in keys], prefixes=[*prefixes], **more)


def refusal(status: int, reason: str, message: str = "no") -> Answer:
    return sent({"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}, status)


def part(data: bytes, **headers: str) -> Answer:
    return answer(206, data, {"Content-Range": f"bytes 0-{len(data) - 1}/100", **headers})


def query_of(target: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query, keep_blank_values=True).items()}


async def test_keys_stand_on_the_wire_as_one_encoded_step() -> None:
    wire = {
        "a//b": "a%2F%2Fb",
        "a/../b": "a%2F..%2Fb",
        "../../b/other": "..%2F..%2Fb%2Fother",
        "a b+c%41#d?e=f&g": "a%20b%2Bc%2541%23d%3Fe%3Df%26g",
        "é\x01": "%C3%A9%01",
        "/a/": "%2Fa%2F",
    }
    async with serving(part(b"0")) as (storage, stub):
        for key in wire:
            assert await storage.read_range(key, 0, 1) == b"0"
    assert [seen.target for seen in stub.seen] == [
        f"/storage/v1/b/me%20dia/o/{encoded}?alt=media" for encoded in wire.values()
    ]


async def test_a_read_names_range_version_and_that_it_takes_gzip_as_it_lies() -> None:
    async with serving(part(b"0"), path="/gate") as (storage, stub):
        await storage.read_range("a.mp4", 0, 1, fingerprint="1700000000000001")
        host = stub.endpoint.removeprefix("http://")
    [seen] = stub.seen
    assert seen.target == "/gate/storage/v1/b/me%20dia/o/a.mp4?alt=media&ifGenerationMatch=1700000000000001"
    assert seen.headers["range"] == "bytes=0-0"
    assert seen.headers["accept-encoding"] == "gzip"
    assert seen.headers["authorization"].startswith("Bearer eyJ")
    assert seen.headers["host"] == host
    assert "x-goog-user-project" not in seen.headers


WHOLE = answer(200, b"0123456789", {"X-Goog-Generation": "1700000000000001"})


async def test_an_ignored_range_is_cut_out_of_cloud_storages_own_answer() -> None:
    async with serving(WHOLE) as (storage, _):
        assert await storage.read_range("a.mp4", 3, 4) == b"3456"
    page = answer(200, b"<html>Please sign in</html>", {"Content-Type": "text/html"})
    async with serving(page, WHOLE) as (storage, _):
        assert await storage.read_range("a.mp4", 3, 4) == b"3456"
    async with serving(page) as (storage, stub):
        with pytest.raises(Unavailable, match="check the endpoint"):
            await storage.read_range("a.mp4", 3, 4)
        assert len(stub.seen) == 3


async def test_a_server_that_ignores_the_condition_is_found_out() -> None:
    for reply in (WHOLE, part(b"0", **{"X-Goog-Generation": "1700000000000001"})):
        async with serving(reply) as (storage, _):
            assert await storage.read_range("a.mp4", 0, 1, fingerprint="1700000000000001") == b"0"
            with pytest.raises(Changed):
                await storage.read_range("a.mp4", 0, 1, fingerprint="1700000000000002")


@pytest.mark.parametrize("fingerprint", ["", "0", "abc", "-1", "9" * 40, "1&alt=json", "１"])
async def test_a_fingerprint_that_is_no_generation_matches_nothing(fingerprint: str) -> None:
    async with serving(refusal(412, "conditionNotMet")) as (storage, stub):
        with pytest.raises(Changed):
            await storage.read_range("a.mp4", 0, 1, fingerprint=fingerprint)
    assert query_of(stub.seen[0].target) == {"alt": "media", "ifGenerationMatch": "1"}


async def test_what_is_stored_as_gzip_is_read_as_it_lies() -> None:
    stored = part(b"\x1f\x8bgzip", **{"Content-Encoding": "gzip", "X-Goog-Stored-Content-Encoding": "gzip"})
    async with serving(stored) as (storage, stub):
        assert await storage.read_range("a.json.gz", 0, 6) == b"\x1f\x8bgzip"
    assert len(stub.seen) == 1


async def test_what_was_compressed_on_the_way_is_asked_for_again() -> None:
    recoded = part(b"\x1f\x8b...", **{"Content-Encoding": "gzip", "X-Goog-Stored-Content-Encoding": "identity"})
    async with serving(recoded, part(b"plain")) as (storage, stub):
        assert await storage.read_range("a.txt", 0, 5) == b"plain"
    assert [seen.headers["accept-encoding"] for seen in stub.seen] == ["gzip", "identity"]


async def test_a_listing_asks_for_what_it_needs_and_resumes_by_key() -> None:
    script = (listing("p/b", "p/c", token="t+1"), listing("p/d"))
    async with serving(*script) as (storage, stub):
        keys = [entry.key for entry in await objects_of(storage, "p/", start_after="p/b", page_size=7, recursive=False)]
        assert keys == ["p/c", "p/d"], "startOffset includes the key itself"
    first, second = (query_of(seen.target) for seen in stub.seen)
    fields = "kind,items(name,size,generation,timeCreated,storageClass,contentType,crc32c),prefixes,nextPageToken"
    common = {"maxResults": "7", "prefix": "p/", "delimiter": "/", "fields": fields, "prettyPrint": "false"}
    assert first == {**common, "startOffset": "p/b"}
    assert second == {**common, "pageToken": "t+1"}


async def test_a_forgotten_token_is_replaced_by_the_last_key() -> None:
    script = (listing("a", "b", token="t"), refusal(400, "invalid", "Invalid pageToken"), listing("b", "c"))
    async with serving(*script) as (storage, stub):
        assert [entry.key for entry in await objects_of(storage)] == ["a", "b", "c"]
    assert query_of(stub.seen[2].target)["startOffset"] == "b"


async def test_objects_are_what_google_says_of_them() -> None:
    odd = described("b", 5, storageClass="ARCHIVE", contentType="video/mp4", timeCreated="2026-01-02T05:04:05+02:00")
    del odd["crc32c"]
    async with serving(page([described("a"), odd])) as (storage, _):
        first, second = await objects_of(storage)
    assert (first.storage_class, first.content_type, first.checksum) == ("", "", "crc32c:AAAAAA==")
    assert first.modified_at.isoformat() == "2026-01-02T03:04:05.678000+00:00"
    assert (second.storage_class, second.content_type, second.checksum) == ("ARCHIVE", "video/mp4", "")
    assert second.modified_at.isoformat() == "2026-01-02T03:04:05+00:00"


BAD_LISTINGS: dict[str, tuple[Answer, type[StorageError]]] = {
    "a web page": (answer(200, b"<html><body>hello</body></html>"), Invalid),
    "an empty object": (sent({}), Invalid),
    "another kind": (sent({"kind": "storage#buckets", "items": []}), Invalid),
    "an error with status 200": (refusal(200, "forbidden"), AccessDenied),
    "a failure with status 200": (refusal(200, "backendError"), Unavailable),
    "nothing": (answer(200), Invalid),
    "XML": (answer(200, b"<?xml version='1.0'?><ListBucketResult/>"), Invalid),
    "a list": (sent([]), Invalid),
    "null": (sent(None), Invalid),
    "items that are none": (page(7), Invalid),
    "an item without a size": (page([{"name": "a"}]), Invalid),
    "a size that is no number": (page([described("a", size="x")]), Invalid),  # type: ignore[arg-type]  # wrong
    "a time that is none": (page([described("a", timeCreated="yesterday")]), Invalid),
    "a name that is a number": (page([{**described("a"), "name": 7}]), Invalid),
    "half a character": (
        answer(200, json.dumps({"kind": "storage#objects", "items": [described("\ud800")]}).encode()),
        Invalid,
    ),
    "half a document": (answer(200, b'{"items": [{"name": "a", "si'), Unavailable),
    "deep": (answer(200, b'{"kind": "storage#objects", "items":' + b"[" * 100_000 + b"}"), Invalid),
    "names out of order": (listing("b", "a"), Invalid),
    "prefixes out of order": (listing(prefixes=("b/", "a/")), Invalid),
    "the same page for ever": (listing("a", token="same"), Invalid),
    "a token and nothing else, for ever": (listing(token="t"), Invalid),
}


@pytest.mark.parametrize("case", BAD_LISTINGS)
async def test_a_listing_that_makes_no_sense(case: str) -> None:
    reply, kind = BAD_LISTINGS[case]
    async with serving(reply) as (storage, stub):
        with pytest.raises(kind, match="bucket 'me dia'"):
            await objects_of(storage)
        assert len(stub.seen) <= 5


async def test_a_server_that_ignores_the_prefix_is_found_out() -> None:
    for reply in (listing("in/a", "out/a"), listing("in/a", prefixes=["out/"]), listing("a")):
        async with serving(reply) as (storage, _):
            with pytest.raises(Invalid, match="does not keep to the prefix 'in/'"):
                await objects_of(storage, "in/")
    async with serving(listing("in/ %41+", "in/b")) as (storage, _):
        assert len(await objects_of(storage, "in/")) == 2


async def test_an_empty_page_is_passed_over() -> None:
    async with serving(listing(token="1"), listing("a")) as (storage, _):
        assert [len(page.objects) async for page in storage.list_pages()] == [1]
    async with serving(sent({"kind": "storage#objects"})) as (storage, _):
        assert await objects_of(storage) == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"name": "a"}', b"<html></html>"])
async def test_a_description_that_makes_no_sense(body: bytes) -> None:
    async with serving(answer(200, body)) as (storage, _):
        for call in (storage.stat("a"), storage.write("a", stream(b"x")), storage.copy("b", "a")):
            with pytest.raises(Invalid, match="endpoint"):
                await call


async def test_a_small_object_is_one_request_with_its_checksum() -> None:
    async with serving(sent(described("ä/b.mp4", 5, md5Hash="XUFAKrxLKna5cZ2REBfFkg=="))) as (storage, stub):
        await storage.write("ä/b.mp4", stream(b"hel", b"lo"), content_type="video/mp4", if_absent=True)
    [seen] = stub.seen
    assert (seen.method, urlsplit(seen.target).path) == ("POST", "/upload/storage/v1/b/me%20dia/o")
    assert query_of(seen.target) == {"uploadType": "multipart", "ifGenerationMatch": "0"}
    assert seen.headers["content-type"] == "multipart/related; boundary=mark-7"


async def test_a_session_is_never_followed_to_another_place() -> None:
    begun = answer(200, headers={"Location": "http://169.254.169.254/steal?uploadType=resumable&upload_id=a%2Fb%3F"})
    done = sent(described("big", 17 * MIB))
    gone = answer(499)
    async with serving(begun, answer(308, headers={"Range": f"bytes=0-{16 * MIB - 1}"}), done, gone) as (storage, stub):
        await storage.write("big", blocks(17 * MIB))
    targets = [seen.target for seen in stub.seen[1:]]
    assert targets == ["/upload/storage/v1/b/me%20dia/o?uploadType=resumable&upload_id=a%2Fb%3F"] * 2
    assert unquote(targets[0]).endswith("upload_id=a/b?")
    assert [seen.headers["content-range"] for seen in stub.seen[1:]] == [
        f"bytes 0-{16 * MIB - 1}/*",
        f"bytes {16 * MIB}-{17 * MIB - 1}/{17 * MIB}",
    ]
    assert "x-goog-hash" not in stub.seen[1].headers
    assert stub.seen[2].headers["x-goog-hash"].startswith("md5=")


BEGUN = answer(200, headers={"Location": "/x?upload_id=session-secret"})
SESSIONS: dict[str, tuple[tuple[Answer, ...], type[StorageError]]] = {
    "no session": ((answer(200),), Invalid),
    "more bytes than were sent": ((BEGUN, answer(308, headers={"Range": "bytes=0-99999999"})), Invalid),
    "no byte is taken, ever": ((BEGUN, answer(308)), Unavailable),
    "the end in the middle": ((BEGUN, sent(described("big"))), Invalid),
    "bytes that are lost again": (
        (BEGUN, answer(308, headers={"Range": f"bytes=0-{16 * MIB - 1}"}), answer(308, headers={"Range": "bytes=0-9"})),
        Unavailable,
    ),
    "an odd Range": ((BEGUN, answer(308, headers={"Range": "elephants"})), Unavailable),
    "an end that never comes": ((BEGUN, answer(308, headers={"Range": f"bytes=0-{16 * MIB - 1}"})), Unavailable),
}


@pytest.mark.parametrize("case", SESSIONS)
async def test_a_session_that_makes_no_sense_is_given_up(case: str) -> None:
    script, kind = SESSIONS[case]
    async with serving(*script) as (storage, stub):
        with pytest.raises(kind, match="'big'") as failed:
            await storage.write("big", blocks(17 * MIB))
        assert "session-secret" not in failed.value.message
        assert len(stub.seen) < 20
        if len(script) > 1:
            assert stub.seen[-1].method == "DELETE"


async def test_what_a_server_stored_otherwise_than_sent_is_removed_again() -> None:
    wrong = sent(described("a", 5, md5Hash="AAAAAAAAAAAAAAAAAAAAAA=="))
    async with serving(wrong, answer(204)) as (storage, stub):
        with pytest.raises(Unavailable, match="other bytes than were sent"):
            await storage.write("a", stream(b"hello"))
    assert stub.seen[1].method == "DELETE"
    assert query_of(stub.seen[1].target) == {"ifGenerationMatch": "1700000000000001"}


async def test_a_copy_goes_on_until_it_is_done() -> None:
    steps = [
        sent({"done": False, "rewriteToken": f"t{number}", "totalBytesRewritten": str(number)}) for number in range(3)
    ]
    done = sent({"done": True, "resource": described("dir/b", 3)})
    async with serving(*steps, refusal(503, "backendError"), done) as (storage, stub):
        copied = await storage.copy("a/x", "dir/b", from_bucket="other", fingerprint="1700000000000009", if_absent=True)
    assert (copied.key, copied.size) == ("dir/b", 3)
    assert {urlsplit(seen.target).path for seen in stub.seen} == {
        "/storage/v1/b/other/o/a%2Fx/rewriteTo/b/me%20dia/o/dir%2Fb"
    }
    queries = [query_of(seen.target) for seen in stub.seen]
    assert [query.get("rewriteToken") for query in queries] == [None, "t0", "t1", "t2", "t2"]
    for query in queries:
        assert (query["ifSourceGenerationMatch"], query["ifGenerationMatch"]) == ("1700000000000009", "0")


async def test_a_copy_that_does_not_get_on_ends() -> None:
    stuck = sent({"done": False, "rewriteToken": "t", "totalBytesRewritten": "5"})
    async with serving(stuck) as (storage, stub):
        with pytest.raises(Unavailable, match="does not get on"):
            await storage.copy("a", "b")
    assert len(stub.seen) < 50


PAYS = refusal(400, "required", "Bucket is a requester pays bucket but no user project provided.")


async def test_where_readers_pay_the_connectors_project_does() -> None:
    async with serving(PAYS, part(b"0"), part(b"1")) as (storage, stub):
        assert await storage.read_range("a", 0, 1) == b"0"
        assert await storage.read_range("a", 0, 1) == b"1"
    assert [seen.headers.get("x-goog-user-project") for seen in stub.seen] == [None, "payer", "payer"]
    async with serving(PAYS) as (storage, stub):
        with pytest.raises(AccessDenied, match="pays"):
            await storage.read_range("a", 0, 1)
    assert len(stub.seen) == 2


async def test_deleting_tells_a_missing_bucket_from_a_missing_object() -> None:
    for message, missing in (("No such object: me dia/a", False), ("The specified bucket does not exist.", True)):
        async with serving(refusal(404, "notFound", message)) as (storage, _):
            if missing:
                with pytest.raises(NotFound, match="bucket does not exist"):
                    await storage.delete("a")
            else:
                await storage.delete("a")


@pytest.mark.parametrize("key", ["", ".", "..", "a\nb", "x" * 1025, "é" * 513, "\ud800"])
async def test_names_that_cannot_exist_are_refused_before_any_request(key: str) -> None:
    async with serving(answer(500)) as (storage, stub):
        calls = (
            storage.stat(key),
            storage.read_range(key, 0, 1),
            storage.read_range(key, 0, 0),
            storage.write(key, stream(b"x")),
            storage.copy("a", key),
            storage.copy(key, "a"),
            storage.delete(key),
        )
        for call in calls:
            with pytest.raises(Invalid):
                await call
    assert stub.seen == []

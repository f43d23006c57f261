"""What S3Storage makes of servers that fail: slow, broken off, throttling, wrong, or not S3 at all."""

from __future__ import annotations

import time
from datetime import timedelta
from email.utils import format_datetime

import pytest

from tests.contract.s3_script import ETAG, KEYS, NOW, failure, listing, part, serving
from tests.contract.storage_suite import stream
from tests.support.stub_server import Answer, StubServer, answer
from videovector_operator.errors import (
    AccessDenied,
    Changed,
    Invalid,
    InvalidCredentials,
    NotFound,
    StorageError,
    Throttled,
    Unavailable,
)
from videovector_operator.storage.exchange import Limits
from videovector_operator.storage.port import ObjectInfo, StaticCredentials
from videovector_operator.storage.s3 import S3Storage
from videovector_operator.storage.s3_credentials import AmbientCredentials

pytestmark = pytest.mark.contract


async def keys_of(storage: S3Storage) -> list[str]:
    return [entry.key for entry in await objects_of(storage)]


async def objects_of(storage: S3Storage) -> list[ObjectInfo]:
    return [entry for page in [page async for page in storage.list_pages()] for entry in page.objects]


NOT_THE_STORE = {
    "404 of a router": answer(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"}),
    "404 of an ingress": answer(404, b"default backend - 404", {"Content-Type": "text/plain"}),
    "404 of a mesh": answer(404),
    "404 of a web server": answer(404, b"<html></html>", {"Content-Type": "text/html"}),
    "a web page": answer(200, b"<html>please sign in</html>", {"Content-Type": "text/html"}),
}
"""What stands before the store answers: there is no route to it, or it wants something else first. Either may be gone in a moment."""
TRANSIENT = {
    "503": answer(503),
    "500 InternalError": failure(500, "InternalError"),
    "429": answer(429),
    "SlowDown": failure(503, "SlowDown"),
    "RequestTimeout, which is a 400": failure(400, "RequestTimeout"),
    "truncated body": part(b"0123456789", size=100, cut=4, then="close"),
    "truncated body and reset": part(b"0123456789", size=100, cut=4, then="reset"),
    "reset before any answer": Answer(b"", "reset"),
    "close before any answer": Answer(b"", "close"),
    "fewer bytes than the object has": part(b"01234", size=100),
    "Content-Length smaller than the range": part(b"0123456789", size=100, length=4, cut=4, then="close"),
    "body stops": part(b"0123456789", size=100, cut=4, then="hang"),
    "no answer": Answer(b"", "hang"),
    **NOT_THE_STORE,
}


@pytest.mark.parametrize("case", TRANSIENT)
async def test_a_transient_failure_is_tried_again(case: str) -> None:
    limits = Limits(connect=2.0, silence=0.5 if case in ("body stops", "no answer") else 10.0, total=60.0)
    good = part(b"0123456789", size=100)
    async with serving(TRANSIENT[case], TRANSIENT[case], good, limits=limits) as (storage, stub, slept):
        assert await storage.read_range("a.mp4", 0, 10) == b"0123456789"
        # The transport repeats a request whose kept-alive connection turned out dead by itself; we wait before each retry.
        assert len(stub.seen) >= 3
        assert 1 <= len(slept.seconds) <= 2


@pytest.mark.parametrize("case", TRANSIENT)
async def test_tries_are_bounded(case: str) -> None:
    limits = Limits(connect=2.0, silence=0.1, total=10.0, attempts=3)
    async with serving(TRANSIENT[case], limits=limits) as (storage, stub, slept):
        with pytest.raises((Unavailable, Throttled)) as failed:
            await storage.read_range("a.mp4", 0, 10)
        assert len(slept.seconds) == 2
        assert len(stub.seen) <= 6
        assert "a.mp4" in failed.value.message
        assert KEYS.secret_access_key not in failed.value.message


@pytest.mark.parametrize("case", NOT_THE_STORE)
async def test_who_answers_for_the_store_all_the_time_is_told_apart_from_it(case: str) -> None:
    async with serving(NOT_THE_STORE[case]) as (storage, _, slept):
        with pytest.raises(Unavailable, match=r"not (an S3 server|S3's).*[Cc]heck the endpoint"):
            await storage.read_range("a.mp4", 0, 10, fingerprint="e")
        assert len(slept.seconds) == 3
    if case == "a web page":
        return
    async with serving(NOT_THE_STORE[case]) as (storage, _, slept):
        for call in (keys_of(storage), storage.delete("a.mp4"), storage.write("a.mp4", stream(b"x"))):
            with pytest.raises(Unavailable, match="not an S3 server"):
                await call
        assert len(slept.seconds) == 9


@pytest.mark.parametrize("name", ["404 of a router", "404 of a web server"])
async def test_a_look_up_asks_whose_404_it_is(name: str) -> None:
    """A HEAD has no body to tell by; a GET has."""
    bare = Answer(NOT_THE_STORE[name].raw.split(b"\r\n\r\n")[0] + b"\r\n\r\n")
    script = (bare, NOT_THE_STORE[name], part(b"0", size=10), looked_up())
    async with serving(*script) as (storage, stub, slept):
        assert (await storage.stat("a.mp4")).size == 10
        assert [seen.method for seen in stub.seen] == ["HEAD", "GET", "GET", "HEAD"]
        assert len(slept.seconds) == 1
    async with serving(bare, failure(404, "NoSuchKey")) as (storage, stub, _):
        with pytest.raises(NotFound):
            await storage.stat("a.mp4")


def looked_up(size: int = 10, **headers: str) -> Answer:
    """The reply to a HEAD: its length is that of the object, its body is none."""
    return answer(200, b"", {**ETAG, "Last-Modified": "Mon, 04 May 2026 03:02:01 GMT", **headers}, length=size)


async def test_no_request_is_repeated_behind_our_back() -> None:
    """The connection is a kept-alive one: the session must not send again by itself what the server may have done."""
    ok = answer(204)
    async with serving(ok, Answer(b"", "reset"), ok, Answer(b"", "close"), ok) as (storage, stub, slept):
        for _ in range(3):
            await storage.delete("a.mp4")
        assert len(stub.seen) == 5
        assert len(slept.seconds) == 2


async def test_backoff_grows_and_retry_after_is_obeyed() -> None:
    patient = failure(503, "SlowDown", headers={"Retry-After": "3"})
    async with serving(answer(503), answer(500), patient, part(b"0")) as (storage, _, slept):
        assert await storage.read_range("a.mp4", 0, 1) == b"0"
    assert slept.seconds[0] < slept.seconds[1] < 1
    assert slept.seconds[2] == 3


async def test_a_longer_retry_after_than_the_deadline_is_handed_on() -> None:
    async with serving(failure(503, "SlowDown", headers={"Retry-After": "120"})) as (storage, stub, slept):
        with pytest.raises(Throttled) as throttled:
            await storage.read_range("a.mp4", 0, 1)
    assert (throttled.value.retry_after, len(stub.seen), slept.seconds) == (120, 1, [])


async def test_a_hanging_server_costs_no_more_than_the_deadline() -> None:
    limits = Limits(connect=1.0, silence=30.0, total=0.3)
    async with serving(Answer(b"", "hang"), limits=limits) as (storage, _, _):
        started = time.monotonic()
        with pytest.raises(Unavailable, match="no answer in time"):
            await storage.read_range("a.mp4", 0, 10)
        assert time.monotonic() - started < 10


SLICES = {
    "200 with the whole object": (answer(200, bytes(range(100)), ETAG), 10, 20, bytes(range(10, 30))),
    "200, range at the end": (answer(200, bytes(range(100)), ETAG), 90, 20, bytes(range(90, 100))),
    "200, range behind the end": (answer(200, bytes(range(100)), ETAG), 100, 20, b""),
    "200, range of everything": (answer(200, bytes(range(100)), ETAG), 0, 100, bytes(range(100))),
    "206 without the size": (part(b"0123456789", 5), 5, 10, b"0123456789"),
    "416": (failure(416, "InvalidRange"), 500, 10, b""),
}


@pytest.mark.parametrize("case", SLICES)
async def test_a_range_is_the_right_slice(case: str) -> None:
    reply, start, length, expected = SLICES[case]
    async with serving(reply) as (storage, _, _):
        assert await storage.read_range("a.mp4", start, length) == expected


async def test_an_ignored_range_reads_no_more_than_needed() -> None:
    endless = answer(200, bytes(1_000_000), ETAG, length=1 << 40, then="hang")
    async with serving(endless) as (storage, _, _):
        assert await storage.read_range("a.mp4", 1000, 10) == bytes(10)
        with pytest.raises(Invalid, match="ignores byte ranges"):
            await storage.read_range("a.mp4", 1 << 30, 10)


REFUSED: dict[str, tuple[Answer, type[StorageError], str]] = {
    "412": (failure(412, "PreconditionFailed"), Changed, "changed"),
    "archived object": (failure(403, "InvalidObjectState"), AccessDenied, "archived"),
    "denied": (failure(403, "AccessDenied"), AccessDenied, "access denied"),
    "account closed": (failure(403, "AllAccessDisabled"), AccessDenied, "access denied"),
    "key of another service": (failure(400, "KMS.DisabledException"), AccessDenied, "access denied"),
    "403 of a proxy": (answer(403, b"<html>no</html>"), AccessDenied, "access denied"),
    "401": (answer(401), InvalidCredentials, "credentials"),
    "expired": (failure(400, "ExpiredToken"), InvalidCredentials, "expired"),
    "absent": (failure(404, "NoSuchKey"), NotFound, "does not exist"),
    "wrong region": (
        failure(400, "AuthorizationHeaderMalformed", "<Region>us-west-2</Region>"),
        Invalid,
        "in region us-west-2, not eu-central-1",
    ),
    "redirect": (
        failure(
            301, "PermanentRedirect", headers={"x-amz-bucket-region": "us-west-2", "Location": "http://127.0.0.1:1"}
        ),
        Invalid,
        "Set the region to us-west-2",
    ),
    "redirect without a region": (answer(302, headers={"Location": "http://127.0.0.1:1/"}), Invalid, "elsewhere"),
    "not HTTP": (Answer(b"220 smtp.example ESMTP\r\n", "close"), Invalid, "S3 server"),
    "other bytes than asked for": (part(b"0123456789", 7, 100), Invalid, "other bytes"),
    "206 without Content-Range": (answer(206, b"0123456789", ETAG), Invalid, "which bytes"),
    "another version, If-Match ignored": (
        answer(206, b"0123456789", {"Content-Range": "bytes 0-9/10", "ETag": '"other"'}),
        Changed,
        "another version",
    ),
    "not implemented": (failure(501, "NotImplemented"), Invalid, "S3 server"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_is_translated_and_not_repeated(case: str) -> None:
    reply, kind, words = REFUSED[case]
    async with serving(reply) as (storage, stub, slept):
        with pytest.raises(kind, match=words) as refused:
            await storage.read_range("a.mp4", 0, 10, fingerprint="e")
        assert type(refused.value) is kind
        assert len(stub.seen) <= 2
        assert slept.seconds == []
        for secret in (KEYS.access_key_id, KEYS.secret_access_key, KEYS.session_token):
            assert secret is not None
            assert secret not in refused.value.message


async def test_look_ups_find_the_region_in_the_headers() -> None:
    moved = answer(301, headers={"x-amz-bucket-region": "ap-south-1"}, length=0)
    async with serving(moved) as (storage, _, _):
        with pytest.raises(Invalid, match="ap-south-1"):
            await storage.stat("a.mp4")


async def test_an_error_in_a_successful_listing_is_an_error() -> None:
    async with serving(failure(200, "SlowDown"), failure(200, "InternalError"), listing("a")) as (storage, _, slept):
        assert await keys_of(storage) == ["a"]
        assert len(slept.seconds) == 2
    async with serving(failure(200, "AccessDenied")) as (storage, _, _):
        with pytest.raises(AccessDenied) as denied:
            await keys_of(storage)
        assert KEYS.secret_access_key not in denied.value.message


BAD_LISTINGS: dict[str, tuple[Answer, type[StorageError]]] = {
    "a web page": (answer(200, b"<html><body>hello</body></html>"), Invalid),
    "nothing": (answer(200), Invalid),
    "JSON": (answer(200, b"{}"), Invalid),
    "another document": (answer(200, b"<?xml version='1.0'?><ListAllMyBucketsResult/>"), Invalid),
    "an entity bomb": (answer(200, b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), Invalid),
    "half a document": (answer(200, b"<?xml version='1.0'?><ListBucketResult><Contents>"), Unavailable),
    "a size that is no number": (
        answer(200, b"<ListBucketResult><Contents><Size>x</Size></Contents></ListBucketResult>"),
        Invalid,
    ),
    "keys out of order": (listing("b", "a"), Invalid),
    "the same page for ever": (listing("a", token="same"), Invalid),
}


@pytest.mark.parametrize("case", BAD_LISTINGS)
async def test_a_listing_that_makes_no_sense(case: str) -> None:
    reply, kind = BAD_LISTINGS[case]
    async with serving(reply) as (storage, stub, _):
        with pytest.raises(kind) as failed:
            await keys_of(storage)
        assert "media" in failed.value.message
        assert len(stub.seen) <= 5


async def test_a_server_that_ignores_the_prefix_is_found_out() -> None:
    """Keys come encoded; what they begin with is looked at behind that."""
    async with serving(listing("in+%25/a", "in+%25/b", rest="<EncodingType>url</EncodingType>")) as (storage, _, _):
        assert [page.last_key async for page in storage.list_pages("in %/")] == ["in %/b"]
    for reply in (
        listing("in/a", "out/a"),
        listing("a"),
        listing(rest="<CommonPrefixes><Prefix>out/</Prefix></CommonPrefixes>"),
    ):
        async with serving(reply) as (storage, _, _):
            with pytest.raises(Invalid, match="does not keep to the prefix 'in/'"):
                _ = [page async for page in storage.list_pages("in/")]


async def test_a_forgotten_token_is_replaced_by_the_last_key() -> None:
    script = (listing("a", "b", token="t1"), failure(400, "InvalidArgument"), listing("c"))
    async with serving(*script) as (storage, stub, _):
        assert await keys_of(storage) == ["a", "b", "c"]
        assert "continuation-token=t1" in stub.seen[1].target
        assert "start-after=b" in stub.seen[2].target


async def test_keys_stand_on_the_wire_as_they_are() -> None:
    wire = {
        "a//b": "/media/a//b",
        "a/../b": "/media/a/../b",
        "./a": "/media/./a",
        "..": "/media/..",
        "a b+c%41#d?e=f&g": "/media/a%20b%2Bc%2541%23d%3Fe%3Df%26g",
        "é\n\x01": "/media/%C3%A9%0A%01",
        "/a/": "/media//a/",
    }
    async with serving(part(b"0", size=1)) as (storage, stub, _):
        for key in wire:
            assert await storage.read_range(key, 0, 1) == b"0"
    assert [seen.target for seen in stub.seen] == list(wire.values())


async def test_requests_are_plain_signed_and_ask_for_no_compression() -> None:
    async with serving(part(b"0", size=1)) as (storage, stub, _):
        await storage.read_range("a.mp4", 0, 1, fingerprint="e")
    [seen] = stub.seen
    assert seen.headers["range"] == "bytes=0-0"
    assert seen.headers["if-match"] == '"e"'
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["x-amz-security-token"] == KEYS.session_token
    assert seen.headers["x-amz-date"] == "20260504T030201Z"
    assert "/20260504/eu-central-1/s3/aws4_request" in seen.headers["authorization"]


async def test_stored_content_encodings_are_not_undone() -> None:
    reply = answer(206, b"not gzip at all", {**ETAG, "Content-Range": "bytes 0-14/15", "Content-Encoding": "gzip"})
    async with serving(reply) as (storage, _, _):
        assert await storage.read_range("a.json.gz", 0, 15) == b"not gzip at all"


async def test_a_wrong_clock_is_learnt_from_the_server() -> None:
    right = NOW + timedelta(hours=2)
    skewed = failure(403, "RequestTimeTooSkewed", headers={"Date": format_datetime(right, usegmt=True)})
    async with serving(skewed, part(b"0", size=1)) as (storage, stub, _):
        assert await storage.read_range("a.mp4", 0, 1) == b"0"
    assert [seen.headers["x-amz-date"] for seen in stub.seen] == ["20260504T030201Z", "20260504T050201Z"]


async def test_a_clock_that_is_days_away_is_not_believed() -> None:
    far = NOW + timedelta(days=40)
    skewed = failure(403, "RequestTimeTooSkewed", headers={"Date": format_datetime(far, usegmt=True)})
    async with serving(skewed) as (storage, stub, _):
        with pytest.raises(Unavailable, match="Set the clock"):
            await storage.read_range("a.mp4", 0, 1)
        assert {seen.headers["x-amz-date"] for seen in stub.seen} == {"20260504T030201Z"}


async def test_a_look_up_goes_on_with_what_the_question_why_has_cured() -> None:
    """A refused HEAD says nothing; the GET that asks why learns the clock, or gets another token."""
    right = NOW + timedelta(hours=2)
    skewed = failure(403, "RequestTimeTooSkewed", headers={"Date": format_datetime(right, usegmt=True)})
    async with serving(answer(403), skewed, part(b"0", size=10), looked_up()) as (storage, stub, _):
        assert (await storage.stat("a.mp4")).size == 10
        assert [seen.method for seen in stub.seen] == ["HEAD", "GET", "GET", "HEAD"]
        assert stub.seen[3].headers["x-amz-date"] == "20260504T050201Z"
    ambient = ambient_keys("first", "second")
    script = (answer(400), failure(400, "ExpiredToken"), part(b"0", size=10), looked_up())
    async with serving(*script, credentials=ambient) as (storage, _, _):
        assert (await storage.stat("a.mp4")).size == 10
    async with serving(answer(403), part(b"0", size=10), answer(403)) as (storage, stub, _):
        with pytest.raises(AccessDenied):
            await storage.stat("a.mp4")
        assert len(stub.seen) == 3


async def test_credentials_that_expire_between_two_tries_are_renewed_too() -> None:
    """And once only, however often the server says so."""
    expired = failure(400, "ExpiredToken")
    ambient = ambient_keys("first", "second", "third")
    async with serving(answer(503), expired, answer(503), part(b"0", size=1), credentials=ambient) as (
        storage,
        stub,
        _,
    ):
        assert await storage.read_range("a.mp4", 0, 1) == b"0"
        assert used_keys(stub) == ["first", "first", "second", "second"]
    ambient = ambient_keys("first", "second", "third")
    async with serving(answer(503), expired, expired, credentials=ambient) as (storage, stub, _):
        with pytest.raises(InvalidCredentials, match="expired"):
            await storage.read_range("a.mp4", 0, 1)
        assert used_keys(stub) == ["first", "first", "second"]


def ambient_keys(*names: str) -> AmbientCredentials:
    keys = iter(names)
    return AmbientCredentials(lambda: StaticCredentials(next(keys), "secret"), time.monotonic)


def used_keys(stub: StubServer) -> list[str]:
    return [seen.headers["authorization"].split("=")[1].split("/")[0] for seen in stub.seen]


async def test_expired_ambient_credentials_are_asked_for_again_once() -> None:
    ambient = ambient_keys("first", "second", "third")
    expired = failure(400, "ExpiredToken")
    async with serving(expired, part(b"0", size=1), expired, credentials=ambient) as (storage, stub, _):
        assert await storage.read_range("a.mp4", 0, 1) == b"0"
        with pytest.raises(InvalidCredentials, match="expired"):
            await storage.read_range("a.mp4", 0, 1)
    assert used_keys(stub) == ["first", "second", "second", "third"]

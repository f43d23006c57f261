"""S3's writes and copies against a scripted server: lost answers, races, errors behind a 200, and what stands on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from tests.contract.s3_script import failure, serving
from tests.contract.storage_suite import MIB, blocks, part_of_blocks, stream
from tests.support.stub_server import Answer, Seen, answer
from videovector_operator.errors import (
    AccessDenied,
    AlreadyExists,
    Changed,
    Invalid,
    InvalidCredentials,
    NotFound,
    StorageError,
    Throttled,
    Unavailable,
)
from videovector_operator.storage.s3_multipart import MARK
from videovector_operator.storage.s3_write import part_size

pytestmark = pytest.mark.contract

OURS = "the-mark"
TWO_PARTS = 17 * MIB
MISSING = answer(404)
"""To a HEAD, which has no body."""
GONE = failure(404, "NoSuchUpload")


def stored(etag: str = "e", **headers: str) -> Answer:
    return answer(200, b"", {"ETag": f'"{etag}"', "Date": "Mon, 04 May 2026 03:02:09 GMT", **headers})


def found(etag: str = "e", size: int = 5, mark: str = "", headers: dict[str, str] | None = None) -> Answer:
    """The reply to a HEAD: its length is that of the object, its body is none."""
    own = {MARK: mark} if mark else {}
    fields = {"ETag": f'"{etag}"', "Last-Modified": "Mon, 04 May 2026 03:02:01 GMT", **own, **(headers or {})}
    return answer(200, b"", fields, length=size)


def xml(tag: str, **fields: str) -> Answer:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return answer(200, f'<?xml version="1.0"?>\n<{tag} xmlns="http://s3.amazonaws.com/">{inner}</{tag}>'.encode())


BEGUN = xml("InitiateMultipartUploadResult", UploadId="upload/1+2")
COMPLETED = xml("CompleteMultipartUploadResult", ETag="&quot;e-2&quot;")
COPIED = xml("CopyObjectResult", ETag="&quot;c&quot;", LastModified="2026-05-04T03:02:03.000Z")


def lines(seen: list[Seen]) -> list[str]:
    return [f"{each.method} {each.target.removeprefix('/media')}" for each in seen]


async def test_a_small_object_is_one_signed_put() -> None:
    async with serving(stored()) as (storage, stub, _):
        written = await storage.write("a b.mp4", stream(b"he", b"llo"), content_type="video/mp4")
    [seen] = stub.seen
    assert lines(stub.seen) == ["PUT /a%20b.mp4"]
    assert seen.headers["x-amz-content-sha256"] == sha256(b"hello").hexdigest()
    assert (seen.headers["content-length"], seen.headers["content-type"]) == ("5", "video/mp4")
    assert "if-none-match" not in seen.headers
    assert MARK not in seen.headers
    assert (written.size, written.fingerprint, written.modified_at.second) == (5, "e", 9)


async def test_parts_are_signed_with_their_own_hash() -> None:
    async with serving(BEGUN, stored("p"), stored("p"), COMPLETED) as (storage, stub, _):
        written = await storage.write("a", blocks(TWO_PARTS), content_type="video/mp4", if_absent=True)
    assert (written.size, written.fingerprint) == (TWO_PARTS, "e-2")
    begin, *parts, complete = stub.seen
    assert lines([begin, complete]) == ["POST /a?uploads=", "POST /a?uploadId=upload%2F1%2B2"]
    assert begin.headers["content-type"] == "video/mp4"
    assert begin.headers[MARK]
    assert "if-none-match" not in begin.headers
    assert complete.headers["if-none-match"] == "*"
    sent = {each.target.split("partNumber=")[1][0]: each.headers["x-amz-content-sha256"] for each in parts}
    assert sent == {
        "1": sha256(part_of_blocks(0, 16 * MIB)).hexdigest(),
        "2": sha256(part_of_blocks(16 * MIB, MIB)).hexdigest(),
    }


def test_parts_are_enough_for_hundreds_of_gib() -> None:
    sizes = [part_size(number) for number in range(1, 10_001)]
    assert sum(sizes) >= 500 << 30
    assert min(sizes) == sizes[0] == sizes[999] == 16 * MIB
    assert max(sizes) <= 96 * MIB
    with pytest.raises(Invalid, match="too large"):
        part_size(10_001)


OWN = found("e-2", TWO_PARTS, OURS)
ENDINGS: dict[str, list[Answer]] = {
    "an error behind a 200": [failure(200, "InternalError"), COMPLETED],
    "white space first": [
        answer(200, b"\n \n" + COMPLETED.raw.split(b"\r\n\r\n", 1)[1]),
    ],
    "cut off": [answer(200, b"<?xml version='1.0'?><CompleteMultipartUploadResult><ETag>"), COMPLETED],
    "nothing but white space": [answer(200, b"  \n"), COMPLETED],
    "a lost answer": [Answer(b"", "reset"), GONE, OWN],
    "a lost answer, told as a conflict": [Answer(b"", "reset"), failure(412, "PreconditionFailed"), OWN],
    "an error although it was done": [failure(200, "InternalError"), GONE, OWN],
    "a conflict that passes": [failure(409, "ConditionalRequestConflict"), COMPLETED],
}


@pytest.mark.parametrize("case", ENDINGS)
async def test_an_upload_is_completed_whatever_the_answers(case: str) -> None:
    script = (BEGUN, stored("p"), stored("p"), *ENDINGS[case])
    async with serving(*script, mark=OURS) as (storage, stub, _):
        written = await storage.write("a", blocks(TWO_PARTS), if_absent=True)
        assert (written.size, written.fingerprint) == (TWO_PARTS, "e-2")
        assert "DELETE" not in {each.method for each in stub.seen}


async def test_an_upload_that_somebody_ended_is_for_another_try() -> None:
    for other in (MISSING, found("x", 9, "another-mark"), found("x", 9)):
        script = (BEGUN, stored("p"), stored("p"), GONE, other, GONE)
        async with serving(*script, mark=OURS) as (storage, stub, _):
            with pytest.raises(Unavailable, match="somebody else"):
                await storage.write("a", blocks(TWO_PARTS))
            assert lines(stub.seen)[-1] == "DELETE /a?uploadId=upload%2F1%2B2"


async def test_who_came_later_finds_the_object_of_another() -> None:
    taken = failure(412, "PreconditionFailed")
    for other in (found("x", 9, "another-mark"), found("x", 9), MISSING):
        async with serving(taken, other, mark=OURS) as (storage, _, _):
            with pytest.raises(AlreadyExists, match="'a'"):
                await storage.write("a", stream(b"hello"), if_absent=True)
    async with serving(taken, found("e", 5, OURS), mark=OURS) as (storage, _, _):
        assert (await storage.write("a", stream(b"hello"), if_absent=True)).fingerprint == "e"


async def test_a_failed_part_aborts_until_nothing_is_left() -> None:
    """Parts that were under way may come in behind the abort; a server that never says that it is done is not asked for ever."""
    denied = failure(403, "AccessDenied")
    for ending in ((answer(204), GONE), (answer(204),), (failure(500, "InternalError"),)):
        async with serving(BEGUN, denied, *ending) as (storage, stub, _):
            with pytest.raises(AccessDenied):
                await storage.write("a", blocks(TWO_PARTS))
        assert lines(stub.seen)[-1] == "DELETE /a?uploadId=upload%2F1%2B2"
        assert 1 <= sum(each.method == "DELETE" for each in stub.seen) <= 4


async def test_a_source_that_fails_before_a_part_is_full_sends_nothing() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"hello"
        raise Unavailable("the source is gone")

    async with serving(stored()) as (storage, stub, _):
        with pytest.raises(Unavailable):
            await storage.write("a", broken())
    assert stub.seen == []


async def test_a_copy_names_its_source_and_version() -> None:
    async with serving(found("v1", headers={"Content-Type": "video/mp4"}), COPIED) as (storage, stub, _):
        copied = await storage.copy("dir/a b?é.mp4", "out/c", fingerprint="v1")
    assert lines(stub.seen) == ["HEAD /dir/a%20b%3F%C3%A9.mp4", "PUT /out/c"]
    headers = stub.seen[1].headers
    assert headers["x-amz-copy-source"] == "media/dir/a%20b%3F%C3%A9.mp4"
    assert headers["x-amz-copy-source-if-match"] == '"v1"'
    assert "if-none-match" not in headers
    assert (copied.key, copied.size, copied.fingerprint, copied.content_type) == ("out/c", 5, "c", "video/mp4")
    assert copied.modified_at.second == 3


async def test_a_large_copy_keeps_type_and_metadata() -> None:
    size = 300 * MIB
    kept = {"Content-Type": "video/mp4", "Cache-Control": "no-cache", "X-Amz-Meta-Camera": "7", MARK: "old"}
    part = xml("CopyPartResult", ETag="&quot;p&quot;")
    script = (MISSING, found("v1", size, headers=kept), BEGUN, part, part, part, COMPLETED)
    async with serving(*script, mark=OURS) as (storage, stub, _):
        copied = await storage.copy("a", "b", if_absent=True)
    assert (copied.size, copied.fingerprint, copied.content_type) == (size, "e-2", "video/mp4")
    begin, *parts, complete = stub.seen[2:]
    names = ("content-type", "cache-control", "x-amz-meta-camera", MARK)
    assert [begin.headers[name] for name in names] == ["video/mp4", "no-cache", "7", OURS]
    ranges = {each.headers["x-amz-copy-source-range"] for each in parts}
    step = 128 * MIB
    assert ranges == {f"bytes={start}-{min(start + step, size) - 1}" for start in range(0, size, step)}
    assert {each.headers["x-amz-copy-source-if-match"] for each in parts} == {'"v1"'}
    assert complete.headers["if-none-match"] == "*"


CHANGED = failure(412, "PreconditionFailed")


async def test_a_refused_copy_is_told_by_looking() -> None:
    """The two conditions of a copy have one answer."""
    for look, kind in (
        (found("v1"), AlreadyExists),
        (found("v2"), Changed),
        (MISSING, Changed),
    ):
        async with serving(MISSING, found("v1"), CHANGED, look) as (storage, _, _):
            with pytest.raises(kind):
                await storage.copy("a", "b", fingerprint="v1", if_absent=True)
    async with serving(found("v1"), CHANGED) as (storage, stub, _):
        with pytest.raises(Changed):
            await storage.copy("a", "b", fingerprint="v1")
        assert len(stub.seen) == 2


async def test_a_copy_that_names_no_version_follows_the_source() -> None:
    async with serving(found("v1"), CHANGED, found("v2", 7), COPIED) as (storage, stub, _):
        assert (await storage.copy("a", "b")).size == 7
        assert stub.seen[-1].headers["x-amz-copy-source-if-match"] == '"v2"'
    async with serving(*[found("v1"), CHANGED] * 3) as (storage, stub, _):
        with pytest.raises(Changed):
            await storage.copy("a", "b")
        assert len(stub.seen) == 6


LOST = Answer(b"", "reset")


@pytest.mark.parametrize("etag", ["v1", "v1-2"], ids=["a source of one part", "a source of two parts"])
async def test_a_copy_whose_answer_was_lost_is_found_by_its_mark(etag: str) -> None:
    """The copy of a source of several parts has another ETag than its source."""
    source = found(etag, headers={"Content-Type": "video/mp4", "X-Amz-Meta-Camera": "7", MARK: "old"})
    script = (MISSING, source, LOST, CHANGED, found("c", mark=OURS))
    async with serving(*script, mark=OURS) as (storage, stub, _):
        copied = await storage.copy("a", "b", if_absent=True)
        assert (copied.key, copied.fingerprint) == ("b", "c")
    sent = stub.seen[2].headers
    assert sent["x-amz-metadata-directive"] == "REPLACE"
    assert [sent[name] for name in ("content-type", "x-amz-meta-camera", MARK)] == ["video/mp4", "7", OURS]
    for there in (found("c", mark="another-mark"), found(etag), MISSING):
        async with serving(MISSING, source, LOST, CHANGED, there, source, mark=OURS) as (storage, _, _):
            with pytest.raises(AlreadyExists):
                await storage.copy("a", "b", if_absent=True)


async def test_a_lost_copy_is_ours_also_when_its_source_was_changed_meanwhile() -> None:
    async with serving(MISSING, found("v1"), LOST, CHANGED, found("c", mark=OURS), found("v2"), mark=OURS) as (
        storage,
        *_,
    ):
        assert (await storage.copy("a", "b", if_absent=True)).fingerprint == "c"


ODD: dict[str, dict[str, str]] = {
    "characters that headers have no common word for": {"X-Amz-Meta-Camera": "caf\u00e9"},
    "two spaces": {"X-Amz-Meta-Camera": "a  b"},
    "as much as there may be": {"X-Amz-Meta-Camera": "x" * 2030},
    "some that is not told": {"X-Amz-Missing-Meta": "1"},
}


@pytest.mark.parametrize("case", ODD)
async def test_metadata_that_might_be_changed_is_left_to_the_server(case: str) -> None:
    """Then the same content counts as ours after a lost answer."""
    source = found("v1", headers=ODD[case])
    async with serving(MISSING, source, LOST, CHANGED, found("v1")) as (storage, stub, _):
        assert (await storage.copy("a", "b", if_absent=True)).fingerprint == "v1"
    assert not {name for name in stub.seen[2].headers if name.startswith("x-amz-meta")}
    for there in (found("other"), found("v1", 6), MISSING):
        async with serving(MISSING, source, LOST, CHANGED, there, source) as (storage, _, _):
            with pytest.raises(AlreadyExists):
                await storage.copy("a", "b", if_absent=True)


async def test_a_copy_over_whatever_is_there_leaves_metadata_to_the_server() -> None:
    async with serving(found("v1", headers={"X-Amz-Meta-Camera": "7"}), COPIED) as (storage, stub, _):
        await storage.copy("a", "b")
    assert not {name for name in stub.seen[1].headers if name.startswith("x-amz-meta")}


async def test_who_may_not_read_the_target_leaves_the_condition_to_the_server() -> None:
    denied = (answer(403), failure(403, "AccessDenied"))
    async with serving(*denied, found("v1"), COPIED) as (storage, stub, _):
        assert (await storage.copy("a", "b", if_absent=True)).fingerprint == "c"
        assert stub.seen[-1].headers["if-none-match"] == "*"


NOT_SEEN: dict[str, tuple[list[Answer], type[StorageError]]] = {
    "the server fails": ([answer(503)] * 4, Unavailable),
    "the connection ends": ([LOST] * 4, Unavailable),
    "the server asks to slow down": ([answer(429)] * 4, Throttled),
    "the credentials are refused": ([answer(403), failure(403, "InvalidAccessKeyId")], InvalidCredentials),
    "the bucket is elsewhere": ([answer(301, headers={"x-amz-bucket-region": "us-west-2"})] * 2, Invalid),
    "an ingress answers": (
        [answer(404, headers={"Content-Type": "text/plain"}), *[answer(404, b"404 page not found")] * 4],
        Unavailable,
    ),
}


@pytest.mark.parametrize("case", NOT_SEEN)
async def test_a_target_that_could_not_be_looked_at_is_not_taken_for_free(case: str) -> None:
    """Not every server knows conditional copies: what was not seen to be absent would be overwritten."""
    script, kind = NOT_SEEN[case]
    async with serving(*script, found("v1"), COPIED) as (storage, stub, _):
        with pytest.raises(kind):
            await storage.copy("a", "b", if_absent=True)
        assert not any(seen.method == "PUT" for seen in stub.seen)


async def test_an_error_behind_a_200_of_a_copy_is_an_error() -> None:
    broken = failure(200, "InternalError")
    async with serving(found("v1"), broken, broken, COPIED) as (storage, _, slept):
        assert (await storage.copy("a", "b")).fingerprint == "c"
        assert len(slept.seconds) == 2
    async with serving(found("v1"), failure(200, "AccessDenied")) as (storage, _, _):
        with pytest.raises(AccessDenied) as denied:
            await storage.copy("a", "b")
        assert "the-secret-key" not in denied.value.message


async def test_deleting_tells_a_missing_bucket_from_a_missing_object() -> None:
    async with serving(failure(404, "NoSuchKey"), failure(404, "NoSuchBucket")) as (storage, _, _):
        await storage.delete("a")
        with pytest.raises(NotFound):
            await storage.delete("a")


async def test_an_ingress_without_a_route_deletes_nothing() -> None:
    lost = answer(404, b"404 page not found", {"Content-Type": "text/plain"})
    async with serving(lost, answer(204)) as (storage, stub, _):
        await storage.delete("a")
        assert len(stub.seen) == 2
    async with serving(lost) as (storage, _, _):
        with pytest.raises(Unavailable, match="not an S3 server"):
            await storage.delete("a")


async def test_checksums_are_those_of_the_whole_object() -> None:
    whole = {"x-amz-checksum-crc64nvme": "AAAA", "x-amz-checksum-type": "FULL_OBJECT"}
    parts = {"x-amz-checksum-sha256": "BBBB-2", "x-amz-checksum-type": "COMPOSITE"}
    async with serving(found(headers=whole), found(headers=parts), found()) as (storage, stub, _):
        assert [(await storage.stat("a")).checksum for _ in range(3)] == ["crc64nvme:AAAA", "", ""]
    assert stub.seen[0].headers["x-amz-checksum-mode"] == "ENABLED"

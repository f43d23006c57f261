"""What makes a version of a blob, and what replies say of it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from videovector_operator.errors import Changed, Invalid, NotFound, Unavailable
from videovector_operator.storage.azure_blobs import (
    Content,
    build_fingerprint,
    check_content,
    decode_head,
    decode_read,
    parse_fingerprint,
)
from videovector_operator.storage.request import Reply

DIGEST = bytes(range(16))
MD5 = base64.b64encode(DIGEST).decode()
OTHER = base64.b64encode(bytes(16)).decode()
HEAD = {
    "etag": '"0x8DABC"',
    "last-modified": "Fri, 02 Jan 2026 03:04:05 GMT",
    "content-length": "10",
    "content-type": "video/mp4",
    "x-ms-blob-type": "BlockBlob",
}

FINGERPRINTS = {
    "stored MD5": (("BlockBlob", MD5, 7, '"0x8D"'), f"md5-{DIGEST.hex()}-7"),
    "no MD5": (("BlockBlob", "", 7, '"0x8D"'), "0x8D"),
    "an append blob's MD5 is not kept up": (("AppendBlob", MD5, 7, "0x8D"), "0x8D"),
    "a page blob's neither": (("PageBlob", MD5, 7, "0x8D"), "0x8D"),
    "not base64": (("BlockBlob", "?", 7, "0x8D"), "0x8D"),
    "not 16 bytes": (("BlockBlob", "AAAA", 7, "0x8D"), "0x8D"),
}


@pytest.mark.parametrize("case", FINGERPRINTS)
def test_fingerprints(case: str) -> None:
    given, expected = FINGERPRINTS[case]
    assert build_fingerprint(*given) == expected


def test_fingerprints_are_told_apart() -> None:
    assert parse_fingerprint(f"md5-{DIGEST.hex()}-7") == Content(DIGEST.hex(), 7)
    for text in (
        "0x8D",
        "",
        "md5-12-7",
        f"md5-{DIGEST.hex().upper()}-7",
        f"md5-{DIGEST.hex()}-",
        f"md5-{DIGEST.hex()}-7 ",
    ):
        assert parse_fingerprint(text) is None


def test_a_change_of_metadata_is_no_new_version() -> None:
    first = decode_head("a", Reply(200, {**HEAD, "content-md5": MD5}))
    touched = {**HEAD, "content-md5": MD5, "etag": '"0x8DFFF"', "last-modified": "Sat, 03 Jan 2026 03:04:05 GMT"}
    second = decode_head("a", Reply(200, touched))
    assert first.fingerprint == second.fingerprint
    assert first.modified_at < second.modified_at


def test_a_look_up() -> None:
    info = decode_head("a b", Reply(200, {**HEAD, "content-md5": MD5, "x-ms-access-tier": "Hot"}))
    assert (info.key, info.size, info.storage_class, info.content_type) == ("a b", 10, "", "video/mp4")
    assert info.checksum == f"md5:{MD5}"
    assert info.modified_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert decode_head("a", Reply(200, {**HEAD, "x-ms-access-tier": "Archive"})).storage_class == "Archive"


def test_a_directory_is_no_object() -> None:
    with pytest.raises(NotFound, match="directory"):
        decode_head("a", Reply(200, {**HEAD, "x-ms-meta-hdi_isfolder": "true"}))


@pytest.mark.parametrize("missing", ["etag", "last-modified", "content-length"])
def test_a_look_up_that_is_not_azures(missing: str) -> None:
    with pytest.raises(Invalid, match="Azure"):
        decode_head("a", Reply(200, {name: value for name, value in HEAD.items() if name != missing}))


PINNED = Content(DIGEST.hex(), 10)
SAME: dict[str, Reply] = {
    "a part": Reply(206, {"x-ms-blob-content-md5": MD5, "content-range": "bytes 2-4/10"}),
    "the whole": Reply(200, {"content-md5": MD5}),
}
OTHERS: dict[str, Reply] = {
    "another content": Reply(206, {"x-ms-blob-content-md5": OTHER, "content-range": "bytes 2-4/10"}),
    "another size": Reply(206, {"x-ms-blob-content-md5": MD5, "content-range": "bytes 2-4/11"}),
    "another whole": Reply(200, {"content-md5": OTHER}),
    "shorter than where we read": Reply(416, {"content-range": "bytes */2"}),
    "an MD5 that is none": Reply(206, {"x-ms-blob-content-md5": "?", "content-range": "bytes 2-4/10"}),
}
SILENT: dict[str, Reply] = {
    "no MD5": Reply(206, {"content-range": "bytes 2-4/10"}),
    "MD5 of the part, not of the blob": Reply(206, {"content-md5": MD5, "content-range": "bytes 2-4/10"}),
}


@pytest.mark.parametrize("case", SAME)
def test_the_pinned_content_is_recognised(case: str) -> None:
    assert check_content("a", "container 'media'", 2, PINNED, SAME[case])


@pytest.mark.parametrize("case", OTHERS)
def test_another_content_is_noticed(case: str) -> None:
    with pytest.raises(Changed, match="'a' in container 'media'"):
        check_content("a", "container 'media'", 2, PINNED, OTHERS[case])


@pytest.mark.parametrize("case", SILENT)
def test_a_reply_that_does_not_say_proves_nothing(case: str) -> None:
    assert not check_content("a", "container 'media'", 2, PINNED, SILENT[case])


def test_nothing_behind_the_end_is_no_change() -> None:
    assert check_content("a", "container 'media'", 10, PINNED, Reply(416, {}))


def test_a_part_of_an_empty_blob() -> None:
    assert decode_read("a", 0, 1, Reply(206, {"content-range": "bytes 0--1/0"})) == b""
    assert decode_read("a", 0, 3, Reply(206, {"content-range": "bytes 0-2/9"}, b"abc")) == b"abc"


def test_a_web_page_may_be_gone_in_a_moment() -> None:
    page = Reply(200, {"content-type": "text/html", "content-length": "27"}, b"<html>Please sign in</html>")
    with pytest.raises(Unavailable, match="proxy"):
        decode_read("a", 0, 1, page)
    with pytest.raises(Unavailable, match="check the endpoint"):
        check_content("a", "container 'media'", 0, PINNED, page)


def test_numbers_without_end_are_no_sizes() -> None:
    endless = "9" * 5000
    assert parse_fingerprint(f"md5-{DIGEST.hex()}-{endless}") is None
    for said in (f"bytes 0-2/{endless}", f"bytes 0-{endless}/9"):
        reply = Reply(206, {"x-ms-blob-content-md5": MD5, "content-range": said}, b"abc")
        assert check_content("a", "container 'media'", 0, PINNED, reply)
        with pytest.raises(Invalid, match="which bytes"):
            decode_read("a", 0, 3, reply)

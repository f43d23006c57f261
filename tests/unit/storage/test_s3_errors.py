"""What S3's refusals mean, and whose 404 it is: the contract's scripted servers show the rest."""

from __future__ import annotations

import pytest

from videovector_operator.errors import Invalid, InvalidCredentials, NotFound, StorageError, Unavailable
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.port import S3Source
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.s3_address import build_address
from videovector_operator.storage.s3_errors import build_error

ADDRESS = build_address(S3Source("media", "eu-central-1", "http://minio.storage.svc:9000"), EndpointPolicy())
READ = Request("GET", "read object 'a'", path="/a")
HEAD = Request("HEAD", "look up object 'a'", path="/a")
PLAIN = {"content-type": "text/plain; charset=utf-8"}
HTML = {"content-type": "text/html"}
XML = {"content-type": "application/xml"}


def refusal(code: str, extra: str = "") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message>{extra}</Error>".encode()


ABSENT: dict[str, tuple[Request, Reply, type[StorageError]]] = {
    "S3's": (READ, Reply(404, XML, refusal("NoSuchKey")), NotFound),
    "S3's, with a code that is new": (READ, Reply(404, XML, refusal("NoSuchThing")), NotFound),
    "S3's, whose body was left out": (READ, Reply(404, {"x-amz-request-id": "1"}), NotFound),
    "the same, by the other header": (READ, Reply(404, {**HTML, "x-amz-id-2": "1"}, b"<html/>"), NotFound),
    "a router's": (READ, Reply(404, PLAIN, b"404 page not found\n"), Unavailable),
    "an ingress's": (READ, Reply(404, PLAIN, b"default backend - 404"), Unavailable),
    "a mesh's, which says nothing": (READ, Reply(404, {}), Unavailable),
    "a gateway's in JSON": (READ, Reply(404, {}, b'{"message": "no Route matched"}'), Unavailable),
    "a web server's": (READ, Reply(404, HTML, b"<html><head/><body>404</body></html>"), Unavailable),
    "a web server's without a type": (READ, Reply(404, {}, b"<html><head/><body>404</body></html>"), Unavailable),
    "another document": (READ, Reply(404, XML, b"<Fault><Code>NoSuchKey</Code></Fault>"), Unavailable),
    "of a HEAD": (HEAD, Reply(404, XML), NotFound),
    "of a HEAD that says nothing": (HEAD, Reply(404, {}), NotFound),
    "of a HEAD, by its headers": (HEAD, Reply(404, {**HTML, "x-amz-request-id": "1"}), NotFound),
    "of a HEAD with a text for people": (HEAD, Reply(404, PLAIN), Invalid),
    "of a HEAD with a page": (HEAD, Reply(404, HTML), Invalid),
}


@pytest.mark.parametrize("case", ABSENT)
def test_whose_404_it_is(case: str) -> None:
    request, reply, kind = ABSENT[case]
    error = build_error(request, ADDRESS, reply)
    assert type(error) is kind
    if kind is Unavailable:
        assert "the server that answered is not an S3 server" in error.message
        assert "check the endpoint" in error.message
    if kind is Invalid:
        assert not error.code, "the GET that is asked then decides"


def test_methods_that_change_something_are_no_exception() -> None:
    for method in ("PUT", "POST", "DELETE"):
        assert type(build_error(Request(method, "x"), ADDRESS, Reply(404, PLAIN, b"404 page not found"))) is Unavailable


ELSEWHERE = "<Region>us-west-2</Region>"


def test_the_right_region_is_told() -> None:
    for reply in (
        Reply(400, {}, refusal("AuthorizationHeaderMalformed", ELSEWHERE)),
        Reply(301, {"x-amz-bucket-region": "us-west-2"}),
    ):
        assert "Set the region to us-west-2" in build_error(READ, ADDRESS, reply).message


@pytest.mark.parametrize(
    "region", ["us\x1b[31m-1", "Set the Secret to x", "a" * 64, "a" * 60_000, "<b>", "US-1", "the-key-id"]
)
def test_what_is_no_region_is_not_repeated(region: str) -> None:
    for reply in (
        Reply(400, {"x-amz-bucket-region": region}, refusal("AuthorizationHeaderMalformed")),
        Reply(301, {"x-amz-bucket-region": region}),
    ):
        error = build_error(READ, ADDRESS, reply, ("the-key-id",))
        assert type(error) is Invalid
        assert region not in error.message
        assert "Check region and endpoint" in error.message
        assert len(error.message) < 400


def test_our_own_words_are_not_blotted_out() -> None:
    error = build_error(READ, ADDRESS, Reply(404, XML, refusal("NoSuchBucket")), ("minio", "read", "Such"))
    assert "Cannot read object 'a' in bucket 'media' at http://minio.storage.svc:9000" in error.message
    assert (type(error), error.code) == (NotFound, "NoSuchBucket")


WRITE = Request("PUT", "write object 'a/b'", path="/a/b")
CONFLICTS: dict[str, tuple[str, type[StorageError], str]] = {
    "a file where a folder must be": ("ObjectParentIsFile", Invalid, "another object is in the way"),
    "a folder where a file must be": ("XMinioObjectExistsAsDirectory", Invalid, "another object is in the way"),
    "another write at the same time": ("ConditionalRequestConflict", Unavailable, "It is tried again"),
    "something else at the same time": ("OperationAborted", Unavailable, "It is tried again"),
    "a code that is not known": ("UploadCompletedMeanwhile", Unavailable, "It is tried again"),
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_which_conflicts_last(case: str) -> None:
    code, kind, words = CONFLICTS[case]
    error = build_error(WRITE, ADDRESS, Reply(409, XML, refusal(code)))
    assert (type(error), error.code) == (kind, code)
    assert words in error.message


def test_a_token_of_another_session_is_told() -> None:
    error = build_error(READ, ADDRESS, Reply(400, XML, refusal("InvalidToken")))
    assert type(error) is InvalidCredentials
    assert "sessionToken does not belong to the access key" in error.message

"""What Google's refusals mean, in each of the forms that they have."""

from __future__ import annotations

import json

import pytest

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
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.gcs_address import build_address, object_path, objects_path, upload_path
from videovector_operator.storage.gcs_errors import DAMAGED, REQUESTER_PAYS, build_error, is_bucket_missing
from videovector_operator.storage.port import GcsSource
from videovector_operator.storage.request import Reply, Request

ADDRESS = build_address(GcsSource("media", "p"), EndpointPolicy())
READ = Request("GET", "read object 'a.mp4'", path=object_path("media", "a.mp4"))
LIST = Request("GET", "list objects", path=objects_path("media"))
CHUNK = Request("PUT", "write object 'a.mp4'", path=upload_path("media"), params={"upload_id": "secret-session"})
DENIED = "x@p.iam.gserviceaccount.com does not have storage.objects.get access to the Google Cloud Storage object."


def refused(status: int, reason: str, message: str = "some text", **headers: str) -> Reply:
    entry = {"message": message, "domain": "global", "reason": reason}
    body = json.dumps({"error": {"code": status, "message": message, "errors": [entry]}})
    return Reply(status, headers, body.encode())


def plain(status: int, text: str, **headers: str) -> Reply:
    return Reply(status, {"content-type": "text/html; charset=UTF-8", **headers}, text.encode())


def xml(status: int, code: str, message: str = "m") -> Reply:
    return Reply(
        status, {}, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    )


HTML = "<!DOCTYPE html><html><title>Error</title><p>That's an error.</p></html>"
Row = tuple[Request, Reply, type[StorageError], str, str]
"""Request, reply, error, its code, words of its message."""

ANSWERS: dict[str, Row] = {
    "a token that is no good": (
        READ,
        refused(401, "authError", "Invalid Credentials"),
        InvalidCredentials,
        "authError",
        "key",
    ),
    "no token": (READ, refused(401, "required", "Login Required"), InvalidCredentials, "required", "credentials"),
    "the same in a download": (READ, plain(401, "Invalid Credentials"), InvalidCredentials, "authError", "credentials"),
    "OAuth's form": (
        READ,
        Reply(400, {}, b'{"error": "invalid_grant"}'),
        InvalidCredentials,
        "invalid_grant",
        "credentials",
    ),
    "XML": (READ, xml(401, "AuthenticationRequired"), InvalidCredentials, "AuthenticationRequired", "credentials"),
    "not allowed": (READ, refused(403, "forbidden", DENIED), AccessDenied, "forbidden", r"storage\.objects\.get"),
    "not allowed, in a download": (READ, plain(403, DENIED), AccessDenied, "forbidden", r"storage\.objects\.get"),
    "scopes too narrow": (
        READ,
        refused(403, "insufficientPermissions"),
        AccessDenied,
        "insufficientPermissions",
        "scopes",
    ),
    "billing": (
        READ,
        refused(403, "accountDisabled", "billing is disabled"),
        AccessDenied,
        "accountDisabled",
        "billing",
    ),
    "API off": (READ, refused(403, "accessNotConfigured"), AccessDenied, "accessNotConfigured", "enabled"),
    "retention": (READ, refused(403, "retentionPolicyNotMet"), AccessDenied, "retentionPolicyNotMet", "retention"),
    "encryption key": (
        READ,
        refused(400, "cloudKmsDisabledKey"),
        AccessDenied,
        "cloudKmsDisabledKey",
        "encryption key",
    ),
    "organisation policy, which is a 412": (
        READ,
        refused(412, "orgPolicyConstraintFailed"),
        AccessDenied,
        "orgPolicyConstraintFailed",
        "denied",
    ),
    "requester pays": (
        READ,
        refused(400, "required", "Bucket is a requester pays bucket but no user project provided."),
        AccessDenied,
        REQUESTER_PAYS,
        "pays",
    ),
    "payer may not be billed": (
        READ,
        refused(403, "UserProjectAccessDenied"),
        AccessDenied,
        "UserProjectAccessDenied",
        "projectId",
    ),
    "too fast, as 429": (READ, refused(429, "rateLimitExceeded"), Throttled, "rateLimitExceeded", "slow down"),
    "too fast, as 403": (READ, refused(403, "userRateLimitExceeded"), Throttled, "userRateLimitExceeded", "slow down"),
    "quota, as 403": (READ, refused(403, "quotaExceeded"), Throttled, "quotaExceeded", "slow down"),
    "too fast, in a download": (
        READ,
        plain(429, "Please reduce the rate"),
        Throttled,
        "rateLimitExceeded",
        "slow down",
    ),
    "too fast, XML": (READ, xml(503, "SlowDown"), Throttled, "SlowDown", "slow down"),
    "busy, and says until when": (
        READ,
        refused(503, "backendError", **{"retry-after": "7"}),
        Throttled,
        "backendError",
        "slow",
    ),
    "no such object": (
        READ,
        refused(404, "notFound", "No such object: media/a.mp4"),
        NotFound,
        "notFound",
        "it does not exist",
    ),
    "no such object, in a download": (
        READ,
        plain(404, "No such object: media/a.mp4"),
        NotFound,
        "notFound",
        "it does not",
    ),
    "no such bucket": (LIST, refused(404, "notFound", "Not Found"), NotFound, "notFound", "the bucket does not exist"),
    "no such bucket, for an object": (
        READ,
        refused(404, "notFound", "The specified bucket does not exist."),
        NotFound,
        "notFound",
        "the bucket does not",
    ),
    "no such bucket, XML": (READ, xml(404, "NoSuchBucket"), NotFound, "NoSuchBucket", "the bucket does not exist"),
    "a web server's 404": (READ, plain(404, HTML), Unavailable, "", "is not Cloud Storage"),
    "a router's 404": (READ, plain(404, "404 page not found\n"), Unavailable, "", "is not Cloud Storage"),
    "an ingress's 404": (LIST, plain(404, "default backend - 404"), Unavailable, "", "check the endpoint"),
    "a proxy's 404, which says nothing": (READ, Reply(404, {}, b""), Unavailable, "", "is not Cloud Storage"),
    "a web framework's 404": (READ, Reply(404, {}, b'{"error": "Not Found"}'), Unavailable, "", "is not Cloud Storage"),
    "another API's 404": (
        READ,
        Reply(404, {}, b'{"error": {"message": "Unrecognized URL", "type": "x"}}'),
        Unavailable,
        "",
        "is not Cloud Storage",
    ),
    "an emulator's 404 of a download": (READ, plain(404, "Not Found\n"), NotFound, "notFound", "it does not exist"),
    "a web server's 400": (LIST, plain(400, HTML), Invalid, "", "Cloud Storage server's"),
    "a proxy's 403": (READ, plain(403, HTML), AccessDenied, "", "denied"),
    "a proxy's 502": (READ, plain(502, HTML), Unavailable, "", "tried again"),
    "a redirect": (
        READ,
        Reply(302, {"location": "http://169.254.169.254/"}, b""),
        Invalid,
        "",
        "Cloud Storage server's",
    ),
    "another generation": (READ, refused(412, "conditionNotMet"), Changed, "conditionNotMet", "changed"),
    "another generation, in a download": (
        READ,
        plain(412, "Precondition Failed"),
        Changed,
        "conditionNotMet",
        "changed",
    ),
    "failed": (READ, refused(500, "internalError"), Unavailable, "internalError", "tried again"),
    "unavailable": (READ, plain(503, "Service Unavailable"), Unavailable, "", "tried again"),
    "too slow": (READ, plain(408, ""), Unavailable, "", "tried again"),
    "concurrent change": (READ, refused(409, "conflict"), Unavailable, "conflict", "tried again"),
    "bad request": (READ, refused(400, "invalid", "Invalid argument"), Invalid, "invalid", "Invalid argument"),
    "damaged bytes": (
        CHUNK,
        refused(400, "invalid", 'Provided MD5 hash "a" doesn\'t match calculated MD5 hash "b".'),
        Unavailable,
        DAMAGED,
        "damaged",
    ),
    "a session that is gone": (CHUNK, refused(404, "notFound"), Unavailable, "notFound", "begin again"),
    "a session that was given up": (CHUNK, plain(410, "Gone"), Unavailable, "", "begin again"),
    "no JSON": (READ, Reply(403, {}, b'{"error": '), AccessDenied, "", "denied"),
    "JSON of something else": (READ, Reply(404, {}, b'{"detail": "no"}'), Unavailable, "", "is not Cloud Storage"),
    "JSON with odd types": (
        READ,
        Reply(403, {}, b'{"error": {"errors": [3], "message": []}}'),
        AccessDenied,
        "",
        "denied",
    ),
    "deep JSON": (READ, Reply(400, {}, b'{"error":' + b"[" * 30_000), Invalid, "", "Cloud Storage server's"),
    "a newer form": (
        READ,
        Reply(403, {}, b'{"error": {"code": 403, "message": "off", "details": [{"reason": "SERVICE_DISABLED"}]}}'),
        AccessDenied,
        "SERVICE_DISABLED",
        "enabled",
    ),
    "no body": (READ, Reply(403, {}, b""), AccessDenied, "forbidden", "denied"),
    "bytes": (READ, Reply(500, {}, bytes(range(256))), Unavailable, "", "tried again"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_a_refusal_means(case: str) -> None:
    request, reply, kind, code, words = ANSWERS[case]
    error = build_error(request, ADDRESS, reply)
    assert (type(error), error.code) == (kind, code)
    with pytest.raises(kind, match=words):
        raise error
    for text in (request.action, "bucket 'media'", "https://storage.googleapis.com", f"HTTP {reply.status}"):
        assert text in error.message
    assert "secret-session" not in error.message
    assert "html" not in error.message
    assert error.message.isprintable()


def test_a_server_may_not_ask_for_more_than_an_hour() -> None:
    waits = {"5": 5.0, "99999": 3600.0, "-1": 0.0, "Fri, 02 Jan 2026 03:04:05 GMT": 1.0}
    for said, expected in waits.items():
        error = build_error(READ, ADDRESS, refused(429, "rateLimitExceeded", **{"retry-after": said}))
        assert isinstance(error, Throttled)
        assert error.retry_after == expected


def test_long_texts_are_cut() -> None:
    error = build_error(READ, ADDRESS, refused(403, "forbidden", "x\x1b[31m\n" * 5000))
    assert len(error.message) < 700
    assert "\x1b" not in error.message


def test_a_missing_bucket_is_told_from_a_missing_object() -> None:
    assert is_bucket_missing(refused(404, "notFound", "The specified bucket does not exist."))
    assert is_bucket_missing(xml(404, "NoSuchBucket"))
    assert not is_bucket_missing(refused(404, "notFound", "No such object: media/bucket does not exist yet"))


def test_a_404_of_another_server_is_not_taken_for_a_missing_object() -> None:
    for reply in (plain(404, "404 page not found"), plain(404, HTML), Reply(404, {}, b"")):
        assert is_bucket_missing(reply)

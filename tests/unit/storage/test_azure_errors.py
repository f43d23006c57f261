"""What Azure's refusals mean, and that nothing secret is in what is told of them."""

from __future__ import annotations

import pytest

from videovector_operator.core.sources import AzureSource
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
from videovector_operator.storage.azure_address import build_address
from videovector_operator.storage.azure_errors import CLOCK_SKEW, build_error, is_create_conflict
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.request import Reply, Request

ADDRESS = build_address(AzureSource("acct", "media"), EndpointPolicy())
READ = Request("GET", "read object 'a'", path="/media/a")
SECRETS = "sig=abcdefgh%3D&string to sign: SharedKey acct:Zm9v"


def refusal(status: int, code: str, message: str = "No.", detail: str = "", **headers: str) -> Reply:
    more = f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>" if detail else ""
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
        f"<Message>{message}\nRequestId:1-2-3\nTime:2026-05-04T03:02:01Z</Message>{more}</Error>"
    )
    found = {
        "x-ms-error-code": code,
        "x-ms-request-id": "1",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    return Reply(status, found, ("\ufeff" + body).encode())


CODES: dict[tuple[int, str], tuple[type[StorageError], str]] = {
    (403, "AuthenticationFailed"): (InvalidCredentials, "refused"),
    (401, "InvalidAuthenticationInfo"): (InvalidCredentials, "tenantId"),
    (400, "InvalidAuthenticationInfo"): (InvalidCredentials, "tenantId"),
    (401, "NoAuthenticationInformation"): (InvalidCredentials, "no credentials"),
    (409, "PublicAccessNotPermitted"): (InvalidCredentials, "no credentials"),
    (403, "KeyBasedAuthenticationNotPermitted"): (InvalidCredentials, "account keys"),
    (403, "AuthorizationPermissionMismatch"): (AccessDenied, "Allow this action"),
    (403, "AuthorizationFailure"): (AccessDenied, "firewall"),
    (403, "AuthorizationResourceTypeMismatch"): (AccessDenied, "shared access signature"),
    (403, "AuthorizationServiceMismatch"): (AccessDenied, "shared access signature"),
    (403, "AuthorizationProtocolMismatch"): (AccessDenied, "shared access signature"),
    (403, "AuthorizationSourceIPMismatch"): (AccessDenied, "shared access signature"),
    (403, "InsufficientAccountPermissions"): (AccessDenied, "denied"),
    (403, "UnauthorizedBlobOverwrite"): (AccessDenied, "denied"),
    (403, "AccountIsDisabled"): (AccessDenied, "disabled"),
    (409, "BlobArchived"): (AccessDenied, "Rehydrate"),
    (409, "BlobBeingRehydrated"): (AccessDenied, "Rehydrate"),
    (409, "SnapshotsPresent"): (AccessDenied, "snapshots"),
    (412, "LeaseIdMissing"): (AccessDenied, "leased"),
    (409, "BlobImmutableDueToPolicy"): (AccessDenied, "immutability"),
    (404, "ContainerNotFound"): (NotFound, "container does not exist"),
    (409, "ContainerBeingDeleted"): (NotFound, "container does not exist"),
    (404, "BlobNotFound"): (NotFound, "it does not exist"),
    (404, "ResourceNotFound"): (NotFound, "storage account"),
    (404, "SomethingNew"): (NotFound, "it does not exist"),
    (404, "CannotVerifyCopySource"): (NotFound, "it does not exist"),
    (403, "CannotVerifyCopySource"): (AccessDenied, "source"),
    (409, "BlobAlreadyExists"): (AlreadyExists, "exists already"),
    (412, "TargetConditionNotMet"): (AlreadyExists, "exists already"),
    (412, "ConditionNotMet"): (Changed, "changed"),
    (412, "SourceConditionNotMet"): (Changed, "changed"),
    (400, "InvalidBlockList"): (Changed, "another write"),
    (400, "InvalidBlobOrBlock"): (Invalid, "unfinished blocks"),
    (409, "InvalidBlobType"): (Invalid, "append or page"),
    (400, "InvalidUri"): (Invalid, "does not accept"),
    (409, "SomethingNew"): (Invalid, "does not accept"),
    (503, "ServerBusy"): (Throttled, "slow down"),
    (429, "TooManyRequests"): (Throttled, "slow down"),
    (500, "OperationTimedOut"): (Unavailable, "tried again"),
    (500, "InternalError"): (Unavailable, "tried again"),
    (503, "SomethingNew"): (Unavailable, "tried again"),
    (400, "Md5Mismatch"): (Unavailable, "damaged"),
    (409, "PendingCopyOperation"): (Unavailable, "tried again"),
}


@pytest.mark.parametrize(("status", "code"), CODES)
def test_every_code(status: int, code: str) -> None:
    kind, words = CODES[status, code]
    error = build_error(
        READ, ADDRESS, refusal(status, code, f"Detail. {SECRETS}" if kind is InvalidCredentials else "No.")
    )
    assert type(error) is kind
    assert words in error.message
    assert error.code == code
    assert "Cannot read object 'a' in container 'media' at https://acct.blob.core.windows.net" in error.message
    assert f"HTTP {status} {code}" in error.message
    assert "sig=" not in error.message
    assert "RequestId" not in error.message


@pytest.mark.parametrize(("status", "code"), [each for each in CODES if each[0] not in (400, 401)])
def test_a_refused_head_says_its_code_in_a_header(status: int, code: str) -> None:
    bare = Reply(status, {"x-ms-error-code": code, "x-ms-request-id": "1"})
    error = build_error(Request("HEAD", "look up object 'a'"), ADDRESS, bare)
    assert (type(error), error.code) == (CODES[status, code][0], code)


DETAILS = {
    "an expired SAS": (
        "Signature not valid in the specified time frame: Start [Sat] - Expiry [Sun] - Current [Mon]",
        "sasToken",
    ),
    "one that ends before it begins": ("Signed expiry time [Sat] must be after signed start time [Sun]", "sasToken"),
    "one that is damaged": (f"Signature did not match. String to sign used was {SECRETS}", "accountKey"),
    "a wrong key": (
        f"The MAC signature found in the HTTP request '{SECRETS}' is not the same as any computed signature.",
        "accountKey",
    ),
}


@pytest.mark.parametrize("case", DETAILS)
def test_why_credentials_were_refused_is_understood_and_not_repeated(case: str) -> None:
    detail, words = DETAILS[case]
    error = build_error(READ, ADDRESS, refusal(403, "AuthenticationFailed", detail=detail.replace("&", "&amp;")))
    assert isinstance(error, InvalidCredentials)
    assert words in error.message
    for secret in ("sig=", "Zm9v", "String to sign", "MAC"):
        assert secret not in error.message


def test_a_wrong_clock_is_no_fault_of_the_key() -> None:
    error = build_error(READ, ADDRESS, refusal(403, "AuthenticationFailed", detail="Request date header too old: 'x'"))
    assert (type(error), error.code) == (Unavailable, CLOCK_SKEW)


FOREIGN: dict[str, tuple[Reply, type[StorageError]]] = {
    "404 of a web server": (Reply(404, {"content-type": "text/html"}, b"<html></html>"), Unavailable),
    "404 of an ingress": (Reply(404, {"content-type": "text/plain"}, b"default backend - 404"), Unavailable),
    "400 of a web server": (Reply(400, {}, b"bad"), Invalid),
    "403 of a proxy": (Reply(403, {}, b"<html>no</html>"), AccessDenied),
    "401 of a proxy": (Reply(401, {}), InvalidCredentials),
    "a redirect": (Reply(302, {"location": "http://127.0.0.1/"}), Invalid),
    "not implemented": (Reply(501, {}), Invalid),
    "502": (Reply(502, {}), Unavailable),
    "busy, and says until when": (Reply(503, {"retry-after": "7"}), Throttled),
    "404 with nothing": (Reply(404, {}), Unavailable),
    "an entity bomb": (Reply(403, {}, b"<!DOCTYPE a [<!ENTITY b 'c'>]><Error><Code>&b;</Code></Error>"), AccessDenied),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_answers_that_are_not_azures(case: str) -> None:
    reply, kind = FOREIGN[case]
    assert type(build_error(READ, ADDRESS, reply)) is kind


def test_a_404_that_is_not_azures_says_whose_it_is_not() -> None:
    error = build_error(READ, ADDRESS, Reply(404, {"content-type": "text/plain"}, b"404 page not found"))
    assert "not Azure's blob service" in error.message
    assert "check the endpoint" in error.message


def test_a_head_that_says_nothing_is_believed_unless_there_is_a_text_for_people() -> None:
    head = Request("HEAD", "look up object 'a'", path="/media/a")
    assert type(build_error(head, ADDRESS, Reply(404, {}))) is NotFound
    assert type(build_error(head, ADDRESS, Reply(404, {"content-type": "text/plain"}))) is Unavailable
    own = {"content-type": "text/html", "x-ms-request-id": "1"}
    assert type(build_error(head, ADDRESS, Reply(404, own))) is NotFound


@pytest.mark.parametrize(
    ("header", "seconds"), [("30", 30.0), ("", 1.0), ("soon", 1.0), ("999999", 3600.0), ("-5", 0.0)]
)
def test_retry_after(header: str, seconds: float) -> None:
    error = build_error(READ, ADDRESS, refusal(503, "ServerBusy", retry_after=header))
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


def test_a_server_that_echoes_control_characters() -> None:
    error = build_error(READ, ADDRESS, refusal(400, "InvalidUri", "a\x1b[31m\u202e b&#13; c"))
    assert error.message.isprintable()


def test_conflicts_of_creation() -> None:
    def conflict(status: int, code: str) -> bool:
        return is_create_conflict(build_error(READ, ADDRESS, refusal(status, code)))

    assert conflict(409, "BlobAlreadyExists")
    assert conflict(412, "ConditionNotMet")
    assert not conflict(412, "SourceConditionNotMet")
    assert not conflict(404, "BlobNotFound")

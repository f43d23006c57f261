"""Translates S3's answers to the `StorageError` tree: the one place that knows provider error codes.

Messages name bucket and endpoint, the provider's code and the next step; never keys, signatures or headers.
Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable

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
from videovector_operator.storage.request import Reply
from videovector_operator.storage.retry_after import parse_retry_after
from videovector_operator.storage.s3_address import Address
from videovector_operator.storage.server_text import LONGEST_CODE, quote_server
from videovector_operator.storage.xml_reply import parse_xml

Verdict = tuple[type[StorageError], str]
"""Which error, and what to tell people: what happened and the next step."""

EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
"""Codes that fresh credentials may cure."""
CLOCK_SKEW = "RequestTimeTooSkewed"

_MAX_DETAIL = 200
_REFUSED = (InvalidCredentials, "the credentials were refused. Check the access key id and the secret access key")
_EXPIRED = (InvalidCredentials, "the credentials have expired. Put fresh ones into the Secret")
_DENIED = (AccessDenied, "access denied. Allow this action for the credentials in use")
_SLOW_DOWN = (Throttled, "the server asks to slow down")
_FAILED = (Unavailable, "the server failed. It is tried again")
_DAMAGED = (Unavailable, "the bytes were changed on the way. They are sent again")
_ABSENT = (NotFound, "it does not exist")
_CHANGED = (Changed, "it was changed since it was listed")
_UNACCEPTED = (Invalid, "the server does not accept this request")
_STRANGE = (Invalid, "unexpected answer. Check that the endpoint is an S3 server's")

_BY_CODE: dict[str, Verdict] = {
    **dict.fromkeys(EXPIRED_CODES, _EXPIRED),
    **dict.fromkeys(
        ("InvalidAccessKeyId", "InvalidToken", "InvalidSecurity", "NotSignedUp", "InvalidClientTokenId"), _REFUSED
    ),
    "SignatureDoesNotMatch": (InvalidCredentials, "the signature was refused. Check the secret access key"),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidPayer"), _DENIED),
    "InvalidObjectState": (AccessDenied, "the object is archived. Restore it first"),
    "NoSuchBucket": (NotFound, "the bucket does not exist. Check bucket, region and endpoint"),
    **dict.fromkeys(("NoSuchKey", "NoSuchVersion"), _ABSENT),
    **dict.fromkeys(("SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException"), _SLOW_DOWN),
    **dict.fromkeys(
        ("TooManyRequests", "RequestLimitExceeded", "RequestThrottled", "BandwidthLimitExceeded"), _SLOW_DOWN
    ),
    **dict.fromkeys(("InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "Busy"), _FAILED),
    **dict.fromkeys(("XAmzContentSHA256Mismatch", "BadDigest"), _DAMAGED),
    CLOCK_SKEW: (Unavailable, "this machine's clock and the server's differ too much. Set the clock"),
    "PreconditionFailed": _CHANGED,
}
_BY_STATUS: dict[int, Verdict] = {
    401: _REFUSED,
    403: (AccessDenied, "access denied. Check the credentials and what they may do"),
    412: _CHANGED,
    429: _SLOW_DOWN,
    **dict.fromkeys((408, 409, 425, 500, 502, 503, 504), _FAILED),
}
_REGION_CODES = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_REDIRECTS = (301, 302, 303, 307, 308)


def build_error(action: str, address: Address, reply: Reply, secrets: Iterable[str | None] = ()) -> StorageError:
    """Translate one refused or failed reply.

    ``action`` says what was tried, for people ("list objects", "read object 'a.mp4'"); the body may be empty (HEAD).
    ``secrets`` are taken out of what the server says.
    """
    root = parse_xml(reply.body) if reply.body else None
    fields = {child.tag: (child.text or "").strip() for child in root} if root is not None else {}
    code = quote_server(fields.get("Code", ""), secrets, longest=LONGEST_CODE)
    verdict = _judge_region(address, reply, code, fields.get("Region", "")) or _judge(reply, code, is_xml=bool(fields))
    kind, text = verdict
    said = f"HTTP {reply.status} {code}".strip()
    detail = quote_server(fields.get("Message", ""), secrets, longest=_MAX_DETAIL)
    if detail and kind is not InvalidCredentials:
        said = f"{said}: {detail}"
    message = f"Cannot {action} in bucket '{address.bucket}' at {address.endpoint}: {text} ({said})"
    if kind is Throttled:
        return Throttled(message, code, parse_retry_after(reply.headers))
    return kind(message, code)


def _judge(reply: Reply, code: str, *, is_xml: bool) -> Verdict:
    known = _BY_CODE.get(code) or (_DENIED if code.startswith("KMS.") else None)
    if known is not None:
        # A busy server that says when to come back is throttling, whatever it calls it.
        return _SLOW_DOWN if known is _FAILED and "retry-after" in reply.headers else known
    if reply.status == 404 and (is_xml or "html" not in reply.headers.get("content-type", "")):
        return _ABSENT
    if reply.status == 503 and "retry-after" in reply.headers:
        return _SLOW_DOWN
    return _BY_STATUS.get(reply.status) or (_UNACCEPTED if code and reply.status < 500 else _STRANGE)


def _judge_region(address: Address, reply: Reply, code: str, body_region: str) -> Verdict | None:
    """Tell whether the bucket must be asked in another region, and in which."""
    right = reply.headers.get("x-amz-bucket-region") or body_region
    redirected = reply.status in _REDIRECTS
    if right and right != address.region and (redirected or reply.status == 400):
        return Invalid, f"the bucket is in region {right}, not {address.region}. Set the region to {right}"
    if reply.status == 307:
        return Unavailable, "the bucket was just created and cannot be reached yet"
    if redirected or code in _REGION_CODES:
        return Invalid, "the bucket must be asked elsewhere. Check region and endpoint"
    return None

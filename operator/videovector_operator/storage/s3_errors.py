"""Translates S3's answers to the `StorageError` tree: the one place that knows provider error codes.

Messages name bucket and endpoint, the provider's code and the next step; never keys, signatures or headers. What the server says
is judged as it came and shown as `server_text` has it. Pure: no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

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
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.retry_after import parse_retry_after
from videovector_operator.storage.s3_address import Address
from videovector_operator.storage.server_text import quote_code, quote_server
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
_IN_THE_WAY = (Invalid, "another object is in the way: on this server no name is an object's and a folder's at once")
_UNACCEPTED = (Invalid, "the server does not accept this request")
_STRANGE = (Invalid, "unexpected answer. Check that the endpoint is an S3 server's")
_NOT_THE_STORE = (
    Unavailable,
    "the server that answered is not an S3 server. It is tried again; if it stays so, check the endpoint and what is in front of it",
)

_BY_CODE: dict[str, Verdict] = {
    **dict.fromkeys(EXPIRED_CODES, _EXPIRED),
    **dict.fromkeys(("InvalidAccessKeyId", "InvalidSecurity", "NotSignedUp", "InvalidClientTokenId"), _REFUSED),
    "InvalidToken": (
        InvalidCredentials,
        "sessionToken does not belong to the access key. Put access key id, secret access key and token of one session into the Secret",
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
    # Servers that keep objects as files: versitygw, MinIO.
    **dict.fromkeys(
        ("ObjectParentIsFile", "ExistingObjectIsDirectory", "XMinioParentIsObject", "XMinioObjectExistsAsDirectory"),
        _IN_THE_WAY,
    ),
}
_BY_STATUS: dict[int, Verdict] = {
    401: _REFUSED,
    403: (AccessDenied, "access denied. Check the credentials and what they may do"),
    412: _CHANGED,
    429: _SLOW_DOWN,
    **dict.fromkeys((408, 409, 425, 500, 502, 503, 504), _FAILED),
}
_REGION_CODES = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_OWN_CODES = frozenset(
    (*_BY_CODE, *_REGION_CODES, "InvalidArgument", "NoSuchUpload", "NotImplemented", "PermanentRedirect")
)
_REGION = re.compile(r"[a-z0-9-]{1,63}")
_REDIRECTS = (301, 302, 303, 307, 308)
_OWN_HEADERS = ("x-amz-request-id", "x-amz-id-2")


class _Said(NamedTuple):
    """What a refusal says, as it came; ``is_s3`` = it has S3's form."""

    code: str
    detail: str
    region: str
    is_s3: bool


def build_error(request: Request, address: Address, reply: Reply, secrets: Iterable[str | None] = ()) -> StorageError:
    """Translate one refused or failed reply to ``request``; its body may be empty (HEAD).

    ``secrets`` are taken out of what the server says.
    """
    known = tuple(secrets)
    said = _parse(reply)
    kind, text = _judge_region(address, reply, said, known) or _judge(request, reply, said)
    code = quote_code(said.code, known, _OWN_CODES)
    told = f"HTTP {reply.status} {code}".strip()
    detail = quote_server(said.detail, known, longest=_MAX_DETAIL)
    if detail and kind is not InvalidCredentials:
        told = f"{told}: {detail}"
    message = f"Cannot {request.action} in bucket '{address.bucket}' at {address.endpoint}: {text} ({told})"
    if kind is Throttled:
        return Throttled(message, code, parse_retry_after(reply.headers))
    return kind(message, code)


def _parse(reply: Reply) -> _Said:
    root = parse_xml(reply.body) if reply.body else None
    is_error = root is not None and root.tag == "Error"
    fields = {child.tag: (child.text or "").strip() for child in root} if root is not None and is_error else {}
    region = reply.headers.get("x-amz-bucket-region") or fields.get("Region", "")
    is_s3 = is_error or any(name in reply.headers for name in _OWN_HEADERS)
    return _Said(fields.get("Code", ""), fields.get("Message", ""), region, is_s3)


def _judge(request: Request, reply: Reply, said: _Said) -> Verdict:
    code = said.code
    known = _BY_CODE.get(code) or (_DENIED if code.startswith("KMS.") else None)
    if known is not None:
        # A busy server that says when to come back is throttling, whatever it calls it.
        return _SLOW_DOWN if known is _FAILED and "retry-after" in reply.headers else known
    if reply.status == 404:
        return _judge_absent(request, reply, said)
    if reply.status == 503 and "retry-after" in reply.headers:
        return _SLOW_DOWN
    return _BY_STATUS.get(reply.status) or (_UNACCEPTED if code and reply.status < 500 else _STRANGE)


def _judge_absent(request: Request, reply: Reply, said: _Said) -> Verdict:
    """Tell the store's 404 from that of an ingress which has no route to it: S3 says so in XML, or has its own headers.

    Not every compatible server's HEAD has them; one with another kind of body is strange, and whoever asked it asks by GET.
    """
    if said.is_s3:
        return _ABSENT
    if request.method != "HEAD":
        return _NOT_THE_STORE
    content_type = reply.headers.get("content-type", "")
    return _ABSENT if not content_type or "xml" in content_type else _STRANGE


def _judge_region(address: Address, reply: Reply, said: _Said, secrets: Iterable[str | None]) -> Verdict | None:
    """Tell whether the bucket must be asked in another region, and in which: in one that looks like one."""
    right = quote_server(said.region, secrets, longest=len(said.region))
    redirected = reply.status in _REDIRECTS
    if _REGION.fullmatch(right) and right != address.region and (redirected or reply.status == 400):
        return Invalid, f"the bucket is in region {right}, not {address.region}. Set the region to {right}"
    if reply.status == 307:
        return Unavailable, "the bucket was just created and cannot be reached yet"
    if redirected or said.code in _REGION_CODES:
        return Invalid, "the bucket must be asked elsewhere. Check region and endpoint"
    return None

"""Translates Cloud Storage's answers to the `StorageError` tree: the one place that knows Google's reasons.

The API refuses in JSON, downloads in plain text, the XML API in XML; what is none of these is not Cloud Storage's.
Messages name bucket and endpoint, Google's reason and the next step; never tokens, keys or upload sessions. What the server says is
judged as it came and shown as `server_text` has it. Pure: no I/O.
"""

from __future__ import annotations

import json
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
from videovector_operator.storage.gcs_address import Address
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.retry_after import parse_retry_after
from videovector_operator.storage.server_text import quote_code, quote_server

Verdict = tuple[type[StorageError], str]
"""Which error, and what to tell people: what happened and the next step."""

REQUESTER_PAYS = "userProjectMissing"
"""Our code for a bucket whose readers pay: Google calls it by several."""
DAMAGED = "checksumMismatch"
"""Our code for bytes that are not those of the checksum: to Google it is one invalid request of many."""

_MAX_DETAIL = 300
_REFUSED = (
    InvalidCredentials,
    "the credentials were refused. Check that the service account and its key still exist, and put a key of it into the Secret",
)
_DENIED = (AccessDenied, "access denied. Grant the service account a role that allows this on the bucket")
_SCOPE = (
    AccessDenied,
    "the identity's token may not do this, whatever its roles: widen the access scopes of the nodes",
)
_ACCOUNT = (
    AccessDenied,
    "the project cannot be used. Check its billing account and that the Cloud Storage API is enabled",
)
_HELD = (AccessDenied, "a retention policy or hold of the bucket forbids it")
_KMS = (AccessDenied, "the bucket's encryption key cannot be used. Check the key and Cloud Storage's right to use it")
_SLOW_DOWN = (Throttled, "Cloud Storage asks to slow down")
_FAILED = (Unavailable, "Cloud Storage failed. It is tried again")
_ABSENT = (NotFound, "it does not exist")
_NO_BUCKET = (NotFound, "the bucket does not exist. Check the bucket's name and the endpoint")
_CHANGED = (Changed, "it was changed since it was listed")
_GONE = (Unavailable, "the upload was given up by Cloud Storage. It has to begin again")
_BAD = (Invalid, "Cloud Storage does not accept the request")
_PAYS = (AccessDenied, "whoever reads this bucket pays, and no project was named")
_NOT_BILLED = (
    AccessDenied,
    "the project of projectId may not be billed by this account: grant it serviceusage.services.use there",
)
_DAMAGED = (Unavailable, "the bytes were damaged on the way. It is tried again")
_STRANGE = (Invalid, "unexpected answer. Check that the endpoint is a Cloud Storage server's")
_NOT_THE_STORE = (
    Unavailable,
    "the server that answered is not Cloud Storage. It is tried again; if it stays so, check the endpoint and what is in front of it",
)

_BY_REASON: dict[str, Verdict] = {
    **dict.fromkeys(
        ("authError", "invalid_grant", "invalid_client", "unauthorized_client", "AuthenticationRequired"), _REFUSED
    ),
    **dict.fromkeys(("expired", "ExpiredToken", "InvalidSecurity", "SignatureDoesNotMatch"), _REFUSED),
    **dict.fromkeys(("forbidden", "AccessDenied", "countryBlocked", "orgPolicyConstraintFailed"), _DENIED),
    **dict.fromkeys(("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), _SCOPE),
    **dict.fromkeys(("accountDisabled", "accessNotConfigured", "SERVICE_DISABLED", "AccountProblem"), _ACCOUNT),
    **dict.fromkeys(("BILLING_DISABLED", "UserProjectAccountProblem", "userProjectAccountProblem"), _ACCOUNT),
    **dict.fromkeys(("UserProjectAccessDenied", "userProjectAccessDenied"), _NOT_BILLED),
    **dict.fromkeys(("objectUnderActiveHold", "retentionPolicyNotMet"), _HELD),
    **dict.fromkeys(("rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"), _SLOW_DOWN),
    **dict.fromkeys(("SlowDown", "TooManyRequests", "RATE_LIMIT_EXCEEDED"), _SLOW_DOWN),
    **dict.fromkeys(("backendError", "internalError", "InternalError", "ServiceUnavailable", "conflict"), _FAILED),
    **dict.fromkeys(("notFound", "NoSuchKey"), _ABSENT),
    "NoSuchBucket": _NO_BUCKET,
    **dict.fromkeys(("conditionNotMet", "PreconditionFailed"), _CHANGED),
    "gone": _GONE,
}
_BY_STATUS: dict[int, Verdict] = {
    400: _BAD,
    401: _REFUSED,
    403: _DENIED,
    404: _ABSENT,
    410: _GONE,
    412: _CHANGED,
    429: _SLOW_DOWN,
    **dict.fromkeys((408, 409, 425, 500, 502, 503, 504), _FAILED),
}
_REASONS = {
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    412: "conditionNotMet",
    429: "rateLimitExceeded",
}
"""Downloads are refused in plain text, without a reason: by status it is always this one."""
_OWN_REASONS = frozenset((*_BY_REASON, *_REASONS.values(), "required", "UserProjectMissing"))
_ABSENT_IN_WORDS = re.compile(
    r"no such object\b|not found$|(the )?(specified |requested )?bucket does not exist", re.IGNORECASE
)
"""How downloads say 404. Everybody else's has other words, or none: "404 page not found", "default backend - 404"."""
_NO_SUCH_BUCKET = re.compile(r"(The )?(specified |requested )?bucket does not exist", re.IGNORECASE)
_NO_MATCH = re.compile(r"doesn't match calculated", re.IGNORECASE)
_PAYER_MISSING = re.compile(r"requester pays|user project", re.IGNORECASE)
_XML_CODE = re.compile(r"<Code>([A-Za-z]+)</Code>")
_XML_MESSAGE = re.compile(r"<(?:Details|Message)>([^<]*)<")


class Said(NamedTuple):
    """What a refusal says: Google's reason ("" = none), its text, and whether it has a form that Google uses."""

    reason: str
    detail: str
    is_google: bool


def build_error(request: Request, address: Address, reply: Reply, secrets: Iterable[str | None] = ()) -> StorageError:
    """Translate one refused or failed reply to ``request``; ``secrets`` are taken out of what the server says."""
    known = tuple(secrets)
    said = parse_refusal(reply)
    verdict = kind, text = _judge(request, reply, said)
    code = quote_code(said.reason, known, _OWN_REASONS) or (_REASONS.get(reply.status, "") if said.is_google else "")
    code = {_PAYS: REQUESTER_PAYS, _DAMAGED: DAMAGED}.get(verdict, code)
    status = f"HTTP {reply.status}"
    told = f"{code}, {status}" if code else status
    detail = quote_server(said.detail, known, longest=_MAX_DETAIL)
    if detail and kind is not InvalidCredentials:
        told = f"{told}: {detail}"
    message = f"Cannot {request.action} in bucket '{address.bucket}' at {address.endpoint}: {text} ({told})"
    if kind is Throttled:
        return Throttled(message, code, parse_retry_after(reply.headers))
    return kind(message, code)


def is_bucket_missing(reply: Reply) -> bool:
    """Tell whether a 404 says more than that the object is not there: the bucket is not, or it is not Cloud Storage that answers."""
    said = parse_refusal(reply)
    return not said.is_google or said.reason == "NoSuchBucket" or bool(_NO_SUCH_BUCKET.match(said.detail))


def parse_refusal(reply: Reply) -> Said:
    """Take a refusal's reason and text out of its body, whatever form it has; as they came, not for showing.

    Of a 404 without a form only Google's own words are believed: it is what anybody says who does not know the path.
    """
    body = reply.body.decode("utf-8", "replace").strip()
    if body.startswith("{"):
        return _parse_json(body, reply.status)
    if body.startswith("<"):
        code, message = _XML_CODE.search(body), _XML_MESSAGE.search(body)
        return Said(code[1], message[1] if message else "", is_google=True) if code else Said("", "", is_google=False)
    return Said("", body, is_google=reply.status != 404 or bool(_ABSENT_IN_WORDS.match(body)))


def _parse_json(body: str, status: int) -> Said:
    """Read {"error": {"code", "message", "errors": [{"reason"}], "details": [{"reason"}], "status"}}, or OAuth's shorter form.

    OAuth knows no 404, but many a web framework says {"error": "Not Found"}.
    """
    try:
        error = json.loads(body)["error"]
        if isinstance(error, str):
            return Said(error, "", is_google=True) if status != 404 else Said("", error, is_google=False)
        entries = [*(error.get("errors") or ()), *(error.get("details") or ())]
        reasons = [entry["reason"] for entry in entries if entry.get("reason")]
        reason, message = str(reasons[0]) if reasons else "", str(error["message"])
        return Said(reason, message, is_google=status != 404 or bool(reason) or error.get("code") == status)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return Said("", "", is_google=False)


def _judge(request: Request, reply: Reply, said: Said) -> Verdict:
    status = reply.status
    if status in (400, 401) and _PAYER_MISSING.search(said.detail):
        return _PAYS
    if status == 400 and _NO_MATCH.search(said.detail):
        return _DAMAGED
    if status == 404 and not said.is_google:
        return _NOT_THE_STORE
    if status in (404, 410) and "upload_id" in request.params:
        return _GONE
    if status == 404 and (request.path.endswith("/o") or _NO_SUCH_BUCKET.match(said.detail)):
        return _NO_BUCKET
    return _judge_reason(reply, said)


def _judge_reason(reply: Reply, said: Said) -> Verdict:
    status = reply.status
    if said.reason.startswith(("cloudKms", "KMS")):
        return _KMS
    known = _BY_REASON.get(said.reason)
    if known is None and (said.is_google or status != 400):
        known = _BY_STATUS.get(status)
    # A busy server that says when to come back is throttling, whatever it calls it.
    return _SLOW_DOWN if known is _FAILED and "retry-after" in reply.headers else known or _STRANGE

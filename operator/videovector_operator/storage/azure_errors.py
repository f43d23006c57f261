"""Translates Azure's answers to the `StorageError` tree: the one place that knows Azure's error codes.

Messages name container and endpoint, Azure's code and the next step; never keys, tokens or signatures: what Azure says of
refused credentials quotes what it was sent, and is left out. What the server says else is judged as it came and shown as
`server_text` has it. Pure: no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

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
from videovector_operator.storage.azure_address import Address
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.retry_after import parse_retry_after
from videovector_operator.storage.server_text import quote_code, quote_server
from videovector_operator.storage.xml_reply import parse_xml

Verdict = tuple[type[StorageError], str]
"""Which error, and what to tell people: what happened and the next step."""

TOKEN_REFUSED = "InvalidAuthenticationInfo"  # noqa: S105 - a code
"""Code that a fresh token may cure."""
OLD_VERSION = "InvalidHeaderValue"
"""Code of a server that does not know the API version of a request."""
UNEXPLAINED = "AuthorizationFailure"
"""Code that stands for several reasons, which only the body tells."""
NO_BLOB = "BlobNotFound"
CLOCK_SKEW = "RequestTimeTooSkewed"
"""Our code for a request whose date Azure does not accept: it calls it AuthenticationFailed, as it does a wrong key."""

_MAX_DETAIL = 200
_REFUSED = (
    InvalidCredentials,
    "the credentials were refused. Check accountKey, sasToken or clientSecret in the Secret",
)
_EXPIRED = (InvalidCredentials, "the shared access signature is not valid now. Put a fresh sasToken into the Secret")
_NONE = (InvalidCredentials, "Azure saw no credentials. Name a Secret in credentialsSecretRef")
_TOKEN = (
    InvalidCredentials,
    "the token of Entra ID was refused. Check tenantId and clientId, and that the account is of that tenant",
)
_KEYS_OFF = (InvalidCredentials, "the account does not allow account keys. Use clientSecret or a workload identity")
_DENIED = (AccessDenied, "access denied. Allow this action for the credentials in use")
_NETWORK = (AccessDenied, "access denied. Check what the credentials may do, and the storage account's firewall")
_SAS_LIMITS = (
    AccessDenied,
    "the shared access signature does not allow this. Check its permissions, resource types, IPs and protocol",
)
_SOURCE_DENIED = (AccessDenied, "the source of the copy cannot be read with these credentials")
_DISABLED = (AccessDenied, "the storage account is disabled. Check the subscription")
_LEASED = (AccessDenied, "the blob is leased by somebody else. Break the lease, or wait until it ends")
_HELD = (AccessDenied, "an immutability policy or legal hold forbids it")
_SNAPSHOTS = (AccessDenied, "the blob has snapshots, which are not deleted with it. Delete them first")
_ARCHIVED = (AccessDenied, "the blob is archived. Rehydrate it (set its tier to Hot or Cool) first")
_NO_CONTAINER = (NotFound, "the container does not exist. Check container, storageAccount and endpoint")
_NO_ACCOUNT = (NotFound, "the storage account does not exist there. Check storageAccount and endpoint")
_ABSENT = (NotFound, "it does not exist")
_THERE = (AlreadyExists, "it exists already")
_CHANGED = (Changed, "it was changed since it was listed")
_OVERTAKEN = (Changed, "another write of the same blob came in between")
_IN_THE_WAY = (
    Invalid,
    "unfinished blocks of another program are in the way. They vanish after a week, or when that program ends",
)
_OTHER_KIND = (Invalid, "the blob is an append or page blob. Delete it, or choose another name")
_SLOW_DOWN = (Throttled, "Azure asks to slow down")
_FAILED = (Unavailable, "Azure failed. It is tried again")
_DAMAGED = (Unavailable, "the bytes were damaged on the way. It is tried again")
_BAD = (Invalid, "Azure does not accept the request")
_STRANGE = (Invalid, "unexpected answer. Check that the endpoint is the URL of a storage account's blob service")
_NOT_THE_STORE = (
    Unavailable,
    "the server that answered is not Azure's blob service. It is tried again; if it stays so, check the endpoint and what is in front of it",
)

_BY_CODE: dict[str, Verdict] = {
    **dict.fromkeys(("AuthenticationFailed", "InvalidAuthenticationToken", "ExpiredAuthenticationToken"), _REFUSED),
    TOKEN_REFUSED: _TOKEN,
    **dict.fromkeys(("NoAuthenticationInformation", "PublicAccessNotPermitted"), _NONE),
    "KeyBasedAuthenticationNotPermitted": _KEYS_OFF,
    **dict.fromkeys(("AuthorizationPermissionMismatch", "InsufficientAccountPermissions"), _DENIED),
    **dict.fromkeys(("UnauthorizedBlobOverwrite", "ContainerDisabled", "FeatureNotEnabled"), _DENIED),
    UNEXPLAINED: _NETWORK,
    **dict.fromkeys(
        (
            "AuthorizationResourceTypeMismatch",
            "AuthorizationServiceMismatch",
            "AuthorizationProtocolMismatch",
            "AuthorizationSourceIPMismatch",
        ),
        _SAS_LIMITS,
    ),
    **dict.fromkeys(("AccountIsDisabled", "SubscriptionDisabled"), _DISABLED),
    **dict.fromkeys(("LeaseIdMissing", "LeaseIdMismatchWithBlobOperation", "LeaseAlreadyPresent"), _LEASED),
    **dict.fromkeys(("BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"), _HELD),
    "SnapshotsPresent": _SNAPSHOTS,
    **dict.fromkeys(("BlobArchived", "BlobBeingRehydrated"), _ARCHIVED),
    **dict.fromkeys(("ContainerNotFound", "ContainerBeingDeleted"), _NO_CONTAINER),
    NO_BLOB: _ABSENT,
    "ResourceNotFound": _NO_ACCOUNT,
    **dict.fromkeys(("BlobAlreadyExists", "TargetConditionNotMet"), _THERE),
    **dict.fromkeys(("ConditionNotMet", "SourceConditionNotMet"), _CHANGED),
    "InvalidBlockList": _OVERTAKEN,
    "InvalidBlobOrBlock": _IN_THE_WAY,
    "InvalidBlobType": _OTHER_KIND,
    **dict.fromkeys(("ServerBusy", "TooManyRequests", "AccountBandwidthLimitExceeded"), _SLOW_DOWN),
    **dict.fromkeys(("InternalError", "OperationTimedOut", "PendingCopyOperation"), _FAILED),
    **dict.fromkeys(("Md5Mismatch", "Crc64Mismatch"), _DAMAGED),
}
_OWN_CODES = frozenset(
    (
        *_BY_CODE,
        OLD_VERSION,
        "CannotVerifyCopySource",
        "OutOfRangeInput",
        "InvalidQueryParameterValue",
        "CopyIdMismatch",
    )
)
_BY_STATUS: dict[int, Verdict] = {
    400: _BAD,
    401: _REFUSED,
    403: (AccessDenied, "access denied. Check the credentials and what they may do"),
    409: _BAD,
    412: _CHANGED,
    429: _SLOW_DOWN,
    **dict.fromkeys((408, 425, 500, 502, 503, 504), _FAILED),
}
_TIME_FRAME = re.compile(r"time frame|expiry time|must be after signed start|expired", re.IGNORECASE)
_OLD_DATE = re.compile(r"date header (?:too old|in the request is incorrect)|request date header", re.IGNORECASE)
_NO_MATCH = re.compile(r"contentMD5 doesn't match", re.IGNORECASE)


class _Said(NamedTuple):
    """What a refusal says of itself, as it came; ``why`` is Azure's reason for refusing credentials, which is never repeated."""

    code: str
    detail: str
    why: str
    is_azure: bool


def build_error(request: Request, address: Address, reply: Reply, secrets: Iterable[str | None] = ()) -> StorageError:
    """Translate one refused or failed reply to ``request``; its body may be empty (HEAD).

    ``secrets`` are taken out of what the server says.
    """
    known = tuple(secrets)
    said = _parse(reply)
    kind, text = _judge(request, reply, said)
    shown = quote_code(said.code, known, _OWN_CODES)
    code = CLOCK_SKEW if kind is Unavailable and said.code == "AuthenticationFailed" else shown
    told = f"HTTP {reply.status} {shown}".strip()
    detail = quote_server(said.detail, known, longest=_MAX_DETAIL)
    if detail and kind is not InvalidCredentials:
        told = f"{told}: {detail}"
    message = f"Cannot {request.action} in {address.label} at {address.endpoint}: {text} ({told})"
    if kind is Throttled:
        return Throttled(message, code, parse_retry_after(reply.headers))
    return kind(message, code)


def is_create_conflict(error: StorageError) -> bool:
    """Tell whether a condition on what is to be created failed; Azure also says ConditionNotMet, as it does of a source."""
    return isinstance(error, AlreadyExists) or (isinstance(error, Changed) and error.code == "ConditionNotMet")


def _parse(reply: Reply) -> _Said:
    root = parse_xml(reply.body) if reply.body else None
    fields = {child.tag: (child.text or "").strip() for child in root} if root is not None else {}
    code = (reply.headers.get("x-ms-error-code", "") or fields.get("Code", "")).strip()
    # The first line is the text; the others say request id and time.
    detail = (fields.get("Message", "").splitlines() or [""])[0]
    is_azure = "Code" in fields or "x-ms-request-id" in reply.headers or "x-ms-error-code" in reply.headers
    return _Said(code, detail, f"{fields.get('AuthenticationErrorDetail', '')} {detail}", is_azure)


def _judge(request: Request, reply: Reply, said: _Said) -> Verdict:
    # Azurite calls a wrong key or signature AuthorizationFailure; its text is the right one.
    if said.code == "AuthenticationFailed" or said.detail.startswith("Server failed to authenticate"):
        return _judge_refused(said.why)
    if reply.status == 400 and _NO_MATCH.search(said.detail):
        return _DAMAGED
    if said.code == "CannotVerifyCopySource" and reply.status in (401, 403):
        return _SOURCE_DENIED
    known = _BY_CODE.get(said.code)
    if known is None and reply.status == 404:
        return _ABSENT if said.is_azure or _is_silent_head(request, reply) else _NOT_THE_STORE
    if known is None and (said.is_azure or reply.status not in (400, 409)):
        known = _BY_STATUS.get(reply.status)
    # A busy server that says when to come back is throttling, whatever it calls it.
    return _SLOW_DOWN if known is _FAILED and "retry-after" in reply.headers else known or _STRANGE


def _is_silent_head(request: Request, reply: Reply) -> bool:
    """Whether there was no room to say more; what has a text for people is the 404 of an ingress without a route."""
    return request.method == "HEAD" and not reply.headers.get("content-type", "").startswith("text/")


def _judge_refused(why: str) -> Verdict:
    if _OLD_DATE.search(why):
        return Unavailable, "this machine's clock and Azure's differ too much. Set the clock"
    return _EXPIRED if _TIME_FRAME.search(why) else _REFUSED

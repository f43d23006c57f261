"""Who is asking: self-signed tokens and V4 signed URLs, checked against the accounts' public keys.

No permissions are known by heart here: they stand in the account book. The storage itself may not enter.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

import jwt
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tools.testservers.gcs_accounts import AccountBook, KnownAccount

from .answers import Refusal

AUDIENCES = {"https://storage.googleapis.com/", "https://storage.googleapis.com"}
_AUTH = "https://www.googleapis.com/auth/"
FULL_SCOPES = {f"{_AUTH}{name}" for name in ("devstorage.read_write", "devstorage.full_control", "cloud-platform")}
READ_SCOPES = {f"{_AUTH}devstorage.read_only", f"{_AUTH}cloud-platform.read-only"}
_LONGEST_TOKEN_SECONDS = 3600
_LONGEST_URL_SECONDS = 7 * 24 * 3600
_CLOCK_SKEW_SECONDS = 10
_READS = {"storage.objects.list", "storage.objects.get", "storage.buckets.get", "storage.buckets.list"}


@dataclass(frozen=True)
class Caller:
    """An account, or nobody; ``read_only`` when its token asked for no more."""

    account: KnownAccount | None = None
    read_only: bool = False

    def may(self, permission: str, bucket: str) -> bool:
        """Whether account and token both allow it."""
        if self.account is None or (self.read_only and permission not in _READS):
            return False
        return self.account.may(permission, bucket)

    def require(self, permission: str, bucket: str) -> None:
        """Raise what Google answers to a caller who may not."""
        if self.may(permission, bucket):
            return
        if self.account is not None and self.read_only and permission not in _READS:
            raise Refusal(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
        name = self.account.email if self.account else "Anonymous caller"
        kind = "bucket" if permission.startswith("storage.buckets") or permission.endswith("list") else "object"
        message = (
            f"{name} does not have {permission} access to the Google Cloud Storage {kind}. "
            f"Permission '{permission}' denied on resource (or it may not exist)."
        )
        if self.account is None:
            raise Refusal(401, "required", message, place="Authorization")
        raise Refusal(403, "forbidden", message)


class Doorman:
    """Finds out who sent a request."""

    def __init__(self, accounts: AccountBook, clock: Callable[[], float] = time.time) -> None:
        self._accounts = accounts
        self._clock = clock

    def identify(self, request: web.Request) -> Caller:
        """Read the bearer token; no token at all is an anonymous caller, a bad one a refusal with 401."""
        header = request.headers.get("Authorization")
        if header is None:
            return Caller()
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise _bad_credentials()
        try:
            return self._read_token(token.strip())
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise _bad_credentials() from None

    def _read_token(self, token: str) -> Caller:
        email = jwt.decode(token, options={"verify_signature": False})["iss"]
        account = self._accounts.find(email)
        if account is None or jwt.get_unverified_header(token).get("kid", account.key_id) != account.key_id:
            raise _bad_credentials()
        claims = jwt.decode(
            token,
            account.public_key,
            algorithms=["RS256"],
            options={"verify_aud": False, "require": ["iss", "sub", "iat", "exp"]},
            leeway=_CLOCK_SKEW_SECONDS,
        )
        too_long = claims["exp"] - claims["iat"] > _LONGEST_TOKEN_SECONDS
        if claims["sub"] != email or too_long:
            raise _bad_credentials()
        scopes = set(claims.get("scope", "").split())
        if scopes & FULL_SCOPES or (not scopes and claims.get("aud") in AUDIENCES):
            return Caller(account)
        if scopes & READ_SCOPES:
            return Caller(account, read_only=True)
        if scopes:
            raise Refusal(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
        raise _bad_credentials()

    def identify_signer(self, request: web.Request) -> Caller:
        """Check a V4 signed URL: its time, then its signature over method, path, query and signed headers."""
        query = dict(parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True))
        try:
            email, scope = query["X-Goog-Credential"].split("/", 1)
            begun = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
            lifetime = int(query["X-Goog-Expires"])
            signature = bytes.fromhex(query["X-Goog-Signature"])
            signed_headers = query["X-Goog-SignedHeaders"]
        except (KeyError, ValueError):
            raise Refusal(400, "invalid", "Invalid signed URL.", code="AuthenticationRequired") from None
        if not 0 < lifetime <= _LONGEST_URL_SECONDS:
            raise Refusal(400, "invalid", "Invalid X-Goog-Expires.", code="InvalidArgument")
        now = self._clock()
        if not begun - _CLOCK_SKEW_SECONDS <= now <= begun + lifetime:
            raise Refusal(400, "invalid", "Invalid argument: the URL has expired.", code="ExpiredToken")
        account = self._accounts.find(email)
        text = string_to_sign(request, query["X-Goog-Date"], scope, signed_headers)
        if account is None or not _verifies(account.public_key, signature, text):
            raise Refusal(403, "forbidden", "Access denied.", code="SignatureDoesNotMatch")
        return Caller(account)


def string_to_sign(request: web.Request, date: str, scope: str, signed_headers: str) -> str:
    """Build what the signer of a V4 URL has signed."""
    path, _, raw_query = request.raw_path.partition("?")
    pairs = [pair for pair in parse_qsl(raw_query, keep_blank_values=True) if pair[0] != "X-Goog-Signature"]
    query = "&".join(sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs))
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in signed_headers.split(";"))
    payload = request.headers.get("X-Goog-Content-SHA256", "UNSIGNED-PAYLOAD")
    canonical = f"{request.method}\n{path}\n{query}\n{headers}\n{signed_headers}\n{payload}"
    return "\n".join(("GOOG4-RSA-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()))


def _verifies(public_key: str, signature: bytes, text: str) -> bool:
    key = load_pem_public_key(public_key.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _bad_credentials() -> Refusal:
    return Refusal(401, "authError", "Invalid Credentials", place="Authorization")

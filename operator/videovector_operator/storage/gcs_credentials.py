"""As whom Cloud Storage is asked: a service account's key from a Secret, or the identity of the process's environment.

A key signs its own tokens (no token service is asked: a user's key file must not choose a URL to be dialled). google-auth is
imported when first needed, and only ever runs in threads.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from videovector_operator.core.sources import GcsServiceAccount
from videovector_operator.errors import Invalid, InvalidCredentials, Unavailable
from videovector_operator.storage.ambient import Ambient

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
"""The least that reading and writing objects takes; what the account may do is a matter of its roles."""

_LIFETIME = timedelta(hours=1)
_RENEW_BEFORE = timedelta(minutes=5)
_BACKDATED = timedelta(seconds=30)
"""Google refuses tokens from the future; clocks differ by a little."""
_REQUEST_SECONDS = 10.0
_BAD_KEY = (
    "The private_key in the Secret's credentials.json is not an RSA private key in PEM form: "
    "put the key file there again, as it was downloaded"
)
_LONGEST_KEY_BITS = 4096
"""Google makes keys of 2,048."""
_LONG_KEY = (
    f"The private_key in the Secret's credentials.json is longer than {_LONGEST_KEY_BITS} bits: "
    "put a key file there as Google makes it"
)
_NO_IDENTITY = (
    "Name a Secret with credentials.json (the JSON key file of a service account) in credentialsSecretRef, "
    "or give the pods a workload identity (serviceAccountName; the bucket lets that account in, or a Google service account "
    "that it acts for)"
)
_CANNOT_SIGN = (
    "URLs can only be signed with a service account's key: name a Secret with credentials.json in credentialsSecretRef. "
    "The environment's identity cannot sign"
)


class Credentials(Protocol):
    """Gives tokens to ask with, and signatures."""

    @property
    def email(self) -> str:
        """The account's name; "" = not known."""
        ...

    async def token(self, now: datetime) -> str:
        """Return a bearer token that is valid at ``now``. Raises InvalidCredentials or Unavailable."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """Sign with the account's key (RSA, SHA-256, PKCS #1 v1.5). Raises Invalid when there is none, InvalidCredentials."""
        ...

    def expire(self, *, refused: bool) -> bool:
        """Forget the token; True when another may be accepted. ``refused``: not for its time, but as such."""
        ...

    def close(self) -> None:
        """Free threads."""
        ...


class Signer(Protocol):
    """What is used of google-auth's signer."""

    def sign(self, message: bytes) -> bytes:
        """RSA, SHA-256, PKCS #1 v1.5."""
        ...


class ServiceAccountCredentials:
    """A key from a Secret; a changed Secret makes a new storage. Tokens are made an hour long and kept for 55 minutes."""

    def __init__(self, account: GcsServiceAccount) -> None:
        self._account = account
        self._token = ""
        self._renew_at: datetime | None = None
        self._lock = asyncio.Lock()
        self._signer: Signer | None = None

    @property
    def email(self) -> str:
        """The account's name."""
        return self._account.client_email

    async def token(self, now: datetime) -> str:
        """Return the token, or make one in a thread."""
        if self._renew_at is not None and now < self._renew_at:
            return self._token
        async with self._lock:
            if self._renew_at is None or now >= self._renew_at:
                self._token = await asyncio.to_thread(self._make_token, now - _BACKDATED)
                self._renew_at = now + _LIFETIME - _BACKDATED - _RENEW_BEFORE
            return self._token

    async def sign(self, message: bytes) -> bytes:
        """Sign in a thread."""
        return await asyncio.to_thread(lambda: self._load_signer().sign(message))

    def expire(self, *, refused: bool) -> bool:
        """Forget the token; one that was refused as such would be made the same again."""
        self._renew_at = None
        return not refused

    def close(self) -> None:
        """Do nothing."""

    def _make_token(self, begins: datetime) -> str:
        from google.auth import jwt

        issued = int(begins.timestamp())
        claims = {
            "iss": self.email,
            "sub": self.email,
            "scope": SCOPE,
            "iat": issued,
            "exp": issued + int(_LIFETIME.total_seconds()),
        }
        encoded: bytes = jwt.encode(self._load_signer(), claims)  # type: ignore[no-untyped-call]  # google-auth's
        return encoded.decode("ascii")

    def _load_signer(self) -> Signer:
        if self._signer is None:
            self._signer = _build_signer(self._account)
        return self._signer


def _build_signer(account: GcsServiceAccount) -> Signer:
    """Read the key. Raises InvalidCredentials; nothing of the key is in its text."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from google.auth.crypt import RSASigner

    try:
        # Checking a key takes the fourth power of its length, and all threads wait: it is measured before.
        key = load_pem_private_key(account.private_key.encode(), password=None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, RSAPrivateKey):
            numbers = key.private_numbers()
            lengths = [
                key.key_size,
                numbers.d.bit_length(),
                *(2 * each.bit_length() for each in (numbers.p, numbers.q)),
            ]
            if max(lengths) > _LONGEST_KEY_BITS:
                raise InvalidCredentials(_LONG_KEY)
            key = numbers.private_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidCredentials(_BAD_KEY) from None
    if not isinstance(key, RSAPrivateKey):
        raise InvalidCredentials(_BAD_KEY)
    signer: Signer = RSASigner(key, account.private_key_id)  # type: ignore[no-untyped-call]  # google-auth's
    return signer


class TokenSource(Protocol):
    """The environment's tokens; blocking."""

    def __call__(self) -> str:
        """Return a token that is valid for some minutes. Raises InvalidCredentials or Unavailable."""
        ...

    def forget(self) -> None:
        """Ask for another token next time, even if this one is still valid."""
        ...


class AmbientCredentials:
    """The environment's identity: workload identity, the metadata server, GOOGLE_APPLICATION_CREDENTIALS."""

    def __init__(self, source: TokenSource, clock: Callable[[], float], *, timeout_seconds: float = 20.0) -> None:
        self._source = source
        self._tokens: Ambient[str] = Ambient(source, clock, name="gcs-credentials", timeout_seconds=timeout_seconds)

    @property
    def email(self) -> str:
        """Not known."""
        return ""

    async def token(self, now: datetime) -> str:  # noqa: ARG002 - the source looks after its time itself
        """Return the present token."""
        return await self._tokens.current()

    async def sign(self, message: bytes) -> bytes:  # noqa: ARG002 - nothing is signed
        """Raise Invalid."""
        raise Invalid(_CANNOT_SIGN)

    def expire(self, *, refused: bool) -> bool:  # noqa: ARG002 - another one is worth a try in any case
        """Ask for another token."""
        self._source.forget()
        return self._tokens.expire()

    def close(self) -> None:
        """End the thread once it is idle."""
        self._tokens.close()


class DefaultChain:
    """google-auth's chain of application default credentials as a `TokenSource`; may call an identity service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Any = None
        self._is_refused = False

    def __call__(self) -> str:
        """Return the present token, refreshed when it is about to expire."""
        import google.auth.exceptions

        with self._lock:
            try:
                return self._find_token()
            except (google.auth.exceptions.GoogleAuthError, OSError, ValueError) as error:
                if _may_pass(error):
                    raise Unavailable("The environment's identity service does not answer. It is tried again") from None
                kind = type(error).__name__
                raise InvalidCredentials(
                    f"The environment's identity cannot be used ({kind}). {_NO_IDENTITY}"
                ) from None

    def forget(self) -> None:
        """Look for the identity anew."""
        self._is_refused = True

    def _find_token(self) -> str:
        import google.auth
        from google.auth.transport.requests import Request

        request: Any = functools.partial(Request(), timeout=_REQUEST_SECONDS)
        if self._found is None or self._is_refused:
            self._is_refused = False
            self._found, _ = google.auth.default(scopes=[SCOPE], request=request)
        if not self._found.valid:
            self._found.refresh(request)
        return str(self._found.token)


def _may_pass(error: Exception) -> bool:
    """Tell whether the identity service failed, rather than refused. The metadata server's failures say so only by their text."""
    import google.auth.exceptions

    if isinstance(error, google.auth.exceptions.TransportError) or getattr(error, "retryable", False):
        return True
    return "Metadata server unavailable" in str(error)

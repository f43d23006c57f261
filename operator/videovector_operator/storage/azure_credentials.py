"""As whom Azure is asked: an account key, a shared access signature, or a token of Entra ID.

Each authorizes requests in its own way. What they hold never leaves but in requests; `secrets` is for scrubbing it out of texts.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs, unquote_plus

from videovector_operator.core.sources import AzureAccountKey, AzureClientSecret, AzureSasToken, AzureSource
from videovector_operator.errors import InvalidCredentials
from videovector_operator.storage.ambient import Ambient
from videovector_operator.storage.azure_address import Address, refuse_showing_tokens
from videovector_operator.storage.azure_identity import (
    EntraTokens,
    TokenSource,
    build_ambient_tokens,
    build_client_tokens,
)
from videovector_operator.storage.azure_sign import SharedKeySigner, SignedParts
from videovector_operator.storage.endpoint_policy import EndpointPolicy, refuse_clear_text, refuse_own_authority


class Authorization(NamedTuple):
    """What a request gets: more headers, and more of a query ("" = none, no "&" at either end)."""

    headers: Mapping[str, str]
    query: str = ""


class Credentials(Protocol):
    """One kind of credentials."""

    async def authorize(self, parts: SignedParts, headers: Mapping[str, str]) -> Authorization:
        """Authorize a request. Raises InvalidCredentials or Unavailable."""
        ...

    def expired_at(self, now: datetime) -> datetime | None:
        """When they ended, as far as they say so themselves; None = not known to have ended."""
        ...

    def renew(self) -> bool:
        """Forget what is cached because it was refused; True when asking again may give others."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """Texts that must be taken out of whatever a server says."""
        ...

    def close(self) -> None:
        """Free threads."""
        ...


class AccountKeyCredentials:
    """Shared Key signatures."""

    def __init__(self, signer: SharedKeySigner, key: str) -> None:
        self.signer = signer
        self._key = key

    async def authorize(self, parts: SignedParts, headers: Mapping[str, str]) -> Authorization:
        """Sign."""
        return Authorization({"authorization": self.signer.sign(parts, headers)})

    def expired_at(self, now: datetime) -> datetime | None:  # noqa: ARG002 - keys do not end
        """Return None."""
        return None

    def renew(self) -> bool:
        """Return False: there are no others."""
        return False

    def secrets(self) -> tuple[str, ...]:
        """Return the key."""
        return (self._key,)

    def close(self) -> None:
        """Do nothing."""


class SasCredentials:
    """A shared access signature, appended to every query. Raises InvalidCredentials for a token that cannot be in one."""

    def __init__(self, token: str) -> None:
        if not token.isascii() or any(char in token for char in " #?\r\n\t") or not token.isprintable():
            raise InvalidCredentials(
                "The sasToken of the Secret is not a shared access signature: copy the token again"
            )
        self.token = token
        fields = parse_qs(token)
        self._signature = fields.get("sig", [""])[0]
        self._ends = _parse_sas_time(fields.get("se", [""])[0])

    async def authorize(self, parts: SignedParts, headers: Mapping[str, str]) -> Authorization:  # noqa: ARG002 - as is
        """Append."""
        return Authorization({}, self.token)

    def expired_at(self, now: datetime) -> datetime | None:
        """Tell from the token's own end."""
        return self._ends if self._ends is not None and self._ends <= now else None

    def renew(self) -> bool:
        """Return False: there are no others."""
        return False

    def secrets(self) -> tuple[str, ...]:
        """Return the signature, in the forms in which it may come back."""
        raw = next((part[4:] for part in self.token.split("&") if part.startswith("sig=")), "")
        return (self.token, self._signature, raw, unquote_plus(raw))

    def close(self) -> None:
        """Do nothing."""


class TokenCredentials:
    """Bearer tokens of Entra ID."""

    def __init__(self, tokens: Ambient[str], source: TokenSource | None = None) -> None:
        self._tokens = tokens
        self._source = source
        self._used = ""

    async def authorize(self, parts: SignedParts, headers: Mapping[str, str]) -> Authorization:  # noqa: ARG002 - as is
        """Add the present token."""
        self._used = await self._tokens.current()
        return Authorization({"authorization": f"Bearer {self._used}"})

    def expired_at(self, now: datetime) -> datetime | None:  # noqa: ARG002 - they are renewed
        """Return None."""
        return None

    def renew(self) -> bool:
        """Ask for another token."""
        return self._tokens.expire()

    def secrets(self) -> tuple[str, ...]:
        """Return the token that was used last."""
        return (self._used,)

    def close(self) -> None:
        """End the thread once it is idle, and the source's connections if they are ours alone."""
        self._tokens.close()
        if self._source is not None:
            self._source.close()


def build_credentials(source: AzureSource, address: Address, policy: EndpointPolicy) -> Credentials:
    """Choose by what the source has; without any, the environment's identity.

    Raises Invalid when the endpoint must not see them, InvalidCredentials when they cannot be any.
    """
    match source.credentials:
        case AzureAccountKey(account_key=key):
            return AccountKeyCredentials(SharedKeySigner(address.account, key), key)
        case AzureSasToken(sas_token=token):
            refuse_clear_text(address.origin, "the shared access signature")
            return SasCredentials(token)
        case AzureClientSecret() as secret:
            refuse_showing_tokens(address, policy, ambient=False)
            own = build_client_tokens(source, secret, os.environ)
            return TokenCredentials(_build_ambient(own, time.monotonic), own)
        case None:
            refuse_showing_tokens(address, policy, ambient=True)
            if address.is_azure:
                refuse_own_authority(source.ca_bundle)
            shared = _ambient_tokens(source.tenant_id, source.client_id)
            return TokenCredentials(_build_ambient(shared, time.monotonic))


def _build_ambient(tokens: TokenSource, clock: Callable[[], float]) -> Ambient[str]:
    return Ambient(tokens, clock, name="azure-credentials", what="A token of Entra ID")


@functools.lru_cache(maxsize=64)
def _ambient_tokens(tenant_id: str | None, client_id: str | None) -> EntraTokens:
    """One chain a process for each identity, however many containers are opened with it."""
    return build_ambient_tokens(AzureSource("", "", tenant_id=tenant_id, client_id=client_id), os.environ)


def _parse_sas_time(text: str) -> datetime | None:
    """Read a SAS's end: ISO 8601 in UTC, down to days, minutes or seconds."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

"""URLs that read one blob without credentials: by the account's key, or by a key that Azure lends to an identity for days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from xml.etree import ElementTree as ET

from videovector_operator.errors import AccessDenied, Invalid
from videovector_operator.storage.azure_address import Address
from videovector_operator.storage.azure_credentials import AccountKeyCredentials, Credentials, SasCredentials
from videovector_operator.storage.azure_sign import (
    DelegationKey,
    build_account_sas,
    build_delegation_sas,
    encode_query,
    format_sas_time,
)
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.xml_reply import parse_xml

_BACKDATED = timedelta(minutes=5)
"""Azure's clocks differ from each other by a little."""
_LONGEST_KEY = timedelta(days=7)
"""From the key's start: no URL outlives it, so that the longest end five minutes early."""
_FRESH = timedelta(minutes=1)
"""A key that is younger serves the longest URLs too: they end so much earlier."""
_NO_SAS_FOR_SAS = (
    "URLs cannot be made with a shared access signature: put accountKey or clientSecret into the Secret instead, "
    "or use a workload identity"
)


class Presigner:
    """Makes URLs for one container. ``now`` gives the server's time. A lent key is kept and used until it ends too early."""

    def __init__(self, http: Exchange, address: Address, credentials: Credentials, now: Callable[[], datetime]) -> None:
        self._http = http
        self._address = address
        self._credentials = credentials
        self._now = now
        self._key: tuple[DelegationKey, datetime] | None = None

    async def presign(self, key: str, expires: timedelta) -> str:
        """Build the URL. Raises Invalid for credentials that cannot make any, AccessDenied for an identity that may not."""
        address = self._address
        path = address.blob_path(key)
        end, resource = self._now() + expires, (address.container, key)
        match self._credentials:
            case SasCredentials():
                raise Invalid(_NO_SAS_FOR_SAS)
            case AccountKeyCredentials(signer=signer):
                query = build_account_sas(signer, resource, expires=end, tls_only=address.is_tls)
            case _:
                lent, last = await self._borrow_key(end)
                query = build_delegation_sas(
                    address.account, lent, resource, expires=min(end, last), tls_only=address.is_tls
                )
        return f"{address.origin}{address.base}{path}?{encode_query(query)}"

    async def _borrow_key(self, until: datetime) -> tuple[DelegationKey, datetime]:
        """Return a key and its end; asked for with all the time that there is, so that one serves many URLs."""
        now = self._now()
        if self._key is not None and self._key[1] >= min(until, now - _BACKDATED + _LONGEST_KEY - _FRESH):
            return self._key
        start, end = now - _BACKDATED, now - _BACKDATED + _LONGEST_KEY
        request = Request(
            "POST",
            "get a key to make URLs with",
            path="/",
            params={"restype": "service", "comp": "userdelegationkey"},
            headers={"content-type": "application/xml"},
            body=(
                '<?xml version="1.0" encoding="utf-8"?>'
                f"<KeyInfo><Start>{format_sas_time(start)}</Start><Expiry>{format_sas_time(end)}</Expiry></KeyInfo>"
            ).encode(),
        )
        try:
            lent = await self._http.send(request, _decode_key)
        except AccessDenied as error:
            hint = "Assign the role Storage Blob Delegator on the storage account (not only on the container)"
            raise AccessDenied(f"{error.message}. {hint}", error.code) from None
        self._key = lent, end
        return self._key


def _decode_key(reply: Reply) -> DelegationKey:
    root = parse_xml(reply.body)
    if root is None or root.tag != "UserDelegationKey":
        raise Invalid("The answer to asking for a user delegation key is not Azure's: check the endpoint")
    return DelegationKey(
        _text(root, "SignedOid"),
        _text(root, "SignedTid"),
        _text(root, "SignedStart"),
        _text(root, "SignedExpiry"),
        _text(root, "SignedService"),
        _text(root, "SignedVersion"),
        _text(root, "Value"),
    )


def _text(root: ET.Element, name: str) -> str:
    return (root.findtext(name) or "").strip()

"""Which addresses may be dialled: an endpoint is a user's text, and what it (or a redirect, or a name server) leads to is not trusted.

Refused in every notation: link-local and cloud metadata addresses, unspecified and multicast ones, and loopback unless the
operator's settings allow it. Private addresses are allowed: storage servers in the cluster have them. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from videovector_operator.errors import Invalid

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_METADATA_ADDRESSES = frozenset(
    {
        "fd00:42::42",  # Scaleway
        "fd20:ce::254",  # Google
        "fd00:c1::a9fe:a9fe",  # Oracle
        "fd00:a9fe:a9fe::1",  # Akamai
        "fd00:100::100:200",  # Alibaba
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
    }
)
_METADATA_NETWORKS = (ipaddress.ip_network("fd00:ec2::/32"),)  # Amazon's services of an instance
_HIDING_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "64:ff9b::/96",  # NAT64, RFC 6052
        "64:ff9b:1::/48",  # NAT64 of a local network, RFC 8215
        "::ffff:0:0:0/96",  # SIIT, RFC 2765
        "::/96",  # IPv4-compatible, RFC 4291
    )
)
"""Networks whose addresses hold an IPv4 address in their last 32 bits."""
_ISATAP = (0x00005EFE, 0x02005EFE)
"""Bits 64 to 95 of an address that holds an IPv4 address behind them, RFC 5214."""
_NEAR_SUFFIXES = (".svc", ".local", ".internal", ".localhost", ".test", ".home.arpa")
_REMEDY = "set the endpoint to your storage server"


class NameService(Protocol):
    """Finds the addresses of a host name."""

    async def resolve(self, host: str) -> Sequence[str]:
        """Return literal IP addresses; ``host`` may be one already. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class EndpointPolicy:
    """What endpoints may lead to. ``allow_loopback`` is for storage servers on the node's own network."""

    allow_loopback: bool = False

    def refuse_host(self, host: str) -> None:
        """Raise Invalid when ``host``, as an endpoint says it, is a forbidden name or address."""
        name = host.rstrip(".").lower()
        if name in _METADATA_NAMES or name.endswith(".metadata.google.internal"):
            raise Invalid(
                f"The endpoint's host '{host}' is a cloud metadata service, which must not be used: {_REMEDY}"
            )
        if name == "localhost" or name.endswith(".localhost"):
            self._refuse_loopback(host)
        if (address := parse_ip(name)) is not None:
            self._refuse(address, host)

    def refuse_address(self, address: str) -> None:
        """Raise Invalid when ``address``, a literal IP that is about to be dialled, is forbidden."""
        parsed = parse_ip(address)
        if parsed is None:
            raise Invalid(f"The endpoint resolves to '{address[:64]}', which is not an IP address: {_REMEDY}")
        self._refuse(parsed, address)

    def _refuse(self, address: IpAddress, text: str) -> None:
        for each in _meanings(address):
            kind = _forbidden_kind(each)
            if kind:
                raise Invalid(f"The endpoint leads to {text}, {kind} address, which must not be used: {_REMEDY}")
            if each.is_loopback:
                self._refuse_loopback(text)

    def _refuse_loopback(self, text: str) -> None:
        if not self.allow_loopback:
            raise Invalid(
                f"The endpoint leads to {text}, a loopback address, which must not be used: {_REMEDY} "
                "(whoever runs the operator can allow loopback endpoints in its settings)"
            )


def refuse_clear_text(origin: str, what: str) -> None:
    """Raise Invalid when ``what`` (for people), which is worth as much to whoever reads it on the way, would go out unencrypted.

    ``origin`` is scheme://host[:port]. Servers inside of the cluster or its network may be asked without TLS: an emulator, or a
    gateway behind a mesh that encrypts.
    """
    if origin.startswith("https:") or _is_near((urlsplit(origin).hostname or "").rstrip(".")):
        return
    raise Invalid(
        f"The endpoint {origin} is not https, so {what} could be read on the way. Use https; without it only servers inside of "
        "the cluster are asked (a private address, or a name below .svc, .local or .internal)"
    )


def _is_near(name: str) -> bool:
    address = parse_ip(name)
    if address is not None:
        return address.is_private
    return "." not in name or name.endswith(_NEAR_SUFFIXES)


def refuse_own_authority(ca_bundle: str | None) -> None:
    """Raise Invalid when the pods' own identity would be shown to a server that a user's certificates vouch for.

    Only the system's authorities prove that a host is the cloud's own: with other ones, whoever answers its name could be it.
    """
    if ca_bundle is not None:
        raise Invalid(
            "caBundleRef cannot be used together with the pods' own identity: name a Secret in credentialsSecretRef, or leave "
            "caBundleRef out"
        )


def parse_ip(host: str) -> IpAddress | None:
    """Read a literal address in every notation that resolvers take: also decimal, octal, hexadecimal and short IPv4."""
    text = host.strip("[]").split("%", 1)[0]
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return _parse_loose_ipv4(text.rstrip("."))


def _parse_loose_ipv4(text: str) -> ipaddress.IPv4Address | None:
    """Read what inet_aton reads: one to four numbers, the last of which fills the bytes that are left."""
    parts = text.split(".")
    if not 1 <= len(parts) <= 4:
        return None
    numbers = [_parse_number(part) for part in parts]
    known = [number for number in numbers if number is not None]
    if len(known) != len(parts) or any(number > 255 for number in known[:-1]):
        return None
    value = 0
    for position, number in enumerate(known[:-1]):
        value |= number << (24 - 8 * position)
    return ipaddress.IPv4Address(value | known[-1]) if known[-1] < 1 << (8 * (5 - len(known))) else None


def _parse_number(text: str) -> int | None:
    if not text or len(text) > 16 or not text.isascii():
        return None
    base = 16 if text[:2].lower() == "0x" else 8 if text[0] == "0" and len(text) > 1 else 10
    digits = text[2:] if base == 16 else text
    if not digits.isalnum():
        return None
    try:
        return int(digits, base)
    except ValueError:
        return None


def _meanings(address: IpAddress) -> tuple[IpAddress, ...]:
    """The address, and the IPv4 address that is hidden in an IPv6 one."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    hidden: list[IpAddress] = [address]
    if address.ipv4_mapped is not None:
        hidden.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        hidden.append(address.sixtofour)
    if address.teredo is not None:
        hidden.extend(address.teredo)
    number = int(address)
    if any(address in network for network in _HIDING_NETWORKS) or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        hidden.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    return tuple(hidden[1:] if address.ipv4_mapped is not None else hidden)


def _forbidden_kind(address: IpAddress) -> str | None:
    is_metadata = str(address) in _METADATA_ADDRESSES or any(address in network for network in _METADATA_NETWORKS)
    if address.is_link_local or is_metadata:
        return "a link-local or cloud metadata"
    if address.is_unspecified:
        return "an unspecified"
    if address.is_multicast:
        return "a multicast"
    if str(address) == "255.255.255.255":
        return "a broadcast"
    return None

"""Where an S3 bucket answers: endpoint, path or virtual-hosted style, and the endpoints that nobody may use.

Pure; no request is made here. A user-given endpoint is untrusted: link-local and metadata addresses are refused
by name here and again by `refuse_metadata` on the address that is really dialled.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from videovector_operator.errors import Invalid
from videovector_operator.storage.port import S3Source

_VIRTUAL_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_DNS_SUFFIXES = (("cn-", "amazonaws.com.cn"), ("us-iso-", "c2s.ic.gov"), ("us-isob-", "sc2s.sgov.gov"))
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_METADATA_ADDRESSES = frozenset({"fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16"})


@dataclass(frozen=True, slots=True)
class Address:
    """One bucket's place. ``origin`` + ``path`` (already encoded, without a slash at its end) + "/key" is an object's URL."""

    bucket: str
    region: str
    endpoint: str
    origin: str
    host: str
    path: str
    virtual: bool


def build_address(source: S3Source) -> Address:
    """Decide where the bucket answers. Raises Invalid when the endpoint is malformed or not allowed."""
    endpoint = source.endpoint or _aws_endpoint(source.region)
    scheme, host, port, base = _split(endpoint)
    _refuse_metadata_host(host, endpoint)
    virtual = not (source.force_path_style or _needs_path_style(source.bucket, host))
    name = f"[{host}]" if ":" in host else host
    if virtual:
        name = f"{source.bucket}.{name}"
    default_port = 443 if scheme == "https" else 80
    authority = name if port in (None, default_port) else f"{name}:{port}"
    path = base if virtual else f"{base}/{quote(source.bucket, safe='')}"
    return Address(source.bucket, source.region, endpoint, f"{scheme}://{authority}", authority, path, virtual)


def refuse_metadata(address: str) -> None:
    """Raise Invalid when ``address`` (a literal IP that is about to be dialled) is link-local or a cloud's metadata service."""
    if _is_metadata(address):
        raise Invalid(
            f"The S3 endpoint resolves to {address}, a link-local or cloud metadata address, which must not be used: "
            "set the endpoint to your storage server"
        )


def _aws_endpoint(region: str) -> str:
    suffix = next((suffix for start, suffix in _DNS_SUFFIXES if region.startswith(start)), "amazonaws.com")
    return f"https://s3.{region}.{suffix}"


def _split(endpoint: str) -> tuple[str, str, int | None, str]:
    """Take scheme, host, port and base path out of ``endpoint``; its text may hold a password, so it is not repeated."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Invalid("The S3 endpoint is not a URL: write it like https://minio.example.com:9000") from None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise Invalid("The S3 endpoint must be an http or https URL, for instance https://minio.example.com:9000")
    if "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[\s\x00-\x1f]", endpoint):
        raise Invalid(
            "The S3 endpoint must hold only scheme, host, port and path: no user, password, query or fragment"
        )
    return parts.scheme, host, port, quote(parts.path.rstrip("/"), safe="/%")


def _needs_path_style(bucket: str, host: str) -> bool:
    """Tell whether ``bucket.host`` cannot be a DNS name or cannot match a wildcard certificate."""
    return not _VIRTUAL_BUCKET.fullmatch(bucket) or "." not in host.rstrip(".") or _parse_ip(host) is not None


def _refuse_metadata_host(host: str, endpoint: str) -> None:
    name = host.rstrip(".").lower()
    if name in _METADATA_NAMES or name.endswith(".metadata.google.internal") or _is_metadata(host):
        raise Invalid(
            f"The S3 endpoint {endpoint} is a link-local or cloud metadata address, which must not be used: "
            "set the endpoint to your storage server"
        )


def _is_metadata(host: str) -> bool:
    address = _parse_ip(host)
    if address is None:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    return address.is_link_local or str(address) in _METADATA_ADDRESSES


def _parse_ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return None

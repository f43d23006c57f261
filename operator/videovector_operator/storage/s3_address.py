"""Where an S3 bucket answers: endpoint, path or virtual-hosted style. Pure; no request is made here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from videovector_operator.storage.endpoint import split_endpoint
from videovector_operator.storage.endpoint_policy import EndpointPolicy, parse_ip
from videovector_operator.storage.port import S3Source
from videovector_operator.storage.transport import Place

_VIRTUAL_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_DNS_SUFFIXES = (("cn-", "amazonaws.com.cn"), ("us-iso-", "c2s.ic.gov"), ("us-isob-", "sc2s.sgov.gov"))
_DNS_HINT = "Check the endpoint; if the server wants the bucket in the path, set forcePathStyle: true"


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

    @property
    def place(self) -> Place:
        """The same, for `exchange`."""
        return Place(
            label=f"bucket '{self.bucket}'",
            endpoint=self.endpoint,
            origin=self.origin,
            host=self.host,
            dns_hint=_DNS_HINT if self.virtual else "Check the endpoint",
        )


def build_address(source: S3Source, policy: EndpointPolicy) -> Address:
    """Decide where the bucket answers. Raises Invalid when the endpoint is malformed or not allowed."""
    endpoint = source.endpoint or _aws_endpoint(source.region)
    scheme, host, port, base = split_endpoint(endpoint)
    policy.refuse_host(host)
    virtual = not (source.force_path_style or _needs_path_style(source.bucket, host))
    name = f"[{host}]" if ":" in host else host
    if virtual:
        name = f"{source.bucket}.{name}"
        # The bucket's name may complete the host's to a forbidden one.
        policy.refuse_host(name)
    default_port = 443 if scheme == "https" else 80
    authority = name if port in (None, default_port) else f"{name}:{port}"
    path = base if virtual else f"{base}/{quote(source.bucket, safe='')}"
    return Address(source.bucket, source.region, endpoint, f"{scheme}://{authority}", authority, path, virtual)


def _aws_endpoint(region: str) -> str:
    suffix = next((suffix for start, suffix in _DNS_SUFFIXES if region.startswith(start)), "amazonaws.com")
    return f"https://s3.{region}.{suffix}"


def _needs_path_style(bucket: str, host: str) -> bool:
    """Tell whether ``bucket.host`` cannot be a DNS name or cannot match a wildcard certificate."""
    return not _VIRTUAL_BUCKET.fullmatch(bucket) or "." not in host.rstrip(".") or parse_ip(host) is not None

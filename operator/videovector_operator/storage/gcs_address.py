"""Where a Cloud Storage bucket answers, and how its objects are named on the wire. Pure; no request is made here."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from videovector_operator.errors import Invalid
from videovector_operator.storage.endpoint import split_endpoint
from videovector_operator.storage.endpoint_policy import EndpointPolicy, parse_ip
from videovector_operator.storage.object_key import refuse_bad_key
from videovector_operator.storage.port import GcsSource
from videovector_operator.storage.transport import Place

GOOGLE = "https://storage.googleapis.com"
_API = "/storage/v1"
_DNS_HINT = "Check the endpoint; in a private network, check that storage.googleapis.com resolves there"


@dataclass(frozen=True, slots=True)
class Address:
    """One bucket's server. ``origin`` + ``base`` (encoded, no slash at its end) is what the API's paths are relative to.

    ``is_google``: it is Google's, proven by TLS, so that tokens of the environment may be shown to it.
    """

    bucket: str
    endpoint: str
    origin: str
    host: str
    base: str
    is_google: bool
    is_loopback: bool

    @property
    def place(self) -> Place:
        """The same, for `exchange`."""
        return Place(
            label=f"bucket '{self.bucket}'",
            endpoint=self.endpoint,
            origin=self.origin,
            host=self.host,
            server="Cloud Storage's",
            dns_hint=_DNS_HINT,
        )


def build_address(source: GcsSource, policy: EndpointPolicy) -> Address:
    """Decide where the bucket answers. Raises Invalid when the endpoint is malformed or not allowed."""
    endpoint = source.endpoint or GOOGLE
    split = split_endpoint(endpoint)
    policy.refuse_host(split.host)
    name = split.host.rstrip(".").lower()
    literal = parse_ip(name)
    return Address(
        bucket=source.bucket,
        endpoint=endpoint,
        origin=f"{split.scheme}://{split.authority}",
        host=split.authority,
        # Clients of Google's are given the API's root, people copy it: both are understood.
        base=split.path.removesuffix(_API),
        is_google=split.scheme == "https" and name.endswith(".googleapis.com"),
        is_loopback=name == "localhost" or (literal is not None and literal.is_loopback),
    )


def refuse_showing_tokens(address: Address, policy: EndpointPolicy) -> None:
    """Raise Invalid for servers that must not see the environment's tokens: who has one may use it anywhere else.

    Whoever may write a Connector could otherwise have the pods' identity sent to a server of their own. Loopback is for
    tests, where the operator's settings allow it.
    """
    if not address.is_google and not (address.is_loopback and policy.allow_loopback):
        raise Invalid(
            f"The endpoint {address.endpoint} is not Google's (https, below googleapis.com), so the pods' own identity is not "
            "shown to it. Name a Secret with credentials.json in credentialsSecretRef, or leave the endpoint out"
        )


def objects_path(bucket: str) -> str:
    """Path of a bucket's objects: to list them."""
    return f"{_API}/b/{quote(bucket, safe='')}/o"


def upload_path(bucket: str) -> str:
    """Path that takes uploads into a bucket."""
    return f"/upload{objects_path(bucket)}"


def object_path(bucket: str, key: str) -> str:
    """Path of one object. Raises Invalid for names that no Cloud Storage object can have."""
    refuse_bad_key(key)
    if key in (".", "..") or "\r" in key or "\n" in key:
        # "." and ".." would be read as steps in the path, by whoever is on the way.
        raise Invalid(
            f"Cloud Storage has no object named {key!r}: '.', '..' and names with line breaks are not allowed"
        )
    return f"{objects_path(bucket)}/{quote(key, safe='')}"

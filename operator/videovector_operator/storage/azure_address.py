"""Where an Azure container answers, and how its blobs are named on the wire. Pure; no request is made here.

Names that Azure would turn into other names are refused: it resolves "." and ".." segments, takes a backslash for a slash, and drops
dots at the end of a segment. What lies below a prefix stays below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from videovector_operator.errors import Invalid
from videovector_operator.storage.endpoint import split_endpoint
from videovector_operator.storage.endpoint_policy import EndpointPolicy, parse_ip
from videovector_operator.storage.object_key import refuse_bad_prefix
from videovector_operator.storage.port import AzureSource
from videovector_operator.storage.transport import Place

_AZURE_SUFFIXES = (
    ".blob.core.windows.net",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
    ".blob.storage.azure.net",
)
"""Public cloud, US government, China, and public cloud with DNS zones."""
_LONGEST_NAME = 1024
_SHOWN = 64


@dataclass(frozen=True, slots=True)
class Address:
    """One container's place. ``origin`` + ``base`` (encoded, no slash at its end) is the account's blob service.

    ``is_azure``: it is Microsoft's, proven by TLS, so that tokens of the environment may be shown to it.
    """

    account: str
    container: str
    endpoint: str
    origin: str
    host: str
    base: str
    is_azure: bool
    is_loopback: bool

    @property
    def label(self) -> str:
        """The container, for people."""
        return f"container '{self.container}'"

    @property
    def is_tls(self) -> bool:
        """Whether requests are encrypted."""
        return self.origin.startswith("https:")

    @property
    def container_path(self) -> str:
        """The container, relative to the account."""
        return f"/{quote(self.container, safe='$')}"

    @property
    def place(self) -> Place:
        """The same, for `exchange`."""
        return Place(
            label=self.label,
            endpoint=self.endpoint,
            origin=self.origin,
            host=self.host,
            server="Azure Blob Storage's",
            dns_hint=f"Check storageAccount: is there an account named '{self.account}'? Its endpoint may also be private",
        )

    def blob_path(self, key: str, container: str | None = None) -> str:
        """Encode a blob's name for the request line, relative to the account. Raises Invalid for names that no blob can have."""
        refuse_bad_name(key)
        place = self.container_path if container is None else f"/{quote(container, safe='$')}"
        return f"{place}/{quote(key, safe='/')}"


def build_address(source: AzureSource, policy: EndpointPolicy) -> Address:
    """Decide where the account answers. Raises Invalid when the endpoint is malformed or not allowed."""
    endpoint = source.endpoint or f"https://{source.storage_account}.blob.core.windows.net"
    split = split_endpoint(endpoint)
    policy.refuse_host(split.host)
    name = split.host.rstrip(".").lower()
    literal = parse_ip(name)
    return Address(
        account=source.storage_account,
        container=source.container,
        endpoint=endpoint,
        origin=f"{split.scheme}://{split.authority}",
        host=split.authority,
        base=split.path,
        is_azure=split.scheme == "https" and name.endswith(_AZURE_SUFFIXES),
        is_loopback=name == "localhost" or (literal is not None and literal.is_loopback),
    )


def refuse_showing_tokens(address: Address, policy: EndpointPolicy, *, ambient: bool) -> None:
    """Raise Invalid for servers that must not see a token: plain HTTP never, and the environment's only Azure itself.

    Whoever may write a Connector could otherwise have the pods' identity sent to a server of their own. Loopback is for
    tests, where the operator's settings allow it.
    """
    if not address.is_tls:
        raise Invalid(
            f"The endpoint {address.endpoint} is not https, so no token of Entra ID is shown to it. Use https, or an account "
            "key (accountKey in the Secret)"
        )
    if ambient and not address.is_azure and not (address.is_loopback and policy.allow_loopback):
        raise Invalid(
            f"The endpoint {address.endpoint} is not Azure's (https, below blob.core.windows.net), so the pods' own identity is "
            "not shown to it. Name a Secret with clientSecret, accountKey or sasToken in credentialsSecretRef, or leave the "
            "endpoint out"
        )


def refuse_bad_name(key: str) -> None:
    """Raise Invalid for names that no blob can have, or that Azure would take for another name."""
    shown = f"{key[:_SHOWN]!r}{'…' if len(key) > _SHOWN else ''}"
    if not key:
        raise Invalid("A blob's name must have 1 to 1024 characters; this one is empty")
    if not _is_text(key):
        raise Invalid(f"The blob name {shown} is not valid Unicode text: it holds half of a pair")
    if _count_units(key) > _LONGEST_NAME:
        raise Invalid(f"A blob's name may have at most {_LONGEST_NAME} characters; {shown} has more")
    if "\\" in key:
        raise Invalid(f"Azure has no blob named {shown}: it takes a backslash for a slash")
    if any(segment in (".", "..") for segment in key.split("/")):
        raise Invalid(f"Azure has no blob named {shown}: it resolves '.' and '..' between slashes")


def refuse_lossy_name(key: str) -> None:
    """Raise Invalid for names that a blob can have been given somehow, but that Azure does not store as they are."""
    refuse_bad_name(key)
    shown = f"{key[:_SHOWN]!r}{'…' if len(key) > _SHOWN else ''}"
    if any(segment.endswith(".") for segment in key.split("/")):
        raise Invalid(f"No blob can be stored as {shown}: Azure drops dots at the end of a name or before a slash")
    if any(ord(char) < 32 or 127 <= ord(char) < 160 or ord(char) in (0xFFFE, 0xFFFF) for char in key):
        raise Invalid(f"No blob can be stored as {shown}: Azure does not allow control characters in names")


def refuse_bad_list_prefix(prefix: str) -> None:
    """Raise Invalid for texts that no blob's name can begin with; a prefix is text, never a path."""
    if len(prefix) > _LONGEST_NAME:
        raise Invalid(f"A prefix may have at most {_LONGEST_NAME} characters; {prefix[:_SHOWN]!r}… has {len(prefix)}")
    if not _is_text(prefix):
        refuse_bad_prefix(prefix)


def _is_text(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _count_units(text: str) -> int:
    """Count as Azure does: characters beyond the basic plane are two."""
    return len(text) + sum(char > "\uffff" for char in text)

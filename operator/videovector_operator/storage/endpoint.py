"""Takes a user-given endpoint URL apart, the same for every provider. Pure; whether it may be dialled is `endpoint_policy`'s."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from videovector_operator.errors import Invalid

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_ODD = re.compile(r"[\s\x00-\x1f\x7f\\]")
_LONGEST = 512
_EXAMPLE = "https://minio.example.com:9000"


class Endpoint(NamedTuple):
    """``path`` is encoded and has no slash at its end; ``port`` None = the scheme's own."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header wants them; the scheme's own port is left out."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port in (None, 443 if self.scheme == "https" else 80) else f"{name}:{self.port}"


def split_endpoint(endpoint: str) -> Endpoint:
    """Take scheme, host, port and base path out of ``endpoint``; its text may hold a password, so it is not repeated.

    Raises Invalid.
    """
    try:
        parts = urlsplit(endpoint[: _LONGEST + 1])
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Invalid(f"The endpoint is not a URL: write it like {_EXAMPLE}") from None
    if len(endpoint) > _LONGEST or parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise Invalid(
            f"The endpoint must be an http or https URL of at most {_LONGEST} characters, for instance {_EXAMPLE}"
        )
    # urlsplit drops some control characters by itself: the text as given is looked at.
    if "@" in parts.netloc or parts.query or parts.fragment or _ODD.search(endpoint):
        raise Invalid("The endpoint must hold only scheme, host, port and path: no user, password, query or fragment")
    segments = parts.path.rstrip("/").split("/")
    if any(segment in (".", "..") for segment in segments) or re.search(r"%(2e|2f|5c|00)", parts.path, re.IGNORECASE):
        raise Invalid("The endpoint's path must not hold '.' or '..' segments or encoded slashes: write it out")
    return Endpoint(parts.scheme, host, port, quote(parts.path.rstrip("/"), safe="/%"))

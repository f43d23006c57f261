"""Signed URLs (V4, RSA): who has one reads one object without credentials, for a time. Pure: signing is the caller's.

A test holds the result equal to that of Google's own client.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

from videovector_operator.storage.gcs_address import Address

_ALGORITHM = "GOOG4-RSA-SHA256"


class Unsigned(NamedTuple):
    """``message`` is what to sign; ``url`` lacks only the signature."""

    message: bytes
    url: str

    def complete(self, signature: bytes) -> str:
        """Add the signature; the result is a secret."""
        return f"{self.url}&X-Goog-Signature={signature.hex()}"


def prepare_url(address: Address, key: str, email: str, expires: timedelta, now: datetime) -> Unsigned:
    """Build the URL that reads ``key`` from ``now`` (UTC) on for ``expires``, on behalf of the account ``email``."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/auto/storage/goog4_request"
    # A base path is a proxy's business: Google, behind it, checks the path without.
    path = f"/{quote(address.bucket, safe='')}/{quote(key, safe='/')}"
    params = {
        "X-Goog-Algorithm": _ALGORITHM,
        "X-Goog-Credential": f"{email}/{scope}",
        "X-Goog-Date": stamp,
        "X-Goog-Expires": str(int(expires.total_seconds())),
        "X-Goog-SignedHeaders": "host",
    }
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in params.items())
    canonical = f"GET\n{path}\n{query}\nhost:{address.host}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return Unsigned(
        f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), f"{address.origin}{address.base}{path}?{query}"
    )

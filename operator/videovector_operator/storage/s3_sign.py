"""AWS Signature Version 4 for S3 requests: pure, and cheap enough to sign every ranged read.

Own code because it is on the hot path: botocore's signer costs more than the request itself.
A test holds it equal to botocore's. No I/O and no clock may enter; the time is an argument.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from videovector_operator.storage.port import StaticCredentials
from videovector_operator.storage.request import EMPTY_SHA256


def encode_key(key: str) -> str:
    """Percent-encode a raw key for a URL path, as the signature wants it: "/" and dots stay as they are."""
    return quote(key, safe="/")


def encode_query(params: Mapping[str, str]) -> str:
    """Build the canonical query string, which is also the one to send: sorted, each byte but the unreserved encoded."""
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in params.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def build_stamp(now: datetime) -> str:
    """Write a UTC time as AWS does (20260102T030405Z), six times faster than strftime."""
    return f"{now.isoformat()[:19].replace('-', '').replace(':', '')}Z"


class SignedParts(NamedTuple):
    """What is signed beside the headers; ``path`` and ``query`` as sent (see `encode_key`, `encode_query`)."""

    method: str
    path: str
    query: str = ""
    payload_sha256: str = EMPTY_SHA256


class Signer:
    """Signs requests for one region; the derived key is computed once a day and secret."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._key_of: tuple[str, str] = ("", "")
        self._key = b""

    def sign(
        self, parts: SignedParts, headers: Mapping[str, str], credentials: StaticCredentials, now: datetime
    ) -> dict[str, str]:
        """Return ``headers`` with the signing headers added.

        ``headers`` have lowercase names, include ``host``, and are all signed; ``now`` is UTC.
        """
        method, path, query, payload_sha256 = parts
        stamp = build_stamp(now)
        signed = {**headers, "x-amz-content-sha256": payload_sha256, "x-amz-date": stamp}
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        names = sorted(signed)
        lines = "".join([f"{name}:{' '.join(signed[name].split())}\n" for name in names])
        name_list = ";".join(names)
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{name_list}\n{payload_sha256}"
        day = stamp[:8]
        scope = f"{day}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        signature = self.sign_text(text, credentials, day)
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
            f"SignedHeaders={name_list}, Signature={signature}"
        )
        return signed

    def sign_text(self, text: str, credentials: StaticCredentials, day: str) -> str:
        """Return the signature of a string to sign; ``day`` is YYYYMMDD."""
        return hmac.digest(self._signing_key(credentials, day), text.encode(), "sha256").hex()

    def _signing_key(self, credentials: StaticCredentials, day: str) -> bytes:
        key_of = (credentials.secret_access_key, day)
        if key_of != self._key_of:
            key = f"AWS4{credentials.secret_access_key}".encode()
            for part in (day, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key_of, self._key = key_of, key
        return self._key

"""Presigned GET URLs by Signature Version 4 in the query. Pure; a test holds them equal to botocore's."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from videovector_operator.storage.port import StaticCredentials
from videovector_operator.storage.s3_address import Address
from videovector_operator.storage.s3_object import path_of
from videovector_operator.storage.s3_sign import Signer, build_stamp, encode_query


def presign_get(
    address: Address, key: str, credentials: StaticCredentials, *, expires: timedelta, now: datetime
) -> str:
    """Build a URL that reads ``key`` without credentials until ``now`` + ``expires``, or until temporary credentials end."""
    stamp = build_stamp(now)
    day = stamp[:8]
    scope = f"{day}/{address.region}/s3/aws4_request"
    path = f"{address.path}{path_of(key)}"
    params = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(int(expires.total_seconds())),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token:
        params["X-Amz-Security-Token"] = credentials.session_token
    query = encode_query(params)
    canonical = f"GET\n{path}\n{query}\nhost:{address.host}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signature = Signer(address.region).sign_text(f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}", credentials, day)
    return f"{address.origin}{path}?{query}&X-Amz-Signature={signature}"

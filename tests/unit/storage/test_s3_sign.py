"""Our signature equals botocore's, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.storage.port import StaticCredentials
from videovector_operator.storage.request import EMPTY_SHA256
from videovector_operator.storage.s3_sign import SignedParts, Signer, encode_key, encode_query

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
HOST = "bucket.s3.eu-central-1.amazonaws.com"


def sign_both(
    method: str, key: str, params: dict[str, str], extra: dict[str, str], token: str | None, body: bytes = b""
) -> tuple[str, str]:
    """Sign with botocore (which reads the clock), then with ours at the time that botocore took."""
    path, query = f"/{encode_key(key)}", encode_query(params)
    url = f"https://{HOST}{path}" + (f"?{query}" if query else "")
    theirs = AWSRequest(method, url, headers=extra, data=body or None)
    S3SigV4Auth(Credentials("AKIDEXAMPLE", "secret/key+x", token), "s3", "eu-central-1").add_auth(theirs)
    now = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    payload = theirs.headers["X-Amz-Content-SHA256"]
    ours = Signer("eu-central-1").sign(
        SignedParts(method, path, query, payload),
        {"host": HOST, **extra},
        StaticCredentials("AKIDEXAMPLE", "secret/key+x", token),
        now,
    )
    return ours["authorization"], theirs.headers["Authorization"]


@given(key=TEXT, token=st.none() | st.just("token=="))
def test_any_key(key: str, token: str | None) -> None:
    ours, theirs = sign_both("GET", key, {}, {"range": "bytes=0-65535", "if-match": '"e"'}, token)
    assert ours == theirs


@given(params=st.dictionaries(TEXT, TEXT, max_size=5))
def test_any_query(params: dict[str, str]) -> None:
    ours, theirs = sign_both("GET", "", params, {}, None)
    assert ours == theirs


@pytest.mark.parametrize(
    "key", ["a//b", "a/../b", "./a", "..", "a b", "a+b%20c", "é/ü~-_.", "?#&=", "/a/", "\x01\n", "!*'()"]
)
def test_odd_keys(key: str) -> None:
    ours, theirs = sign_both("HEAD", key, {}, {}, None)
    assert ours == theirs


def test_a_body() -> None:
    ours, theirs = sign_both("PUT", "a", {}, {}, None, b"content")
    assert ours == theirs


def test_the_derived_key_follows_day_and_secret() -> None:
    signer = Signer("us-east-1")
    parts = SignedParts("GET", "/a")
    days = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    for secret in ("one", "two", "one"):
        for day in (*days, days[0]):
            credentials = StaticCredentials("id", secret)
            fresh = Signer("us-east-1").sign(parts, {"host": "h"}, credentials, day)
            assert signer.sign(parts, {"host": "h"}, credentials, day) == fresh


def test_what_was_given_is_kept_and_everything_is_signed() -> None:
    signed = Signer("r").sign(
        SignedParts("GET", "/a"),
        {"host": "h", "range": "bytes=0-1"},
        StaticCredentials("id", "s", "t"),
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert signed["host"] == "h"
    assert signed["x-amz-content-sha256"] == EMPTY_SHA256
    assert "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date;x-amz-security-token," in signed["authorization"]

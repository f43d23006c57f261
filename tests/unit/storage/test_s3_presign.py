"""Our presigned URLs equal botocore's, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.port import S3Source, StaticCredentials
from videovector_operator.storage.s3_address import build_address
from videovector_operator.storage.s3_presign import presign_get
from videovector_operator.storage.s3_sign import encode_key

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


def presign_both(source: S3Source, key: str, token: str | None, seconds: int) -> tuple[str, str]:
    """Presign with botocore (which reads the clock), then with ours at the time that botocore took."""
    address = build_address(source, EndpointPolicy())
    theirs = AWSRequest("GET", f"{address.origin}{address.path}/{encode_key(key)}")
    credentials = Credentials("AKID/EXAMPLE", "secret/key+x", token)
    S3SigV4QueryAuth(credentials, "s3", source.region, expires=seconds).add_auth(theirs)
    stamp = parse_qs(urlsplit(theirs.url).query)["X-Amz-Date"][0]
    ours = presign_get(
        address,
        key,
        StaticCredentials("AKID/EXAMPLE", "secret/key+x", token),
        expires=timedelta(seconds=seconds),
        now=datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
    )
    return ours, theirs.url


def as_set(url: str) -> tuple[str, frozenset[str]]:
    """The order of a query's parameters has no meaning on the wire; each of them is compared as it stands."""
    place, query = url.split("?")
    return place, frozenset(query.split("&"))


SOURCES = {
    "Amazon S3": S3Source("media", "eu-central-1"),
    "path style, port and base path": S3Source("media", "us-east-1", "https://s3.example.com:9000/gate", True),
    "plain http": S3Source("my.media", "us-east-1", "http://10.0.0.8:9000"),
}


@pytest.mark.parametrize("name", SOURCES)
@given(key=TEXT, token=st.none() | st.just("token/+=="), seconds=st.integers(1, 604_800))
def test_any_key(name: str, key: str, token: str | None, seconds: int) -> None:
    ours, theirs = presign_both(SOURCES[name], key, token, seconds)
    assert as_set(ours) == as_set(theirs)


@pytest.mark.parametrize("key", ["a//b", "a/../b", "./a", "..", "a b", "a+b%20c", "é/ü~-_.", "?#&=", "/a/", "\x01\n"])
def test_odd_keys(key: str) -> None:
    ours, theirs = presign_both(SOURCES["Amazon S3"], key, "token", 60)
    assert as_set(ours) == as_set(theirs)

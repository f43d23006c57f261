"""Where a bucket is asked."""

from __future__ import annotations

import pytest

from videovector_operator.errors import Invalid
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.port import S3Source
from videovector_operator.storage.s3_address import build_address

LOCAL = EndpointPolicy(allow_loopback=True)

PLACES = {
    "Amazon S3": (("media", "eu-central-1"), "https://media.s3.eu-central-1.amazonaws.com", ""),
    "Amazon S3 in China": (("media", "cn-north-1"), "https://media.s3.cn-north-1.amazonaws.com.cn", ""),
    "Amazon S3, path style": (("media", "us-east-1", None, True), "https://s3.us-east-1.amazonaws.com", "/media"),
    "a dot breaks the wildcard certificate": (
        ("my.media", "us-east-1"),
        "https://s3.us-east-1.amazonaws.com",
        "/my.media",
    ),
    "capitals are no DNS name": (("Media", "us-east-1"), "https://s3.us-east-1.amazonaws.com", "/Media"),
    "a custom endpoint": (("media", "r", "https://s3.example.com"), "https://media.s3.example.com", ""),
    "port and base path": (
        ("media", "r", "https://s3.example.com:9000/gate/", True),
        "https://s3.example.com:9000",
        "/gate/media",
    ),
    "base path, virtual": (("media", "r", "http://s3.example.com/gate"), "http://media.s3.example.com", "/gate"),
    "an IPv4 address": (("media", "r", "http://127.0.0.1:9000"), "http://127.0.0.1:9000", "/media"),
    "an IPv6 address": (("media", "r", "http://[::1]:9000"), "http://[::1]:9000", "/media"),
    "a name without a domain": (("media", "r", "http://minio:9000"), "http://minio:9000", "/media"),
    "the default port is not repeated": (
        ("media", "r", "https://s3.example.com:443"),
        "https://media.s3.example.com",
        "",
    ),
    "another scheme's default port is": (
        ("media", "r", "http://s3.example.com:443"),
        "http://media.s3.example.com:443",
        "",
    ),
}


@pytest.mark.parametrize("case", PLACES)
def test_where_a_bucket_is(case: str) -> None:
    fields, origin, path = PLACES[case]
    address = build_address(S3Source(*fields), LOCAL)  # type: ignore[arg-type]  # rows of different lengths
    assert (address.origin, address.path) == (origin, path)
    assert address.host == origin.split("://")[1]
    assert address.virtual is (not path.endswith(str(fields[0])))


BAD = [
    "minio:9000",
    "ftp://s3.example.com",
    "https://",
    "https://s3.example.com?x=1",
    "https://s3.example.com#x",
    "https://s3.example.com:99999",
    "https://s3.exa mple.com",
    "https://[::1",
    "https://s3.example.com/\x00",
    "javascript:alert(1)",
    "http://[fe80::1%25eth0]",
]


@pytest.mark.parametrize("endpoint", BAD)
def test_what_is_no_endpoint(endpoint: str) -> None:
    with pytest.raises(Invalid, match="endpoint"):
        build_address(S3Source("media", "r", endpoint), LOCAL)


def test_a_password_in_the_endpoint_is_refused_and_not_repeated() -> None:
    with pytest.raises(Invalid) as refused:
        build_address(S3Source("media", "r", "https://user:hunter2@s3.example.com"), LOCAL)
    assert "hunter2" not in refused.value.message

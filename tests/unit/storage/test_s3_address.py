"""Where a bucket is asked, and which endpoints nobody may name."""

from __future__ import annotations

import pytest

from videovector_operator.errors import Invalid
from videovector_operator.storage.port import S3Source
from videovector_operator.storage.s3_address import build_address, refuse_metadata
from videovector_operator.storage.s3_transport import GuardedResolver

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
    address = build_address(S3Source(*fields))  # type: ignore[arg-type]  # rows of different lengths
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
        build_address(S3Source("media", "r", endpoint))


def test_a_password_in_the_endpoint_is_refused_and_not_repeated() -> None:
    with pytest.raises(Invalid) as refused:
        build_address(S3Source("media", "r", "https://user:hunter2@s3.example.com"))
    assert "hunter2" not in refused.value.message


METADATA = [
    "http://169.254.169.254",
    "http://169.254.170.2/path",
    "http://[fe80::1]",
    "http://[::ffff:169.254.169.254]",
    "http://[2002:a9fe:a9fe::1]",
    "http://[fd00:ec2::254]",
    "http://100.100.100.200",
    "http://metadata.google.internal",
    "http://METADATA.google.internal.",
    "http://metadata",
]


@pytest.mark.parametrize("endpoint", METADATA)
def test_metadata_endpoints_are_refused(endpoint: str) -> None:
    with pytest.raises(Invalid, match="metadata"):
        build_address(S3Source("media", "r", endpoint, force_path_style=True))


@pytest.mark.parametrize("host", ["169.254.169.254", "0xa9fea9fe", "2852039166", "169.254.43518"])
async def test_names_that_resolve_to_metadata_addresses_are_refused(host: str) -> None:
    resolver = GuardedResolver()
    with pytest.raises(Invalid, match="resolves to 169"):
        await resolver.resolve(host, 80)
    await resolver.close()


async def test_other_names_resolve() -> None:
    resolver = GuardedResolver()
    assert [each["host"] for each in await resolver.resolve("localhost", 80)] == ["127.0.0.1"]
    await resolver.close()


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "fd00:ec2::254"])
def test_dialled_metadata_addresses_are_refused(address: str) -> None:
    with pytest.raises(Invalid, match="resolves"):
        refuse_metadata(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.8", "192.168.1.1", "52.219.0.1", "fd12::1"])
def test_loopback_private_and_public_addresses_are_allowed(address: str) -> None:
    refuse_metadata(address)

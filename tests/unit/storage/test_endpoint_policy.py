"""Which addresses an endpoint may lead to, in every notation that a name service or a socket would understand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from videovector_operator.errors import Invalid
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.transport import GuardedResolver

STRICT = EndpointPolicy()
LOCAL = EndpointPolicy(allow_loopback=True)

METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "2852039166",
    "0xa9fea9fe",
    "0XA9FEA9FE",
    "025177524776",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.0376.43518",
    "169.254.43518",
    "169.16689662",
    "169.254.169.254.",
    "00000000251.0376.0251.0376",
    "fe80::1",
    "fe80::1%eth0",
    "fe80::1%25eth0",
    "[fe80::1]",
    "febf::1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "0:0:0:0:0:ffff:a9fe:a9fe",
    "::169.254.169.254",
    "::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2001:0:a9fe:a9fe::1",
    "2001:0:808:808:0:0:5601:5601",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd00:42::42",
    "fd00:0ec2:0:0:0:0:0:0254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "::ffff:100.100.100.200",
    "64:ff9b::168.63.129.16",
    "fd00:ec2::253",
    "fd00:c1::a9fe:a9fe",
    "fd00:a9fe:a9fe::1",
    "fd00:100::100:200",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:2:3:4:169.254.169.254",
    "::ffff:0:a9fe:a9fe",
    "::ffff:0:169.254.169.254",
    "2001:db8::5efe:a9fe:a9fe",
    "fd12::200:5efe:169.254.169.254",
]
NAMES = [
    "metadata",
    "METADATA",
    "metadata.",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "bucket.metadata.google.internal",
    "metadata.goog",
    "instance-data",
]
NOWHERE = [
    "0.0.0.0",
    "0",
    "0x0",
    "00",
    "0.0",
    "::",
    "::ffff:0.0.0.0",
    "64:ff9b::",
    "224.0.0.1",
    "239.255.255.255",
    "ff02::1",
    "::ffff:224.0.0.1",
    "255.255.255.255",
    "4294967295",
    "0xffffffff",
]
LOOPBACK = [
    "127.0.0.1",
    "127.8.8.8",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
    "2001:0:7f00:1:0:0:f5ff:fff7",
    "64:ff9b:1::7f00:1",
    "::ffff:0:127.0.0.1",
    "fd12::5efe:127.0.0.1",
]
ALLOWED = [
    "10.0.0.8",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "52.219.0.1",
    "167772168",
    "0x0a000008",
    "fd12::1",
    "2600:1f00::1",
    "::ffff:10.0.0.8",
    "64:ff9b::10.0.0.8",
    "64:ff9b:1::10.0.0.8",
    "fd12::5efe:10.0.0.8",
    "minio",
    "s3.example.com",
    "metadata.example.com",
    "localhost.example.com",
    "my-localhost",
]


@pytest.mark.parametrize("host", METADATA + NAMES)
@pytest.mark.parametrize("policy", [STRICT, LOCAL], ids=["strict", "loopback allowed"])
def test_metadata_and_link_local_hosts_are_always_refused(host: str, policy: EndpointPolicy) -> None:
    with pytest.raises(Invalid, match="metadata"):
        policy.refuse_host(host)


@pytest.mark.parametrize("host", NOWHERE)
@pytest.mark.parametrize("policy", [STRICT, LOCAL], ids=["strict", "loopback allowed"])
def test_addresses_that_are_no_servers_are_always_refused(host: str, policy: EndpointPolicy) -> None:
    with pytest.raises(Invalid, match=r"unspecified|multicast|broadcast"):
        policy.refuse_host(host)


@pytest.mark.parametrize("host", [*LOOPBACK, "localhost", "LOCALHOST.", "a.localhost", "a.b.localhost."])
def test_loopback_is_refused_unless_it_is_allowed(host: str) -> None:
    with pytest.raises(Invalid, match=r"loopback address.*settings"):
        STRICT.refuse_host(host)
    LOCAL.refuse_host(host)


@pytest.mark.parametrize("host", ALLOWED)
def test_private_and_public_hosts_are_allowed(host: str) -> None:
    STRICT.refuse_host(host)


@pytest.mark.parametrize("address", [*METADATA, *NOWHERE, *LOOPBACK, "not an address", "", "metadata", "1.2.3.4.5"])
def test_what_is_about_to_be_dialled_is_looked_at_again(address: str) -> None:
    with pytest.raises(Invalid, match="endpoint"):
        STRICT.refuse_address(address)


def test_digits_of_other_scripts_are_no_address_and_no_way_round() -> None:
    """getaddrinfo maps full-width digits to ASCII: what is dialled then is refused there."""
    for host in ("\uff11\uff16\uff19.254.169.254", "\u0661\u0666\u0669.254.169.254", "169\u3002254\u3002169\u3002254"):
        with pytest.raises(Invalid):
            STRICT.refuse_address(host)


class Names:
    """A name service that answers the same addresses for every name."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self.addresses


@pytest.mark.parametrize("address", [*METADATA[:3], "fe80::1", "::ffff:169.254.169.254", "127.0.0.1", "::1", "0.0.0.0"])
async def test_one_forbidden_address_of_a_name_is_enough(address: str) -> None:
    resolver = GuardedResolver(STRICT, Names("10.0.0.8", address))
    with pytest.raises(Invalid, match="leads to"):
        await resolver.resolve("s3.example.com", 80)


async def test_other_names_resolve() -> None:
    names = Names("10.0.0.8", "fd12::1")
    found = await GuardedResolver(STRICT, names).resolve("s3.example.com", 80)
    assert [(each["host"], each["port"], each["hostname"]) for each in found] == [
        ("10.0.0.8", 80, "s3.example.com"),
        ("fd12::1", 80, "s3.example.com"),
    ]
    assert names.asked == ["s3.example.com"]


@pytest.mark.parametrize("host", ["169.254.169.254", "0xa9fea9fe", "2852039166", "169.254.43518"])
async def test_the_systems_name_service_reads_numbers_and_is_checked(host: str) -> None:
    with pytest.raises(Invalid, match="leads to 169"):
        await GuardedResolver(LOCAL).resolve(host, 80)


async def test_localhost_resolves_when_it_is_allowed() -> None:
    assert [each["host"] for each in await GuardedResolver(LOCAL).resolve("localhost", 80)] == ["127.0.0.1"]
    with pytest.raises(Invalid, match="loopback"):
        await GuardedResolver(STRICT).resolve("localhost", 80)

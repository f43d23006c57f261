"""Where users' endpoints may lead, on the address that is really dialled: by name, by number, by redirect; and whose TLS is trusted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.contract.storage_faults import CALLS, CONTENT, PROVIDERS, open_at, proxied
from tests.contract.storage_servers import Bucket, Server
from tests.contract.storage_suite import objects_of
from tests.support.certificates import make_certificate, make_server_tls
from tests.support.local_storage import LOCAL
from tools.testservers.faultproxy import FaultProxy, redirecting
from videovector_operator.errors import Invalid, StorageError, Unavailable
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.port import Storage, StorageOptions

pytestmark = pytest.mark.contract

STRICT = StorageOptions()


class Names:
    """A name service that gives the next of its answers at every question, and then the last one again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Listener:
    """A port on loopback that counts who comes."""

    def __init__(self) -> None:
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        number: int = self._socket.getsockname()[1]
        return number

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        self._thread.start()
        yield self
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener().listening() as running:
        yield running


@pytest.fixture(params=PROVIDERS)
def place(request: pytest.FixtureRequest) -> Bucket:
    """A bucket with one object."""
    server: Server = request.getfixturevalue(request.param)
    bucket = server.new_bucket()
    bucket.put("a.bin", CONTENT)
    return bucket


@pytest.fixture
def proxy(place: Bucket) -> Iterator[FaultProxy]:
    with proxied(place) as running:
        yield running


async def refused_calls(storage: Storage) -> None:
    """Every call, over the session and over the lean pool, is Invalid because of the address."""
    for call in CALLS.values():
        with pytest.raises(Invalid, match="must not be used"):
            await call.make(storage)
    await storage.close()


FORBIDDEN = ["169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "0.0.0.0", "::", "224.0.0.1"]
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]


@pytest.mark.parametrize("address", [*FORBIDDEN, *LOOPBACK])
async def test_a_name_that_leads_to_a_forbidden_address_is_not_dialled(
    place: Bucket, listener: Listener, address: str
) -> None:
    names = Names(["10.1.2.3", address])
    options = replace(STRICT if address in LOOPBACK else LOCAL, names=names)
    await refused_calls(open_at(place, f"http://storage.example.internal:{listener.port}", options=options))
    assert listener.connections == 0
    assert set(names.asked) == {"storage.example.internal"}


@pytest.mark.parametrize("place", ["versitygw", "gcs"], indirect=True)
async def test_a_name_that_changes_its_mind_is_looked_at_each_time(place: Bucket, proxy: FaultProxy) -> None:
    """Both transports dial anew, and by then the name leads elsewhere. Azurite reads the account out of names: not here."""
    port = urlsplit(proxy.endpoint).port
    path = urlsplit(proxy.endpoint).path
    for first, second in (("list", "read"), ("read", "list")):
        names = Names(["127.0.0.1"], ["169.254.169.254"])
        storage = open_at(place, f"http://storage.example.internal:{port}{path}", options=replace(LOCAL, names=names))
        assert CALLS[first].is_done(place, await CALLS[first].make(storage))
        with pytest.raises(Invalid, match="metadata"):
            await CALLS[second].make(storage)
        await storage.close()


HOSTS = [
    *("169.254.169.254", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376"),
    *("169.254.43518", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[fe80::1]", "[fd00:ec2::254]"),
    *("[2002:a9fe:a9fe::]", "[64:ff9b::a9fe:a9fe]", "0", "0x0", "[::]", "224.0.0.1", "255.255.255.255"),
    *("metadata.google.internal", "METADATA.GOOGLE.INTERNAL.", "metadata", "100.100.100.200", "168.63.129.16"),
]
OWN = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "017700000001",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "localhost",
    "a.localhost",
]


@pytest.mark.parametrize("host", [*HOSTS, *OWN])
async def test_an_endpoint_that_is_a_forbidden_address_is_not_dialled(
    place: Bucket, listener: Listener, host: str
) -> None:
    options = STRICT if host in OWN else LOCAL
    await refused_calls(open_at(place, f"http://{host}:{listener.port}", options=options))
    assert listener.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(place: Bucket, proxy: FaultProxy, listener: Listener, status: int) -> None:
    """Loopback is allowed here: what is not dialled is not dialled because nothing follows redirects."""
    for location in (f"http://127.0.0.1:{listener.port}/", "http://169.254.169.254/latest/", "//127.0.0.1:1/", "/x"):
        storage = open_at(place, proxy.endpoint)
        proxy.clear()
        proxy.inject(redirecting(location, status), times=None)
        for call in CALLS.values():
            with pytest.raises(StorageError):
                await call.make(storage)
        await storage.close()
    assert listener.connections == 0
    assert {seen.fault for seen in proxy.requests()} == {f"answer {status}"}
    assert place.keys() == ["a.bin"]


async def check_both_transports(storage: Storage) -> None:
    assert [entry.key for entry in await objects_of(storage)] == ["a.bin"]
    assert await storage.read_range("a.bin", 0, 10) == CONTENT[:10]
    await storage.close()


async def test_a_server_is_trusted_by_the_bundle_alone(place: Bucket, tmp_path: Path) -> None:
    tls, certificate = make_server_tls(tmp_path, "127.0.0.1")
    bundle = certificate.read_text()
    with FaultProxy(upstream_of(place), tls=tls) as proxy:
        await check_both_transports(open_at(place, proxy.endpoint, ca_bundle=bundle))
        several = f"# another one, naïvely named\n{make_certificate('10.0.0.1')}\n{bundle}"
        await check_both_transports(open_at(place, proxy.endpoint, ca_bundle=several))
        proxy.forget()
        for wrong in (None, make_certificate()):
            storage = open_at(place, proxy.endpoint, ca_bundle=wrong)
            for name in ("list", "look up", "read", "write"):
                with pytest.raises(Invalid, match=r"certificate is not trusted.*caBundleRef"):
                    await CALLS[name].make(storage)
            await storage.close()
        assert proxy.requests() == []


async def test_a_certificate_for_another_host_is_not_trusted(place: Bucket, tmp_path: Path) -> None:
    tls, certificate = make_server_tls(tmp_path, "127.0.0.2")
    with FaultProxy(upstream_of(place), tls=tls) as proxy:
        storage = open_at(place, proxy.endpoint, ca_bundle=certificate.read_text())
        for name in ("list", "read"):
            with pytest.raises(Invalid, match="certificate is not trusted"):
                await CALLS[name].make(storage)
        await storage.close()
        assert proxy.requests() == []


BROKEN = {
    "nothing": "",
    "not PEM": "hello",
    "no certificate inside": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "cut off": make_certificate()[:200],
    "not ASCII": "-----BEGIN CERTIFICATE-----\né\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_broken_bundle_is_for_the_user_to_repair(place: Bucket, listener: Listener, case: str) -> None:
    storage = open_at(place, f"https://127.0.0.1:{listener.port}", ca_bundle=BROKEN[case])
    for name in ("list", "read"):
        with pytest.raises(Invalid, match="caBundleRef"):
            await CALLS[name].make(storage)
    await storage.close()
    assert listener.connections == 0


async def test_https_to_a_server_that_speaks_plain_http(place: Bucket) -> None:
    storage = open_at(place, upstream_of(place).replace("http:", "https:"))
    for name in ("list", "read"):
        with pytest.raises(Unavailable, match="https"):
            await CALLS[name].make(storage)
    await storage.close()


def upstream_of(place: Bucket) -> str:
    endpoint: str = place.server.endpoint  # type: ignore[attr-defined]  # every real server's bucket has it
    return endpoint


def test_the_policy_refuses_loopback_unless_told() -> None:
    assert not EndpointPolicy().allow_loopback
    assert not StorageOptions().endpoints.allow_loopback

"""TLS of the API: its own certificate, one of yours, and a client CA that may change, be missing or be broken."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from structlog.testing import capture_logs

from tests.support.api_desk import BROWSE, Desk
from tests.support.certificates import make_server_tls
from tests.support.client_certificates import Authority
from tests.support.samples import NOW, FrozenClock
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.errors import ClusterError
from videovector_operator.operator_api.tls import build_server_tls, make_certificate
from videovector_operator.operator_api.trust import TrustReader


async def presented(port: int) -> x509.Certificate:
    """The server's certificate."""
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    return x509.load_pem_x509_certificate(pem.encode())


async def lets_in(desk: Desk, authority: Authority, user: str = "ann") -> bool:
    try:
        reply = await desk.ask(BROWSE, token=None, identity=authority.issue(user))
    except (aiohttp.ClientError, ConnectionError):
        return False
    return reply.status == 200


async def wait_for_ca(desk: Desk, authority: Authority) -> None:
    async with asyncio.timeout(10):
        while not await lets_in(desk, authority):
            await asyncio.sleep(0.02)


def test_the_made_certificate_is_good_now_and_its_key_is_encrypted() -> None:
    made = make_certificate(NOW)
    certificate = x509.load_pem_x509_certificate(made.chain)
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc
    names = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert isinstance(names, x509.SubjectAlternativeName)
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert b"ENCRYPTED" in made.key
    assert make_certificate(NOW).key != made.key


def test_nothing_of_the_key_stays_on_disk(tmp_path: Path) -> None:
    build_server_tls(make_certificate(NOW), None, workspace=tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_old_tls_is_refused(desk: Desk) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", desk.port, ssl=context)


async def test_a_changed_client_ca_is_taken_into_use(authority: Authority, tmp_path: Path) -> None:
    newer = Authority(tmp_path, "newer-ca")
    async with Desk(authority, reread_seconds=0.02).serving() as desk:
        before = await presented(desk.port)
        assert (await lets_in(desk, authority), await lets_in(desk, newer)) == (True, False)
        desk.publish_ca(authority.pem + newer.pem)
        await wait_for_ca(desk, newer)
        assert await lets_in(desk, authority)
        desk.publish_ca(newer.pem)
        async with asyncio.timeout(10):
            while await lets_in(desk, authority):
                await asyncio.sleep(0.02)
        assert await lets_in(desk, newer)
        assert await presented(desk.port) == before


async def test_a_request_outlives_a_change_of_the_ca(authority: Authority, tmp_path: Path) -> None:
    newer = Authority(tmp_path, "newer-ca")
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    identity = authority.issue("ann")
    tls.load_cert_chain(identity.certificate, identity.key)
    async with (
        Desk(authority, reread_seconds=0.02).serving() as desk,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=1)) as session,
    ):
        url = f"https://127.0.0.1:{desk.port}{BROWSE}"
        async with session.get(url) as answer:
            assert answer.status == 200
        desk.publish_ca(authority.pem + newer.pem)
        await wait_for_ca(desk, newer)
        async with session.get(url) as answer:
            assert answer.status == 200


BROKEN = {
    "no PEM": "certainly no certificate",
    "half of one": "-----BEGIN CERTIFICATE-----\nMIIB\n",
    "none": None,
    "": "",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_without_a_usable_ca_tokens_still_work(authority: Authority, name: str) -> None:
    desk = Desk(authority)
    desk.publish_ca(BROKEN[name])
    async with desk.serving():
        assert (await desk.ask(BROWSE)).status == 200
        # A certificate is not asked for then, so it is as good as none.
        reply = await desk.ask(BROWSE, token=None, identity=authority.issue("ann"))
        assert reply.status == 401
        assert "this operator accepts no client certificates" in reply.message


async def test_a_ca_that_breaks_later_leaves_the_last_one_in_force(authority: Authority) -> None:
    async with Desk(authority, reread_seconds=0.02).serving() as desk:
        with capture_logs() as logs:
            desk.publish_ca("broken")
            async with asyncio.timeout(10):
                while not any("cannot be used" in log["event"] for log in logs):
                    await asyncio.sleep(0.02)
        assert await lets_in(desk, authority)


async def test_a_right_that_is_missing_is_said_and_stops_nothing(authority: Authority) -> None:
    cluster = FakeCluster()
    cluster.fail("get", ClusterError("configmaps is forbidden", 403), kind="ConfigMap", times=None)
    reader = TrustReader(cluster, FrozenClock(), directory=None, client_certificates=True)
    with capture_logs() as logs:
        assert (await reader.read()).client_ca is None
    assert logs[0]["error"] == "configmaps is forbidden"


async def test_client_certificates_can_be_left_out(authority: Authority) -> None:
    cluster = FakeCluster()
    reader = TrustReader(cluster, FrozenClock(), directory=None, client_certificates=False)
    assert (await reader.read()).client_ca is None
    assert cluster.calls == []


async def test_a_certificate_of_yours_is_shown_and_renewed(authority: Authority, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()

    def put() -> x509.Certificate:
        make_server_tls(given, "127.0.0.1")
        (given / "server.key").replace(given / "tls.key")
        (given / "server.crt").replace(given / "tls.crt")
        return x509.load_pem_x509_certificate((given / "tls.crt").read_bytes())

    first = put()
    async with Desk(authority, tls_directory=given, reread_seconds=0.02).serving() as desk:
        assert await presented(desk.port) == first
        second = put()
        async with asyncio.timeout(10):
            while await presented(desk.port) != second:
                await asyncio.sleep(0.02)
        (given / "tls.key").unlink()
        assert await presented(desk.port) == second
        assert (await desk.ask(BROWSE)).status == 200


async def test_a_certificate_that_was_never_there_ends_the_part(tmp_path: Path) -> None:
    reader = TrustReader(FakeCluster(), FrozenClock(), directory=tmp_path, client_certificates=False)
    with pytest.raises(FileNotFoundError):
        await reader.read()

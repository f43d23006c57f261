"""The fault proxy: what passes untouched, each fault as a client meets it, and the record of requests.

The server behind it is a scripted one, which shows what arrived on the wire.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.support.stub_server import Answer, StubServer, answer
from tools.testservers import VersityGateway
from tools.testservers.certificates import CertificateAuthority
from tools.testservers.clients import s3_client
from tools.testservers.faultproxy import (
    Effect,
    FaultProxy,
    FaultProxyServer,
    answering,
    breaking_body,
    breaking_upload,
    delaying,
    flipping,
    flipping_head,
    flipping_upload,
    hanging,
    redirecting,
    refusing_azure,
    refusing_gcs,
    refusing_s3,
    resetting,
    truncating,
)

pytestmark = pytest.mark.contract

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"


@asynccontextmanager
async def proxied(*script: Answer) -> AsyncIterator[tuple[FaultProxy, StubServer]]:
    async with StubServer(script or (answer(200, b"hello world"),)) as stub:
        with FaultProxy(stub.endpoint) as proxy:
            yield proxy, stub


@asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


async def get(proxy: FaultProxy, target: str = "/") -> tuple[int, bytes]:
    async with client() as session, session.get(URL(f"{proxy.endpoint}{target}", encoded=True)) as reply:
        return reply.status, await reply.read()


async def until(wanted: Callable[[], bool]) -> None:
    """Wait until something has come through."""
    async with asyncio.timeout(8):  # less than a client waits for its answer
        while not wanted():
            await asyncio.sleep(0.01)


async def cancelled(*tasks: asyncio.Task[tuple[int, bytes]]) -> None:
    """Nobody waits for these answers any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def wire(proxy: FaultProxy, raw: bytes) -> bytes:
    """Send bytes and read to the connection's end."""
    address = URL(proxy.endpoint)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(raw)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


TARGETS = ("//b", "/a/../b", "/a/./b", "/%2e%2e/b", "/a%2Fb%41", "/a'(é".encode().decode("latin-1"), "/x?a=+%20&b")


async def test_heads_pass_byte_for_byte() -> None:
    async with proxied() as (proxy, stub):
        for target in TARGETS:
            head = (
                f"GET {target} HTTP/1.1\r\nHost: signed.example\r\nX-Odd:   two  blanks \r\nConnection: close\r\n\r\n"
            )
            assert (await wire(proxy, head.encode("latin-1"))).endswith(b"hello world")
    assert [seen.target for seen in stub.seen] == list(TARGETS)
    assert {seen.headers["host"] for seen in stub.seen} == {"signed.example"}
    assert {seen.headers["x-odd"] for seen in stub.seen} == {"  two  blanks "}


async def test_bodies_pass_in_every_framing() -> None:
    until_end = Answer(b"HTTP/1.1 200 OK\r\n\r\nno length", "close")
    async with proxied(answer(200, b"12345"), Answer(CHUNKED), until_end) as (proxy, _):
        assert [(await get(proxy))[1] for _ in range(3)] == [b"12345", b"hello world", b"no length"]


async def test_connections_are_kept_on_both_sides() -> None:
    async with proxied() as (proxy, _), client() as session:
        for _ in range(5):
            async with session.get(proxy.endpoint) as reply:
                assert await reply.read() == b"hello world"
        assert session.connector is not None
        assert len(proxy.requests()) == 5


@pytest.mark.parametrize("status", [401, 403, 412, 429, 503])
async def test_an_answer_in_the_servers_place(status: int) -> None:
    async with proxied() as (proxy, stub):
        proxy.inject(answering(status, b"no", {"Retry-After": "7"}), times=2)
        async with client() as session:
            for _ in range(2):
                async with session.get(proxy.endpoint) as reply:
                    assert (reply.status, reply.headers["Retry-After"], await reply.read()) == (status, "7", b"no")
        assert (await get(proxy))[0] == 200
        assert len(stub.seen) == 1
        assert [seen.status for seen in proxy.requests()] == [status, status, 200]
        assert [seen.fault for seen in proxy.requests()] == [f"answer {status}", f"answer {status}", ""]


@pytest.mark.parametrize("effect", [answering(503), resetting()], ids=lambda effect: effect.name)
async def test_a_fault_may_come_after_the_server_has_done_it(effect: Effect) -> None:
    done = resetting(forward=True) if effect.broken else answering(503, forward=True)
    for each, reached in ((effect, 0), (done, 1)):
        async with proxied() as (proxy, stub):
            proxy.inject(each)
            async with client() as session:
                try:
                    async with session.post(proxy.endpoint, data=b"x") as reply:
                        assert reply.status == 503
                except aiohttp.ClientOSError:
                    assert effect.broken
            assert len(stub.seen) == reached


async def test_errors_in_each_providers_words() -> None:
    async with proxied() as (proxy, _), client() as session:
        proxy.inject(refusing_s3(200, "InternalError"))
        proxy.inject(refusing_gcs(429, "rateLimitExceeded", {"Retry-After": "1"}))
        proxy.inject(refusing_azure(503, "ServerBusy"))
        async with session.get(proxy.endpoint) as reply:
            assert (reply.status, reply.content_type) == (200, "application/xml")
            assert "<Code>InternalError</Code>" in await reply.text()
        async with session.get(proxy.endpoint) as reply:
            assert reply.headers["Retry-After"] == "1"
            assert (await reply.json())["error"]["errors"][0]["reason"] == "rateLimitExceeded"
        async with session.get(proxy.endpoint) as reply:
            assert (reply.status, reply.headers["x-ms-error-code"]) == (503, "ServerBusy")


async def test_a_redirect() -> None:
    async with proxied() as (proxy, _), StubServer([answer(200, b"there")]) as other:
        proxy.inject(redirecting(f"{other.endpoint}/x"))
        assert await get(proxy) == (200, b"there")
        assert [seen.target for seen in other.seen] == ["/x"]


async def test_a_delay_holds_only_its_own_request_back() -> None:
    async with proxied() as (proxy, _):
        proxy.inject(delaying(0.3), target="late")
        proxy.inject(delaying(60), target="slow")
        begun = time.monotonic()
        assert (await get(proxy, "/late"))[0] == 200
        assert time.monotonic() - begun >= 0.3
        slow = asyncio.create_task(get(proxy, "/slow"))
        await until(lambda: bool(proxy.requests(target="slow")))
        assert (await get(proxy, "/quick"))[0] == 200
        assert not slow.done()
        await cancelled(slow)


@pytest.mark.parametrize("forward", [False, True])
async def test_a_hanging_answer_ends_with_the_clients_patience(forward: bool) -> None:
    async with proxied() as (proxy, stub):
        proxy.inject(hanging(forward=forward))
        hung = asyncio.create_task(get(proxy))
        await until(lambda: bool(stub.seen if forward else proxy.requests()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hung, 0.3)
        assert len(stub.seen) == int(forward)
        assert (await get(proxy))[0] == 200


@pytest.mark.parametrize("at", [0, 4])
@pytest.mark.parametrize("script", [answer(200, b"hello world"), Answer(CHUNKED)], ids=["length", "chunked"])
async def test_a_body_is_cut_off_short_of_its_promise(at: int, script: Answer) -> None:
    async with proxied(script) as (proxy, _), client() as session:
        proxy.inject(truncating(at))
        async with session.get(proxy.endpoint) as reply:
            assert reply.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await reply.read()
        assert proxy.requests()[0].sent == at
        proxy.inject(breaking_body(at))
        async with session.get(proxy.endpoint) as reply:
            with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
                await reply.read()


async def test_a_truncated_chunk_is_cut_in_its_middle() -> None:
    async with proxied(Answer(CHUNKED)) as (proxy, _):
        proxy.inject(truncating(3))
        raw = await wire(proxy, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.endswith(b"\r\n\r\n5\r\nhel")


@pytest.mark.parametrize("script", [answer(200, b"hello world"), Answer(CHUNKED)], ids=["length", "chunked"])
async def test_a_flipped_byte_changes_content_and_nothing_else(script: Answer) -> None:
    async with proxied(script) as (proxy, _):
        proxy.inject(flipping(6))
        assert await get(proxy) == (200, b"hello vorld")
        assert await get(proxy) == (200, b"hello world")


async def test_a_byte_of_the_head_may_be_flipped() -> None:
    async with proxied() as (proxy, _):
        proxy.inject(flipping_head(len("HTTP/1.1 20")))
        proxy.inject(flipping_head(10_000))
        assert [await get(proxy) for _ in range(3)] == [(201, b"hello world")] + [(200, b"hello world")] * 2
        first, *others = proxy.requests()
        assert {seen.head for seen in others} == {first.head}
        assert first.head > len("HTTP/1.1 200 OK\r\n\r\n")


async def test_faults_choose_by_method_target_number_and_order() -> None:
    async with proxied() as (proxy, _), client() as session:
        proxy.inject(answering(503), methods="PUT|POST", target=r"^/media/.*\?partNumber=2", skip=1)
        proxy.inject(answering(500), methods="DELETE", times=None)

        async def status(method: str, target: str) -> int:
            async with session.request(method, f"{proxy.endpoint}{target}") as reply:
                return reply.status

        calls = [("PUT", "/media/a?partNumber=1"), ("GET", "/media/a?partNumber=2"), ("PUT", "/other?partNumber=2")]
        calls += [("PUT", "/media/a?partNumber=2")] * 3 + [("DELETE", "/x")] * 3
        assert [await status(*call) for call in calls] == [200, 200, 200, 200, 503, 200, 500, 500, 500]
        proxy.clear()
        assert await status("DELETE", "/x") == 200
        assert len(proxy.requests(methods="DELETE")) == 4
        assert len(proxy.requests(target="partNumber=2$")) == 5


async def test_the_record_holds_no_credentials() -> None:
    async with proxied() as (proxy, stub), client() as session:
        headers = {"Authorization": "Bearer very-secret", "X-Amz-Security-Token": "very-secret", "Range": "bytes=0-1"}
        async with session.get(f"{proxy.endpoint}/a", headers=headers):
            pass
        assert stub.seen[0].headers["authorization"] == "Bearer very-secret"
        (seen,) = proxy.requests()
        assert (seen.method, seen.target, seen.headers["range"]) == ("GET", "/a", "bytes=0-1")
        assert "very-secret" not in json.dumps(seen.headers)
        proxy.forget()
        assert proxy.requests() == []


async def test_the_record_measures_rate_and_concurrency() -> None:
    async with proxied() as (proxy, _):
        proxy.inject(delaying(60), target="together", times=None)
        together = [asyncio.create_task(get(proxy, "/together")) for _ in range(8)]
        await until(lambda: proxy.most_at_once >= 8)
        assert proxy.most_at_once == 8
        await cancelled(*together)
        assert proxy.peak_rate(60.0) == pytest.approx(8 / 60)
        assert proxy.peak_rate(0.2) <= 8 / 0.2


async def test_a_dead_server_is_a_closed_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
        closed = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
        with FaultProxy(dead) as proxy, pytest.raises(closed):
            await get(proxy)


@pytest.fixture(scope="module")
def gateway() -> Iterator[VersityGateway]:
    with VersityGateway(f"contract-proxied-s3-{os.getpid()}") as running:
        s3_client(running).create_bucket(Bucket="media")
        yield running


def test_signed_requests_pass_and_large_bodies_stream(gateway: VersityGateway) -> None:
    data = os.urandom(48 * 1024 * 1024)
    with FaultProxy(gateway.endpoint) as proxy:
        through = s3_client(gateway, endpoint=proxy.endpoint)
        through.put_object(Bucket="media", Key="a b+%41/é.bin", Body=data)
        read = through.get_object(Bucket="media", Key="a b+%41/é.bin")["Body"].read()
        assert hashlib.sha256(read).digest() == hashlib.sha256(data).digest()
        put, got = proxy.requests()
        assert (put.received >= len(data), got.sent) == (True, len(data))
        assert put.headers.get("expect") == "100-continue"


def test_a_spoilt_upload_is_the_servers_to_notice(gateway: VersityGateway) -> None:
    with FaultProxy(gateway.endpoint) as proxy:
        through = s3_client(gateway, endpoint=proxy.endpoint)
        proxy.inject(flipping_upload(70_000), methods="PUT")
        with pytest.raises(through.exceptions.ClientError, match=r"BadDigest|XAmzContentSHA256Mismatch|checksum"):
            through.put_object(Bucket="media", Key="spoilt", Body=bytes(100_000))
        proxy.inject(breaking_upload(50_000), methods="PUT")
        with pytest.raises(Exception, match=r"(?i)connection"):
            through.put_object(Bucket="media", Key="spoilt", Body=bytes(100_000))
        assert "Contents" not in s3_client(gateway).list_objects_v2(Bucket="media", Prefix="spoilt")


def test_https_on_both_sides(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.issue("proxy"))
    trust = ssl.create_default_context(cafile=str(authority.certificate))

    async def scenario() -> None:
        async with StubServer([answer(200, b"hello")], tls) as stub:
            with FaultProxy(stub.endpoint, tls=tls, trust=trust) as proxy:
                assert proxy.endpoint.startswith("https://127.0.0.1:")
                async with client() as session, session.get(proxy.endpoint, ssl=trust) as reply:
                    assert await reply.read() == b"hello"

    asyncio.run(scenario())


async def test_the_same_as_a_process() -> None:
    async with StubServer([answer(200, b"hello world")]) as stub:
        server = FaultProxyServer(stub.endpoint, f"contract-faults-{os.getpid()}", tls=True)
        with await asyncio.to_thread(server.start):
            trust = ssl.create_default_context(cafile=str(server.authority.certificate))
            server.inject(refusing_s3(503, "SlowDown", {"Retry-After": "2"}), methods="GET", times=1)
            server.inject(flipping(6), methods="GET")
            async with client() as session:
                seen = []
                for _ in range(3):
                    async with session.get(f"{server.endpoint}/a?b", ssl=trust) as reply:
                        seen.append((reply.status, (await reply.read())[-5:]))
            assert seen == [(503, b"rror>"), (200, b"vorld"), (200, b"world")]
            found = server.requests(target=r"\?b$")
            assert [(each.status, each.fault) for each in found] == [(503, "answer 503"), (200, "flip"), (200, "")]
            assert server.most_at_once == 1
            server.forget()
            assert (server.requests(), server.peak_rate()) == ([], 0.0)
            port = URL(server.endpoint).port
            server.restart()
            assert URL(server.endpoint).port == port

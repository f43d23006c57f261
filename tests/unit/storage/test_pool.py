"""The lean transport against a scripted server: replies in odd pieces, connections that are reused, stale, silent or wrong."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path

import pytest

from tests.support.certificates import make_server_tls
from tests.support.piece_server import PieceServer
from tests.support.stub_server import Answer, StubServer, answer
from videovector_operator.errors import Invalid
from videovector_operator.storage.connection import Bounds, BrokenOffError, NotHttpError
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.pool import ConnectionPool, build_head
from videovector_operator.storage.request import Reply
from videovector_operator.storage.transport import GuardedResolver, NotConnectedError, build_tls

BOUNDS = Bounds((200, 206), skip=0, keep=100, keep_refused=50)
HEAD = build_head("GET", "/b/a//../x%20y", {"host": "stub"})


def test_headers_of_a_request_replace_the_common_ones() -> None:
    head = build_head("GET", "/x", {"host": "stub", "accept-encoding": "gzip"}).decode().split("\r\n")
    assert [line for line in head if line.startswith("accept-encoding")] == ["accept-encoding: gzip"]
    assert "accept-encoding: identity" in HEAD.decode()


def build_pool(
    origin: str, *, connections: int = 4, silence: float = 5.0, tls: ssl.SSLContext | None = None
) -> ConnectionPool:
    return ConnectionPool(
        origin,
        connections=connections,
        connect_seconds=5.0,
        silence_seconds=silence,
        resolver=GuardedResolver(EndpointPolicy(allow_loopback=True)),
        tls=tls or build_tls(None),
    )


async def exchange(server: PieceServer, times: int = 1, bounds: Bounds = BOUNDS, silence: float = 5.0) -> list[Reply]:
    async with server.serving() as origin:
        pool = build_pool(origin, silence=silence)
        try:
            return [await pool.exchange(HEAD, bounds) for _ in range(times)]
        finally:
            await pool.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b c\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n"
KEPT: dict[str, list[bytes]] = {
    "whole": [OK],
    "byte by byte": [OK[at : at + 1] for at in range(len(OK))],
    "chunked": [CHUNKED],
    "chunked, byte by byte": [CHUNKED[at : at + 1] for at in range(len(CHUNKED))],
    "an interim reply": [b"HTTP/1.1 100 Continue\r\n\r\n", OK],
    "interim replies in one piece": [b"HTTP/1.1 103 Early Hints\r\nX-A: no\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK],
}


@pytest.mark.parametrize("case", KEPT)
async def test_a_whole_reply_keeps_its_connection(case: str) -> None:
    server = PieceServer(KEPT[case])
    replies = await exchange(server, times=3)
    assert [(reply.status, reply.body) for reply in replies] == [(200, b"hello")] * 3
    assert (server.connections, server.requests) == (1, 3)
    assert "trailer" not in replies[0].headers
    if "x-a" in replies[0].headers:
        assert replies[0].headers["x-a"] == "b c"


CLOSED: dict[str, tuple[bytes, bytes]] = {
    "Connection: close": (OK.replace(b"X-A: b c", b"Connection: close"), b"hello"),
    "HTTP/1.0": (OK.replace(b"1.1", b"1.0"), b"hello"),
    "extra bytes": (OK + b"more", b"hello"),
    "a second reply": (OK + OK, b"hello"),
    "a longer body than is kept": (b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + bytes(900), bytes(100)),
    "a longer refusal than is kept": (b"HTTP/1.1 403 No\r\nContent-Length: 9000\r\n\r\n" + bytes(90), bytes(50)),
    "a chunked body without bounds": (
        b"HTTP/1.1 206 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\n" + bytes(1000),
        bytes(100),
    ),
}


@pytest.mark.parametrize("case", CLOSED)
async def test_any_doubt_closes_the_connection(case: str) -> None:
    raw, body = CLOSED[case]
    server = PieceServer([raw])
    replies = await exchange(server, times=2)
    assert [reply.body for reply in replies] == [body] * 2
    assert server.connections == 2


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    server = PieceServer([b"HTTP/1.1 200 OK\r\n\r\nhe", b"llo"], then="close")
    assert [reply.body for reply in await exchange(server, times=2)] == [b"hello"] * 2


BROKEN: dict[str, tuple[list[bytes], str]] = {
    "nothing": ([], "close"),
    "nothing, reset": ([], "reset"),
    "half a head": ([OK[:20]], "close"),
    "half a body": ([OK[:-2]], "close"),
    "half a chunked body": ([CHUNKED[:-20]], "close"),
    "a chunk that is none": ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"], "keep"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_reply_that_breaks_off(case: str) -> None:
    pieces, then = BROKEN[case]
    server = PieceServer(pieces, then=then)
    with pytest.raises((BrokenOffError, ConnectionResetError)):
        await exchange(server)
    assert server.requests == 1


STRANGE: dict[str, list[bytes]] = {
    "another protocol": [b"220 smtp.example ESMTP\r\n"],
    "an upgrade": [b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    "two lengths": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"],
    "length and chunks": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    "one endless header": [b"HTTP/1.1 200 OK\r\nX: "] + [b"a" * 10_000] * 10,
    "headers without end": [b"HTTP/1.1 200 OK\r\n"] + [b"X: 1\r\n" * 1000] * 20,
    "interim replies without end": [b"HTTP/1.1 100 Continue\r\n\r\n" * 500] * 20,
}


@pytest.mark.parametrize("case", STRANGE)
async def test_what_is_not_http_is_refused(case: str) -> None:
    with pytest.raises(NotHttpError):
        await exchange(PieceServer(STRANGE[case]))


async def test_trailers_without_end_are_refused() -> None:
    with pytest.raises(NotHttpError):
        await exchange(PieceServer([CHUNKED[: CHUNKED.index(b"Trailer")]] + [b"X: 1\r\n" * 1000] * 20))


async def test_an_ignored_range_is_cut_out_or_refused() -> None:
    whole = [b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", bytes(range(120)), bytes(range(120, 200))]
    for skip, body in ((10, bytes(range(10, 30))), (190, bytes(range(190, 200))), (200, b""), (1 << 40, b"")):
        [reply] = await exchange(PieceServer(whole), bounds=Bounds((200,), skip, 20, 20))
        assert reply.body == body
    endless = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
    with pytest.raises(Invalid, match="ignores byte ranges"):
        await exchange(PieceServer(endless), bounds=Bounds((200,), 1 << 40, 20, 20))


async def test_a_stale_connection_costs_the_caller_nothing() -> None:
    async with StubServer([answer(200, b"one", then="close"), answer(200, b"two", then="reset"), answer(200)]) as stub:
        pool = build_pool(stub.endpoint)
        assert (await pool.exchange(HEAD, BOUNDS)).body == b"one"
        assert (await pool.exchange(HEAD, BOUNDS)).body == b"two"
        assert (await pool.exchange(HEAD, BOUNDS)).body == b""
        assert [seen.target for seen in stub.seen] == ["/b/a//../x%20y"] * 3
        await pool.close()


async def test_a_connection_that_ends_under_the_request_is_replaced_once() -> None:
    """The server takes the second request and closes without a word, as one does whose patience just ran out."""
    script = [answer(200, b"one"), Answer(b"", "close"), answer(200, b"two"), Answer(b"", "close")]
    async with StubServer(script) as stub:
        pool = build_pool(stub.endpoint)
        assert (await pool.exchange(HEAD, BOUNDS)).body == b"one"
        assert (await pool.exchange(HEAD, BOUNDS)).body == b"two"
        with pytest.raises((BrokenOffError, ConnectionResetError)):
            await pool.exchange(HEAD, BOUNDS)
        assert len(stub.seen) == 5
        await pool.close()


async def test_silence_ends_an_exchange_but_slow_bytes_do_not() -> None:
    with pytest.raises(TimeoutError):
        await exchange(PieceServer([OK[:20]]), silence=0.1)
    pieces = [OK[at : at + 3] for at in range(0, len(OK), 3)]
    pause, silence = 0.3, 4.0
    drip = PieceServer(pieces, [OK], pause=pause)
    assert (len(pieces) - 1) * pause > silence, "the whole must last longer than any silence may"
    [first, second] = await exchange(drip, times=2, silence=silence)
    assert (first.body, second.body, drip.connections) == (b"hello", b"hello", 1)


async def test_a_slow_drip_ends_with_the_callers_time_and_frees_its_place() -> None:
    drip = PieceServer([b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", *[b"a"] * 9000], [OK], pause=0.02)
    async with drip.serving() as origin:
        pool = build_pool(origin, connections=1)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await pool.exchange(HEAD, BOUNDS._replace(keep=9000))
        assert time.monotonic() - started < 30
        assert (await pool.exchange(HEAD, BOUNDS)).body == b"hello"
        assert drip.connections == 2
        await pool.close()


async def test_connections_are_bounded() -> None:
    server = PieceServer([OK], pause=0.01)
    async with server.serving() as origin:
        pool = build_pool(origin, connections=3)
        replies = await asyncio.gather(*(pool.exchange(HEAD, BOUNDS) for _ in range(30)))
        assert [reply.body for reply in replies] == [b"hello"] * 30
        assert server.connections == 3
        await pool.close()


async def test_closing_ends_what_is_in_flight() -> None:
    server = PieceServer([OK], [])
    async with server.serving() as origin:
        pool = build_pool(origin)
        await pool.exchange(HEAD, BOUNDS)
        waiting = asyncio.create_task(pool.exchange(HEAD, BOUNDS))
        async with asyncio.timeout(10):
            while server.requests < 2:
                await asyncio.sleep(0.01)
        await pool.close()
        with pytest.raises(BrokenOffError):
            await waiting


async def test_tls_is_checked_and_used(tmp_path: Path) -> None:
    server_tls, certificate = make_server_tls(tmp_path, "127.0.0.1")
    trusting = ssl.create_default_context(cafile=certificate)
    async with StubServer([answer(200, b"hello")], server_tls) as stub:
        pool = build_pool(stub.endpoint, tls=trusting)
        assert [(await pool.exchange(HEAD, BOUNDS)).body for _ in range(2)] == [b"hello"] * 2
        await pool.close()
        wary = build_pool(stub.endpoint)
        with pytest.raises(ssl.SSLCertVerificationError):
            await wary.exchange(HEAD, BOUNDS)
        await wary.close()
        assert len(stub.seen) == 2


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        pool = build_pool(f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(NotConnectedError):
            await pool.exchange(HEAD, BOUNDS)
        await pool.close()


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "\ud800"])
def test_a_header_value_cannot_start_another_line(value: str) -> None:
    with pytest.raises(ValueError):
        build_head("GET", "/", {"if-match": value})

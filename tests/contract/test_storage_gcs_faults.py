"""Cloud Storage through a proxy that fails, beyond what `test_storage_proxied` shows of every provider: sessions, and lost answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.contract.storage_gcs import GcsBucket, GcsServer
from tests.contract.storage_suite import MIB, blocks, objects_of, part_of_blocks, stream
from tests.support.local_storage import LOCAL
from tests.support.sleeping import Slept
from tools.testservers.faultproxy import (
    Effect,
    FaultProxy,
    answering,
    breaking_upload,
    flipping_upload,
    hanging,
    redirecting,
    refusing_gcs,
    resetting,
    truncating,
)
from videovector_operator.errors import (
    AlreadyExists,
    Invalid,
    StorageError,
    Throttled,
    Unavailable,
)
from videovector_operator.storage.exchange import Limits
from videovector_operator.storage.gcs import GcsStorage
from videovector_operator.storage.surroundings import Surroundings

pytestmark = pytest.mark.contract

QUICK = Limits(connect=2.0, silence=10.0, total=60.0, attempts=4)
SIZE = 40 * MIB + 5
"""Three blocks, the last of which is not whole."""


@pytest.fixture
def place(gcs: GcsServer) -> GcsBucket:
    fresh = gcs.new_bucket()
    fresh.put("a.mp4", b"0123456789")
    return fresh


@pytest.fixture
def proxy(gcs: GcsServer) -> Iterator[FaultProxy]:
    with FaultProxy(gcs.endpoint) as running:
        yield running


@asynccontextmanager
async def through(
    proxy: FaultProxy, place: GcsBucket, limits: Limits = QUICK
) -> AsyncIterator[tuple[GcsStorage, Slept]]:
    slept = Slept()
    source = place.source(endpoint=proxy.endpoint)
    storage = GcsStorage(source, LOCAL, Surroundings(limits, jitter=lambda: 0.0, sleep=slept))
    yield storage, slept
    await storage.close()


TRANSIENT: dict[str, Effect] = {
    "500 in JSON": refusing_gcs(500, "internalError"),
    "a rate limit as 403": refusing_gcs(403, "userRateLimitExceeded"),
    "a web page of a proxy": answering(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
    "reset before any answer": resetting(),
    "no answer": hanging(),
    "truncated body": truncating(3),
    "404 of a web server": answering(404, b"<!DOCTYPE html><html></html>"),
    "404 of an ingress without a route": answering(404, b"default backend - 404", {"Content-Type": "text/plain"}),
    "404 of a mesh, which says nothing": answering(404),
}


@pytest.mark.parametrize("case", TRANSIENT)
async def test_tries_are_bounded(proxy: FaultProxy, place: GcsBucket, case: str) -> None:
    limits = Limits(connect=2.0, silence=0.2, total=20.0, attempts=3)
    async with through(proxy, place, limits) as (storage, slept):
        proxy.inject(TRANSIENT[case], times=None)
        with pytest.raises((Unavailable, Throttled), match=r"a\.mp4") as failed:
            await storage.read_range("a.mp4", 0, 10)
        assert len(slept.seconds) == 2
        assert len(proxy.requests()) <= 6
        assert "eyJ" not in failed.value.message


REFUSED: dict[str, tuple[Effect, type[StorageError]]] = {
    "a redirect to a metadata service": (redirecting("http://169.254.169.254/computeMetadata/v1/"), Invalid),
    "a redirect for ever": (redirecting("/storage/v1/b", 301), Invalid),
    "another API": (answering(400, b'{"detail": "what?"}', {"Content-Type": "application/json"}), Invalid),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_is_translated_and_not_repeated(proxy: FaultProxy, place: GcsBucket, case: str) -> None:
    effect, kind = REFUSED[case]
    async with through(proxy, place) as (storage, slept):
        calls = (
            lambda: storage.read_range("a.mp4", 0, 10),
            lambda: storage.stat("a.mp4"),
            lambda: objects_of(storage),
            lambda: storage.copy("a.mp4", "b"),
            lambda: storage.write("b", stream(b"x")),
        )
        for number, call in enumerate(calls):
            proxy.forget()
            proxy.inject(effect, times=None)
            with pytest.raises(kind) as refused:
                await call()
            proxy.clear()
            assert type(refused.value) is kind, number
            assert len(proxy.requests()) == 1
        assert slept.seconds == []
    assert place.keys() == ["a.mp4"]


NO_ROUTE = answering(404, b"404 page not found", {"Content-Type": "text/plain"})


async def test_a_moment_without_a_route_costs_nothing(proxy: FaultProxy, place: GcsBucket) -> None:
    """No object passes for deleted or absent meanwhile, and no bucket for missing."""
    async with through(proxy, place) as (storage, slept):
        for number, call in enumerate(
            (
                lambda: storage.read_range("a.mp4", 0, 10),
                lambda: storage.stat("a.mp4"),
                lambda: objects_of(storage),
                lambda: storage.copy("a.mp4", "b"),
                lambda: storage.write("c", stream(b"x")),
                lambda: storage.delete("c"),
            )
        ):
            proxy.inject(NO_ROUTE)
            await call()
            assert len(slept.seconds) == number + 1
        proxy.inject(NO_ROUTE, times=None)
        with pytest.raises(Unavailable, match="not Cloud Storage"):
            await storage.delete("b")
    assert place.keys() == ["a.mp4", "b"]


async def test_a_damaged_block_ends_the_upload_and_leaves_nothing(proxy: FaultProxy, place: GcsBucket) -> None:
    place.put("b", b"what was there before")
    async with through(proxy, place) as (storage, _):
        proxy.inject(flipping_upload(MIB), methods="PUT")
        with pytest.raises(Unavailable, match="damaged"):
            await storage.write("b", blocks(SIZE))
    assert place.get("b")[0] == b"what was there before"
    assert place.leftovers() == []


BLOCK_FAULTS: dict[str, Effect] = {
    "503 before the block": answering(503),
    "503 behind the block, which was taken": answering(503, forward=True),
    "reset before any answer": resetting(),
    "reset, and the block was taken": resetting(forward=True),
    "broken off in the middle": breaking_upload(9 * MIB + 7),
    "broken off early": breaking_upload(5),
    "too fast": refusing_gcs(429, "rateLimitExceeded"),
}


@pytest.mark.parametrize("skip", [0, 1, 2], ids=["first block", "second block", "last block"])
@pytest.mark.parametrize("case", BLOCK_FAULTS)
async def test_a_block_that_fails_is_taken_up_where_it_was(
    proxy: FaultProxy, place: GcsBucket, case: str, skip: int
) -> None:
    async with through(proxy, place) as (storage, slept):
        proxy.inject(BLOCK_FAULTS[case], methods="PUT", skip=skip)
        written = await storage.write("big", blocks(SIZE), content_type="video/mp4", if_absent=True)
        found = await storage.stat("big")
        assert (written.size, written.fingerprint) == (SIZE, found.fingerprint)
        # aiohttp sends once more by itself what a kept-alive connection has swallowed.
        assert len(slept.seconds) <= 1
    assert place.get("big") == (part_of_blocks(0, SIZE), "video/mp4")
    assert place.leftovers() == []


async def test_after_a_failure_google_is_asked_how_far_it_is(proxy: FaultProxy, place: GcsBucket) -> None:
    async with through(proxy, place) as (storage, _):
        # Twice: aiohttp may send once more by itself what a kept-alive connection has swallowed.
        proxy.inject(breaking_upload(9 * MIB + 7), methods="PUT", skip=1, times=2)
        await storage.write("big", blocks(SIZE))
    sent = [seen.headers["content-range"] for seen in proxy.requests("PUT")]
    asked = [place for place, said in enumerate(sent) if said == "bytes */*"]
    assert sent[0] == "bytes 0-16777215/*"
    assert set(sent[1 : asked[0]]) == {"bytes 16777216-33554431/*"}
    resumed = int(sent[asked[-1] + 1].removeprefix("bytes ").split("-")[0])
    assert 16 * MIB < resumed <= 25 * MIB + 7, "what had come is not sent again"
    assert resumed % (256 * 1024) == 0
    assert sent[-1] == f"bytes 33554432-{SIZE - 1}/{SIZE}"


async def test_an_upload_that_does_not_get_on_is_given_up(proxy: FaultProxy, place: GcsBucket) -> None:
    async with through(proxy, place) as (storage, slept):
        proxy.inject(answering(503), methods="PUT", times=None)
        with pytest.raises(Unavailable, match="'big'") as failed:
            await storage.write("big", blocks(SIZE))
        assert "upload_id" not in failed.value.message
        assert len(slept.seconds) <= 2 * QUICK.attempts
    assert [seen.status for seen in proxy.requests("DELETE")] == [499]
    assert place.keys() == ["a.mp4"]
    assert place.leftovers() == []


async def test_a_session_that_google_has_lost_ends_the_upload(proxy: FaultProxy, place: GcsBucket) -> None:
    async with through(proxy, place) as (storage, _):
        proxy.inject(refusing_gcs(410, "gone"), methods="PUT", skip=1, times=None)
        with pytest.raises(Unavailable, match="begin again"):
            await storage.write("big", blocks(SIZE))
    assert place.keys() == ["a.mp4"]
    assert place.leftovers() == []


LOST_ANSWERS: dict[str, Effect] = {"503": answering(503, forward=True), "reset": resetting(forward=True)}


@pytest.mark.parametrize("case", LOST_ANSWERS)
async def test_a_lost_answer_does_not_make_an_own_object_somebody_elses(
    proxy: FaultProxy, place: GcsBucket, case: str
) -> None:
    async with through(proxy, place) as (storage, _):
        proxy.inject(LOST_ANSWERS[case], methods="POST", target="uploadType=multipart")
        assert (await storage.write("small", stream(b"x"), if_absent=True)).size == 1
        proxy.inject(LOST_ANSWERS[case], methods="POST", target="rewriteTo")
        assert (await storage.copy("a.mp4", "copy", if_absent=True)).size == 10
        proxy.inject(LOST_ANSWERS[case], methods="DELETE")
        await storage.delete("copy")
        for key in ("small", "a.mp4"):
            with pytest.raises(AlreadyExists):
                await storage.write(key, stream(b"x"), if_absent=True)
        with pytest.raises(AlreadyExists):
            await storage.copy("a.mp4", "small", if_absent=True)
    assert place.keys() == ["a.mp4", "small"]


async def test_what_somebody_else_creates_during_a_retry_is_theirs(proxy: FaultProxy, place: GcsBucket) -> None:
    async with through(proxy, place) as (storage, _):
        place.put("b", b"x")
        proxy.inject(answering(503), methods="POST")
        with pytest.raises(AlreadyExists, match="'b'"):
            await storage.write("b", stream(b"x"), if_absent=True)
        proxy.inject(answering(503), methods="POST")
        with pytest.raises(AlreadyExists, match="'b'"):
            await storage.copy("a.mp4", "b", if_absent=True)


async def test_a_cancelled_read_leaves_the_storage_usable(proxy: FaultProxy, place: GcsBucket) -> None:
    async with through(proxy, place) as (storage, _):
        proxy.inject(hanging())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(storage.read_range("a.mp4", 0, 1), 0.3)
        assert await storage.read_range("a.mp4", 0, 1) == b"0"

"""What real servers cannot be asked to show: refusals, lost answers, cut and changed bytes, through the fault proxy before each.

Every request of every call fails once, in every way; what comes of the call must be the same.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from tests.contract.storage_faults import (
    CALLS,
    CHECKING,
    CONTENT,
    LARGE,
    PAIRS,
    PROXIED,
    QUICK,
    open_at,
    pairs_of,
    proxied,
    refuse,
)
from tests.contract.storage_servers import Bucket, Server
from tests.contract.storage_suite import blocks, objects_of, part_of_blocks, stream
from tools.testservers.faultproxy import (
    Effect,
    FaultProxy,
    answering,
    breaking_body,
    breaking_upload,
    delaying,
    flipping_upload,
    hanging,
    resetting,
    truncating,
)
from videovector_operator.errors import (
    AccessDenied,
    AlreadyExists,
    Changed,
    InvalidCredentials,
    StorageError,
    Throttled,
    Unavailable,
)
from videovector_operator.storage.port import Storage

pytestmark = pytest.mark.contract


@pytest.fixture(params=PROXIED)
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


@pytest.fixture
async def behind(place: Bucket, proxy: FaultProxy) -> AsyncIterator[Storage]:
    """Ours, which sees the server only through the proxy."""
    storage = open_at(place, proxy.endpoint)
    yield storage
    await storage.close()


def reset_place(place: Bucket) -> None:
    for key in place.keys():  # noqa: SIM118 - no mapping
        place.remove(key)
    place.put("a.bin", CONTENT)


IMPATIENT = replace(QUICK, silence=0.4, attempts=10)
EFFECTS = ("delay", "500", "503", "lost answer", "answer replaced", "reset", "reset in the body", "no answer")


def build_effect(name: str, place: Bucket) -> Effect:
    match name:
        case "delay":
            return delaying(0.05)
        case "500" | "503":
            return refuse(place, int(name))
        case "lost answer":
            return resetting(forward=True)
        case "answer replaced":
            return refuse(place, 503, forward=True)
        case "reset":
            return resetting()
        case "reset in the body":
            return breaking_upload(1)
        case _:
            return hanging()


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize(("place", "name"), PAIRS, indirect=["place"])
async def test_each_request_of_a_call_may_fail_once(place: Bucket, proxy: FaultProxy, name: str, effect: str) -> None:
    behind = open_at(place, proxy.endpoint, IMPATIENT if effect == "no answer" else QUICK)
    call = CALLS[name]
    left_before = len(place.leftovers())
    await call.make_ready(place)
    assert call.is_done(place, await call.make(behind))
    rounds = len(proxy.requests())
    for number in range(rounds):
        reset_place(place)
        await call.make_ready(place)
        proxy.clear()
        proxy.inject(build_effect(effect, place), skip=number)
        assert call.is_done(place, await call.make(behind)), f"request {number}"
    begins = len(proxy.requests("POST", r"\?uploads=|uploadType=resumable"))
    lost_begin = "parts" in name and effect in ("lost answer", "answer replaced", "reset in the body")
    # An upload whose beginning was answered by silence holds no bytes; nobody knows its name. A busy server may be silent too.
    assert len(place.leftovers()) <= left_before + max(lost_begin, begins - 1 - rounds)
    await behind.close()


REFUSALS = {401: InvalidCredentials, 403: AccessDenied}


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize(("place", "name"), PAIRS, indirect=["place"])
async def test_a_refused_call_says_so_and_is_not_repeated(
    place: Bucket, proxy: FaultProxy, behind: Storage, name: str, status: int
) -> None:
    proxy.inject(refuse(place, status), times=None)
    with pytest.raises(REFUSALS[status]) as refused:
        await CALLS[name].make(behind)
    assert place.name in refused.value.message
    assert proxy.endpoint in refused.value.message
    assert len(proxy.requests()) <= 4
    assert place.keys() == ["a.bin"]


@pytest.mark.parametrize("if_absent", [False, True])
async def test_what_was_sent_of_a_refused_object_is_removed(
    place: Bucket, proxy: FaultProxy, behind: Storage, if_absent: bool
) -> None:
    """The upload may be begun and aborted, only its bytes are refused."""
    left_before = place.leftovers()
    proxy.inject(refuse(place, 403), methods="PUT", times=None)
    with pytest.raises(AccessDenied):
        await behind.write("new.bin", blocks(LARGE), if_absent=if_absent)
    assert place.keys() == ["a.bin"]
    assert place.leftovers() == left_before


async def test_a_condition_that_fails_is_told_by_what_was_asked(
    place: Bucket, proxy: FaultProxy, behind: Storage
) -> None:
    fingerprint = (await behind.stat("a.bin")).fingerprint
    proxy.inject(refuse(place, 412), times=None)
    with pytest.raises(Changed):
        await behind.read_range("a.bin", 0, 10, fingerprint=fingerprint)
    proxy.clear()
    proxy.inject(refuse(place, 412), methods="PUT|POST", times=None)
    with pytest.raises(AlreadyExists):
        await behind.write("new.bin", stream(b"x"), if_absent=True)
    with pytest.raises(Changed):
        await behind.copy("a.bin", "new.bin", fingerprint=fingerprint)
    assert place.keys() == ["a.bin"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("name", ["list", "read", "write"])
async def test_retry_after_is_obeyed(place: Bucket, proxy: FaultProxy, behind: Storage, name: str, status: int) -> None:
    proxy.inject(refuse(place, status, {"Retry-After": "1"}))
    assert CALLS[name].is_done(place, await CALLS[name].make(behind))
    first, second = proxy.requests()[:2]
    assert second.begun - first.begun >= 1.0


async def test_who_asks_for_more_time_than_there_is_is_told_on(place: Bucket, proxy: FaultProxy) -> None:
    storage = open_at(place, proxy.endpoint, replace(QUICK, total=30.0))
    proxy.inject(refuse(place, 429, {"Retry-After": "60"}), times=None)
    started = time.monotonic()
    with pytest.raises(Throttled) as slow:
        await storage.read_range("a.bin", 0, 1)
    assert slow.value.retry_after == 60
    assert time.monotonic() - started < 25
    assert len(proxy.requests()) == 1
    await storage.close()


@pytest.mark.parametrize("effect", [truncating(1), truncating(500), breaking_body(10), breaking_body(10, "hang")])
async def test_a_body_that_is_cut_off_is_asked_for_again(
    place: Bucket, proxy: FaultProxy, behind: Storage, effect: Effect
) -> None:
    for name in ("read", "list"):
        proxy.clear()
        proxy.inject(effect, methods="GET")
        assert CALLS[name].is_done(place, await CALLS[name].make(behind))
    proxy.inject(effect, methods="GET", times=None)
    with pytest.raises(Unavailable):
        await behind.read_range("a.bin", 0, 3000)


@pytest.mark.parametrize(
    ("place", "name"),
    pairs_of("list", "write in parts", "create in parts", "copy", "create by copying"),
    indirect=["place"],
)
@pytest.mark.parametrize("forward", [False, True])
async def test_an_error_behind_a_200_is_an_error(
    place: Bucket, proxy: FaultProxy, behind: Storage, name: str, forward: bool
) -> None:
    """S3 is known to answer so when it has begun an answer before its work is done; no answer may pass for a success."""
    call = CALLS[name]
    assert call.is_done(place, await call.make(behind))
    for number, seen in enumerate(proxy.requests()):
        if seen.method not in ("POST", "PUT") and name != "list":
            continue
        reset_place(place)
        proxy.clear()
        proxy.inject(refuse(place, 500, status=200, forward=forward), skip=number)
        try:
            result = await call.make(behind)
        except StorageError:
            continue
        assert call.is_done(place, result), f"request {number}"


@pytest.mark.parametrize(
    ("place", "name"), pairs_of("list", "look up", "read", "write", "write in parts", "copy"), indirect=["place"]
)
async def test_a_web_page_is_no_answer(place: Bucket, proxy: FaultProxy, behind: Storage, name: str) -> None:
    page = answering(200, b"<html><body>Please sign in</body></html>", {"Content-Type": "text/html"})
    proxy.inject(page, times=None)
    with pytest.raises(StorageError):
        await CALLS[name].make(behind)


@pytest.mark.parametrize("place", CHECKING, indirect=True)
@pytest.mark.parametrize(("size", "at"), [(10_000, 5_000), (LARGE, 5_000_000)])
async def test_a_byte_that_is_changed_on_the_way_is_never_stored(
    place: Bucket, proxy: FaultProxy, behind: Storage, size: int, at: int
) -> None:
    left_before = place.leftovers()
    proxy.inject(flipping_upload(at), methods="PUT|POST", skip=0 if size < LARGE else 1)
    stored = ["new.bin"]
    if size >= LARGE and place.gaps.bytes_checked_at_the_end:
        stored = []
        with pytest.raises(Unavailable):
            await behind.write("new.bin", blocks(size))
    else:
        written = await behind.write("new.bin", blocks(size))
        assert written.size == size
        assert place.get("new.bin")[0] == part_of_blocks(0, size)
    proxy.inject(flipping_upload(at), methods="PUT|POST", target="", times=None)
    with pytest.raises(StorageError):
        await behind.write("other.bin", blocks(size))
    assert sorted(place.keys()) == ["a.bin", *stored]
    assert place.leftovers() == left_before


async def test_a_hanging_server_costs_no_more_than_the_deadline(place: Bucket, proxy: FaultProxy) -> None:
    storage = open_at(place, proxy.endpoint, replace(QUICK, silence=0.2, total=2.0))
    proxy.inject(hanging(), times=None)
    for call in (storage.stat("a.bin"), storage.read_range("a.bin", 0, 1), objects_of(storage)):
        started = time.monotonic()
        with pytest.raises(Unavailable, match="no answer in time"):
            await call
        assert time.monotonic() - started < 10
    await storage.close()

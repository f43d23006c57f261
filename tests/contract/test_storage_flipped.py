"""One changed bit in an answer, wherever it is: an error, or at the worst one wrong value, never another set of objects or another range.

No provider's heads or listings carry a checksum of themselves: a value that still looks like one (a digit of a size, a letter of a
key) is nobody's to notice. TLS protects the way; here there is none, so that the bytes can be reached.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import fields, replace

import pytest

from tests.contract.storage_faults import CONTENT, PROXIED, QUICK, open_at, proxied
from tests.contract.storage_servers import Bucket, Server
from tests.contract.storage_suite import objects_of
from tools.testservers.faultproxy import Effect, FaultProxy, Seen, flipping, flipping_head
from videovector_operator.errors import StorageError
from videovector_operator.storage.port import ObjectInfo, Storage

pytestmark = pytest.mark.contract

ONCE = replace(QUICK, attempts=1, silence=5.0)
"""No second try, which would see the right answer."""
STEP = 2
"""From one changed byte to the next: all of them take twice as long, and neighbours mostly belong to one word."""
KEY = "media/a.bin"
BEGIN = {"gcs": len('{"kind": "storage#objects", "items"')}
"""From which byte of a listing on. One of Cloud Storage's without items is empty, and so is one in which they have another name:
servers that give more than was asked for are taken too."""
TOGETHER = [{"size", "fingerprint"}, {"fingerprint", "checksum"}]
"""What Azure says once and ours says twice."""


@pytest.fixture(params=PROXIED)
def server_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(request: pytest.FixtureRequest, server_name: str) -> Bucket:
    """A bucket with one object."""
    server: Server = request.getfixturevalue(server_name)
    bucket = server.new_bucket()
    bucket.put(KEY, CONTENT)
    return bucket


@pytest.fixture
def proxy(place: Bucket) -> Iterator[FaultProxy]:
    with proxied(place) as running:
        yield running


@pytest.fixture
async def behind(place: Bucket, proxy: FaultProxy) -> AsyncIterator[Storage]:
    """Ours, which sees the server only through the proxy."""
    storage = open_at(place, proxy.endpoint, ONCE)
    yield storage
    await storage.close()


async def seen_of(proxy: FaultProxy, call: Callable[[], Awaitable[object]]) -> Seen:
    """Make the call untouched: one request, whose answer has so many bytes."""
    proxy.forget()
    await call()
    [seen] = proxy.requests()
    return seen


async def spoilt(
    proxy: FaultProxy, effects: list[Effect], call: Callable[[], Awaitable[object]]
) -> AsyncIterator[object]:
    """Give what comes of the call under each effect, but for errors."""
    for effect in effects:
        proxy.clear()
        proxy.inject(effect, times=None)
        try:
            found = await call()
        except StorageError:
            continue
        yield found


def changes(right: ObjectInfo, found: ObjectInfo) -> set[str]:
    """Name the fields that are not as they should be."""
    return {each.name for each in fields(right) if getattr(right, each.name) != getattr(found, each.name)}


def is_one_value(changed: set[str]) -> bool:
    return len(changed) <= 1 or changed in TOGETHER


async def test_a_listing_has_neither_more_nor_fewer_objects(
    server_name: str, proxy: FaultProxy, behind: Storage
) -> None:
    [right] = await objects_of(behind, "media/")
    length = (await seen_of(proxy, lambda: objects_of(behind, "media/"))).sent
    effects = [flipping(at) for at in range(BEGIN.get(server_name, 0), length, STEP)]
    listings = [found async for found in spoilt(proxy, effects, lambda: objects_of(behind, "media/"))]
    assert len(listings) < len(effects) * 2 / 3, "much of an answer is its form"
    for found in listings:
        assert isinstance(found, list)
        [entry] = found
        assert is_one_value(changes(right, entry)), entry
        assert entry.key.startswith("media/")


async def test_the_last_page_has_neither_more_nor_fewer_objects(
    place: Bucket, server_name: str, proxy: FaultProxy, behind: Storage
) -> None:
    """The first one's token is nobody's to check: one that has become another's leads elsewhere."""
    place.put("media/b.bin", CONTENT)

    async def list_all() -> list[ObjectInfo]:
        return await objects_of(behind, "media/", page_size=1)

    right = await list_all()
    proxy.forget()
    await list_all()
    _, last = proxy.requests()
    for at in range(BEGIN.get(server_name, 0), last.sent, STEP):
        proxy.clear()
        proxy.inject(flipping(at), skip=1)
        try:
            found = await list_all()
        except StorageError:
            continue
        assert len(found) == 2
        assert found[0] == right[0]
        assert is_one_value(changes(right[1], found[1])), found


async def test_a_look_up_has_one_wrong_value_at_most(proxy: FaultProxy, behind: Storage) -> None:
    """S3 and Azure answer with a head alone; what is lost of it is a wrong value too, if it may be missing."""
    right = await behind.stat(KEY)
    seen = await seen_of(proxy, lambda: behind.stat(KEY))
    flip, length = (flipping_head, seen.head) if seen.method == "HEAD" else (flipping, seen.sent)
    effects = [flip(at) for at in range(0, length, STEP)]
    answers = [found async for found in spoilt(proxy, effects, lambda: behind.stat(KEY))]
    assert len(answers) < len(effects)
    for found in answers:
        assert isinstance(found, ObjectInfo)
        assert found.key == KEY
        assert is_one_value(changes(right, found)), found


async def test_a_ranged_read_is_never_another_range_or_version(proxy: FaultProxy, behind: Storage) -> None:
    """Status, range and version are in the head, and compared with what was asked for."""
    fingerprint = (await behind.stat(KEY)).fingerprint

    async def read() -> bytes:
        return await behind.read_range(KEY, 5, 2000, fingerprint=fingerprint)

    effects = [flipping_head(at) for at in range(0, (await seen_of(proxy, read)).head, STEP)]
    answers = [found async for found in spoilt(proxy, effects, read)]
    assert 0 < len(answers) < len(effects)
    assert set(answers) == {CONTENT[5:2005]}


async def test_the_bytes_of_a_range_are_taken_as_they_come(proxy: FaultProxy, behind: Storage) -> None:
    """The known limit. S3 and Cloud Storage have checksums of whole objects only, which say nothing of a part; Azure would compute one
    for each range when asked, for no more than 4 MiB. What is read are heads of media, and TLS protects the way.
    """
    for at in (0, 1000, 1999):
        proxy.clear()
        proxy.inject(flipping(at), methods="GET")
        data = await behind.read_range(KEY, 5, 2000)
        wrong = [place for place, pair in enumerate(zip(data, CONTENT[5:2005], strict=True)) if pair[0] != pair[1]]
        assert wrong == [at]

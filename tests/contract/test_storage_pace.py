"""Every request of every provider keeps the pace: one turn each, tries and pages included, and refusals are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing

import pytest

from tests.contract.storage_azure import AzureContainer
from tests.contract.storage_gcs import GcsBucket
from tests.contract.storage_s3 import S3Bucket
from tests.contract.storage_servers import Server
from tests.support.local_storage import open_local
from tools.testservers.faultproxy import Effect, FaultProxy, refusing_azure, refusing_gcs, refusing_s3
from videovector_operator.errors import Throttled
from videovector_operator.storage.port import Pace, Storage

pytestmark = pytest.mark.contract
Place = S3Bucket | GcsBucket | AzureContainer

REFUSALS: dict[str, Callable[[Mapping[str, str]], Effect]] = {
    "versitygw": lambda headers: refusing_s3(503, "SlowDown", headers),
    "gcs": lambda headers: refusing_gcs(429, "rateLimitExceeded", headers),
    "azurite": lambda headers: refusing_azure(503, "ServerBusy", headers),
}


class CountingPace(Pace):
    """Lets everybody through."""

    def __init__(self) -> None:
        self.turns = 0
        self.told: list[float] = []

    async def acquire(self) -> None:
        self.turns += 1

    def throttled(self, retry_after: float) -> None:
        self.told.append(retry_after)


@pytest.fixture(params=list(REFUSALS))
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(request: pytest.FixtureRequest, provider: str) -> Place:
    server: Server = request.getfixturevalue(provider)
    made = server.new_bucket()
    assert isinstance(made, (S3Bucket, GcsBucket, AzureContainer))
    return made


@pytest.fixture
def proxy(place: Place) -> Iterator[FaultProxy]:
    endpoint = place.source().endpoint
    assert endpoint is not None
    with FaultProxy(endpoint) as proxy:
        yield proxy


@pytest.fixture
def pace() -> CountingPace:
    return CountingPace()


@pytest.fixture
async def storage(place: Place, proxy: FaultProxy, pace: CountingPace) -> AsyncIterator[Storage]:
    opened = open_local(place.source(endpoint=proxy.endpoint), pace)
    yield opened
    await opened.close()


async def test_every_request_takes_its_turn(
    place: Place, storage: Storage, proxy: FaultProxy, pace: CountingPace
) -> None:
    for number in range(5):
        place.put(f"media/{number}", b"0123456789")

    async def list_all() -> None:
        async with aclosing(storage.list_pages("media/", page_size=2)) as pages:  # type: ignore[type-var]  # a generator
            assert [len(page.objects) async for page in pages] == [2, 2, 1]

    async def chunks() -> AsyncIterator[bytes]:
        yield b"a new one"

    for work, least in (
        (list_all, 3),
        (lambda: storage.stat("media/1"), 1),
        (lambda: storage.read_range("media/1", 2, 3), 1),
        (lambda: storage.write("media/new", chunks()), 1),
        (lambda: storage.copy("media/1", "media/copy"), 1),
        (lambda: storage.delete("media/2"), 1),
        (storage.test_access, 2),
    ):
        proxy.forget()
        pace.turns = 0
        await work()
        assert pace.turns == len(proxy.requests()) >= least


async def test_a_refusal_is_told_and_the_next_try_takes_a_turn_of_its_own(
    place: Place, provider: str, storage: Storage, proxy: FaultProxy, pace: CountingPace
) -> None:
    place.put("a", b"0123456789")
    proxy.inject(REFUSALS[provider]({"Retry-After": "1"}), methods="GET")
    assert await storage.read_range("a", 0, 4) == b"0123"
    assert (pace.told, pace.turns) == ([1.0], 2)


async def test_a_refusal_for_a_day_is_told_with_its_cap_and_handed_on_at_once(
    place: Place, provider: str, storage: Storage, proxy: FaultProxy, pace: CountingPace
) -> None:
    place.put("a", b"0123456789")
    proxy.inject(REFUSALS[provider]({"Retry-After": "86400"}), methods="GET")
    with pytest.raises(Throttled):
        await storage.read_range("a", 0, 4)
    assert (pace.told, pace.turns) == ([300.0], 1)

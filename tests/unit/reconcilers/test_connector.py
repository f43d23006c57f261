"""A Connector is tested when it is time, and its status tells what came of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from structlog.testing import capture_logs

from tests.support.house import House, secret_manifest
from tests.support.samples import connector_manifest
from tests.support.virtual_time import run_virtually
from tests.unit.reconcilers.connector_house import FOOTAGE, KEYS, build_connector_house
from videovector_operator.errors import Invalid, InvalidCredentials, NotFound, Unavailable
from videovector_operator.storage.fake import FakeStorage
from videovector_operator.storage.port import AccessReport


@pytest.fixture
def house() -> House:
    return build_connector_house(has_secret=False)


@pytest.fixture
def tested(house: House) -> House:
    house.fake.apply(secret_manifest())
    return house


async def test_a_connection_that_works(tested: House) -> None:
    result = await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("True", "ConnectionTested")
    status = tested.status(FOOTAGE)
    assert (status["location"], status["lastTestResult"]) == ("s3://footage", "passed")
    assert [(p["action"], p["result"]) for p in status["permissions"]] == [("list", "allowed"), ("read", "allowed")]
    assert [item["path"] for item in status["sample"]] == ["in/a.mp4"]
    assert result.requeue_after is not None
    assert 600 <= result.requeue_after <= 630
    (source,) = tested.sources
    assert source.credentials is not None
    assert source.credentials.secret_access_key == "top-secret-key"
    assert tested.storages[0].closed


async def test_it_is_not_tested_again_before_its_time(tested: House) -> None:
    await tested.look(FOOTAGE)
    await tested.look(FOOTAGE)
    assert len(tested.storages) == len(tested.fake.writes) == 1
    tested.clock.pass_seconds(700)
    await tested.look(FOOTAGE)
    assert len(tested.storages) == 2


async def test_a_token_asks_for_a_test_once(tested: House) -> None:
    await tested.look(FOOTAGE)
    tested.annotate(FOOTAGE, requestedAt="now")
    for _ in range(2):
        await tested.look(FOOTAGE)
    assert len(tested.storages) == 2
    assert tested.status(FOOTAGE)["lastHandledRequest"] == "now"


async def test_a_new_generation_is_tested(tested: House) -> None:
    await tested.look(FOOTAGE)
    tested.fake.edit(FOOTAGE, {"spec": {"validationInterval": "1h"}})
    await tested.look(FOOTAGE)
    assert (len(tested.storages), tested.status(FOOTAGE)["observedGeneration"]) == (2, 2)


PROVIDERS = {
    "wrong keys": (InvalidCredentials("keys are unknown"), "InvalidCredentials", "Stalled"),
    "no such bucket": (NotFound("no bucket footage"), "BucketNotFound", "Stalled"),
    "no S3 endpoint": (Invalid("not S3"), "InvalidEndpoint", "Stalled"),
    "an endpoint that is down": (Unavailable("no answer"), "StorageUnavailable", "Reconciling"),
}


@pytest.mark.parametrize("name", PROVIDERS)
async def test_what_the_provider_says_is_what_the_user_reads(tested: House, name: str) -> None:
    error, reason, beside = PROVIDERS[name]
    tested.prepare_storage = lambda storage: storage.fail("test_access", error)
    result = await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("False", reason)
    assert tested.conditions(FOOTAGE)[beside] == "True"
    assert tested.status(FOOTAGE)["lastTestError"] == error.message
    assert result.requeue_after is not None
    assert tested.storages[0].closed


async def test_an_endpoint_that_comes_back_is_found_by_the_retry(tested: House) -> None:
    tested.prepare_storage = lambda storage: storage.fail("test_access", Unavailable("no answer"))
    for failures in (1, 2):
        result = await tested.look(FOOTAGE)
        assert tested.status(FOOTAGE)["consecutiveFailures"] == failures
        tested.clock.pass_seconds(result.requeue_after or 0)
    tested.prepare_storage = lambda _: None
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("True", "ConnectionTested")
    assert tested.status(FOOTAGE)["consecutiveFailures"] == 0


async def test_a_flap_is_seen_but_does_not_flap_ready(tested: House) -> None:
    await tested.look(FOOTAGE)
    tested.prepare_storage = lambda storage: storage.fail("test_access", Unavailable("no answer"))
    for failures, expected in ((1, "True"), (2, "True"), (3, "False")):
        tested.clock.pass_seconds(700)
        await tested.look(FOOTAGE)
        status = tested.status(FOOTAGE)
        assert (status["lastTestResult"], status["consecutiveFailures"]) == ("failed", failures)
        assert tested.words(FOOTAGE)[0] == expected
    tested.prepare_storage = lambda _: None
    tested.clock.pass_seconds(60)
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("True", "ConnectionTested")
    assert [(n.type, n.reason) for _, n in tested.notices] == [
        ("Normal", "ConnectionTested"),
        ("Warning", "StorageUnavailable"),
        ("Warning", "StorageUnavailable"),
        ("Normal", "ConnectionTested"),
    ]


async def test_a_paused_connector_is_not_tested_until_the_pause_ends(tested: House) -> None:
    tested.annotate(FOOTAGE, paused="true")
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("Unknown", "Paused")
    assert tested.storages == []
    tested.annotate(FOOTAGE, paused=None)
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("True", "ConnectionTested")


async def test_a_change_made_while_paused_is_tested_afterwards(tested: House) -> None:
    await tested.look(FOOTAGE)
    tested.annotate(FOOTAGE, paused="true")
    tested.fake.edit(FOOTAGE, {"spec": {"validationInterval": "1h"}})
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("Unknown", "Paused")
    tested.annotate(FOOTAGE, paused=None)
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("True", "ConnectionTested")


async def test_what_the_store_says_of_an_object_never_costs_the_status(house: House) -> None:
    def fill(storage: FakeStorage) -> None:
        storage.put("in/b.mp4", b"1", modified_at=datetime(1, 1, 1, tzinfo=UTC))
        storage.put("in/c.mp4", b"1", modified_at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))))
        storage.put("in/d.mp4", b"1", modified_at=datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))))

    house.fake.apply(secret_manifest())
    house.prepare_storage = fill
    await house.look(FOOTAGE)
    sample = house.status(FOOTAGE)["sample"]
    assert [entry["path"] for entry in sample] == ["in/a.mp4", "in/b.mp4"]
    assert sample[1]["lastModified"] == "0001-01-01T00:00:00Z"


def test_a_test_of_many_slow_answers_ends() -> None:
    async def look() -> float:
        house = House()

        async def crawl(**_: object) -> AccessReport:
            await asyncio.sleep(10_000)
            raise AssertionError("never reached")

        def slow(storage: FakeStorage) -> None:
            storage.test_access = crawl  # type: ignore[method-assign]  # a server of many slow answers

        house.fake.apply(secret_manifest())
        house.fake.apply(connector_manifest())
        house.prepare_storage = slow
        await house.look(FOOTAGE)
        assert house.words(FOOTAGE) == ("False", "StorageUnavailable")
        assert "took longer than 60 s" in house.message(FOOTAGE)
        assert [storage.closed for storage in house.storages] == [True]
        return asyncio.get_running_loop().time()

    assert run_virtually(look()) == 60.0


async def test_a_connector_that_goes_is_not_tested_and_says_so(tested: House) -> None:
    tested.fake.edit(FOOTAGE, {"metadata": {"finalizers": ["other/finalizer"]}})
    tested.fake.delete(FOOTAGE)
    await tested.look(FOOTAGE)
    assert tested.storages == []
    assert (tested.words(FOOTAGE), tested.message(FOOTAGE)) == (
        ("Unknown", "ConnectorDeleted"),
        "being deleted; no run uses it any more",
    )


async def test_a_connector_without_its_block_is_stalled(house: House) -> None:
    """An older CRD let it in."""
    house.fake.delete(FOOTAGE)
    house.fake.apply(connector_manifest(secret=None, s3=None))
    await house.look(FOOTAGE)
    assert house.words(FOOTAGE) == ("False", "InvalidSpec")


async def test_secrets_reach_no_status_no_event_and_no_log(tested: House) -> None:
    def leak(storage: FakeStorage) -> None:
        async def broken(**_: object) -> None:
            raise RuntimeError("signature of top-secret-key does not match")

        storage.test_access = broken  # type: ignore[assignment]  # a bug in the storage room

    tested.prepare_storage = leak
    with capture_logs() as logs:
        await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("False", "InternalError")
    assert "top-secret-key" not in str(tested.fake.find(FOOTAGE))
    assert "top-secret-key" not in str(tested.notices)
    assert "top-secret-key" not in str(logs)
    assert "top-secret-key" not in repr(tested.sources)


async def test_an_event_tells_of_each_turn(tested: House) -> None:
    await tested.look(FOOTAGE)
    tested.fake.delete(KEYS)
    await tested.look(FOOTAGE)
    await tested.look(FOOTAGE)
    assert [(n.type, n.reason) for _, n in tested.notices] == [
        ("Normal", "ConnectionTested"),
        ("Warning", "SecretNotFound"),
    ]

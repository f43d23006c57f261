"""The limit of requests a second on its way from the Connector to the catalog, where the workers hear of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.house import House, secret_manifest
from tests.support.samples import connector_manifest, import_manifest, index_manifest
from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import RunCounters, RunState

CONNECTOR_ID = names.connector_id("media", "footage")
FOOTAGE = ObjectKey("Connector", "media", "footage")
FIRST = ObjectKey("ImportJob", "media", "first")


class LimitHouse(House):
    """A House with one import of a Connector that may have a limit."""

    def open(self, limit: int | None) -> None:
        more: dict[str, Any] = {} if limit is None else {"maxRequestsPerSecond": limit}
        for manifest in (secret_manifest(), connector_manifest(**more), index_manifest(), import_manifest()):
            self.fake.apply(manifest)

    def set_limit(self, limit: int | None) -> None:
        self.fake.edit(FOOTAGE, {"spec": {"maxRequestsPerSecond": limit}})

    @property
    def uid(self) -> str:
        return str((self.fake.find(FIRST) or {})["metadata"]["uid"])

    @property
    def run_id(self) -> str:
        return names.import_run_id(self.uid)

    @property
    def limit(self) -> int | None:
        return self.catalog.rates.limit_of(CONNECTOR_ID)

    async def begin(self) -> None:
        """A worker runs."""
        await self.settle()
        job = ObjectKey("Job", "media", names.import_job_name(self.uid, 1))
        self.fake.edit_status(job, {"active": 1, "ready": 1})
        self.catalog.start(self.run_id)
        self.catalog.set_run(self.run_id, state=RunState.IMPORTING, counters=RunCounters(total=4, imported=1))
        await self.settle()


class CountingCatalog(FakeCatalog):
    """Writes down what is told of limits, and how many Jobs were let go by then."""

    def __init__(self, house: House) -> None:
        super().__init__(house.clock)
        self.told: list[tuple[int | None, int]] = []
        self._house = house

    async def set_request_limit(self, connector_id: str, limit: int | None) -> None:
        jobs = self._house.fake.find_all("Job")
        self.told.append((limit, sum(not job["spec"]["suspend"] for job in jobs)))
        await super().set_request_limit(connector_id, limit)


@pytest.fixture
def house() -> LimitHouse:
    return LimitHouse()


@pytest.fixture
def catalog(house: LimitHouse) -> CountingCatalog:
    counting = CountingCatalog(house)
    house.catalog = counting
    house.restart()
    return counting


async def test_the_limit_is_there_before_the_pods_and_told_once(house: LimitHouse, catalog: CountingCatalog) -> None:
    house.open(50)
    await house.begin()
    await house.settle()
    assert catalog.told == [(50, 0)]
    assert house.limit == 50


async def test_without_a_limit_nothing_is_told(house: LimitHouse, catalog: CountingCatalog) -> None:
    house.open(None)
    await house.begin()
    assert catalog.told == []
    assert catalog.rates.lines == {}


async def test_a_change_reaches_runs_that_have_begun(house: LimitHouse, catalog: CountingCatalog) -> None:
    house.open(None)
    await house.begin()
    for limit in (50, 20, None, 30):
        house.set_limit(limit)
        await house.settle()
        assert house.limit == limit
    assert [limit for limit, _ in catalog.told] == [50, 20, None, 30]


async def test_a_deleted_connector_leaves_its_last_limit(house: LimitHouse) -> None:
    house.open(50)
    await house.begin()
    house.fake.delete(FOOTAGE)
    await house.settle()
    assert house.limit == 50


async def test_a_limit_left_over_from_before_is_taken_off(house: LimitHouse) -> None:
    house.catalog.rates.set_limit(CONNECTOR_ID, 5)
    house.open(None)
    await house.settle()
    assert house.limit is None


async def test_users_read_that_the_storage_throttles_and_the_status_is_at_rest(house: LimitHouse) -> None:
    house.open(50)
    await house.begin()
    counted = house.message(FIRST)
    await house.catalog.rates.report_throttled(CONNECTOR_ID, 30.0)
    await house.settle()
    assert house.message(FIRST) == (
        f"{counted}; the storage throttles and asked to be left alone until 2026-05-01T12:00:30Z"
    )
    house.clock.pass_seconds(10)
    writes = len(house.fake.writes)
    await house.settle()
    assert len(house.fake.writes) == writes
    house.clock.pass_seconds(22)
    await house.settle()
    assert house.message(FIRST).endswith("; the storage throttles: slowed down to 30 of 50 requests a second")
    house.clock.pass_seconds(20)
    await house.settle()
    assert house.message(FIRST) == counted

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
import structlog

from tests.support.samples import FrozenClock
from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.control.catalog_wakes import CatalogWakes
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import RunSpec

FIRST = ObjectKey("ImportJob", "media", "first")
FILMS = ObjectKey("Index", "media", "films")


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


class World:
    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.catalog = FakeCatalog(self.clock)
        self.queued: list[tuple[ObjectKey, float]] = []
        self.recoveries = 0
        self.wakes = CatalogWakes(
            self.catalog,
            lambda key, after: self.queued.append((key, after)),
            lambda key: FILMS if key == FIRST else None,
            self.recover,
        )

    def recover(self) -> None:
        self.recoveries += 1

    async def add_run(self, name: str = "first") -> None:
        await self.catalog.admit_run(
            RunSpec(f"job_{name}", "media", name, "idx_films", "conn_x", "s3://b", source={"provider": "s3"})
        )


async def until(wanted: Callable[[], bool], *tasks: Awaitable[None]) -> None:
    """Run the tasks until ``wanted`` or a deadline."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        async with asyncio.timeout(10):
            while not wanted():
                await asyncio.sleep(0.01)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_a_notification_wakes_the_import_and_its_index() -> None:
    world = World()

    async def change() -> None:
        while not world.queued:
            await world.add_run()
            world.catalog.set_run("job_first")
            await asyncio.sleep(0.02)

    await until(lambda: bool(world.queued), world.wakes.listen(), world.wakes.poll(), change())
    assert world.queued[:2] == [(FIRST, 0.0), (FILMS, 1.0)]


async def test_an_import_whose_index_is_not_known_wakes_alone() -> None:
    world = World()
    await world.add_run("other")
    await world.wakes._look()
    assert world.queued == [(ObjectKey("ImportJob", "media", "other"), 0.0)]


async def test_only_what_changed_lately_wakes() -> None:
    world = World()
    await world.add_run()
    world.clock.pass_seconds(timedelta(minutes=1).total_seconds())
    await world.wakes._look()
    assert world.queued == []


async def test_a_catalog_that_is_away_is_no_end() -> None:
    world = World()
    await world.add_run()
    world.catalog.outage = "no database"
    await world.wakes._look()
    assert world.queued == []
    world.catalog.outage = None
    await world.wakes._look()
    assert (FIRST, 0.0) in world.queued
    # Whatever waited for the catalog is looked at now, once.
    await world.wakes._look()
    assert world.recoveries == 1

"""An import that has ended stays ended, whatever is done to it and to what it names."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.samples import import_manifest, index_manifest
from tests.unit.reconcilers.import_house import FILMS, FIRST, FOOTAGE, ImportHouse


@pytest.fixture
def house() -> ImportHouse:
    return ImportHouse()


async def test_a_new_time_to_live_reaches_the_job_even_after_the_end(house: ImportHouse) -> None:
    await house.begin()
    await house.complete()
    house.fake.edit(FIRST, {"spec": {"ttlSecondsAfterFinished": 60}})
    await house.settle()
    assert house.job()["spec"]["ttlSecondsAfterFinished"] == 60
    assert (house.phase(), house.status(FIRST)["observedGeneration"]) == ("Completed", 2)


def pause_and_resume(house: ImportHouse) -> None:
    house.annotate(FIRST, paused="true")
    house.annotate(FIRST, paused=None)


AFTERLIFE: dict[str, Callable[[ImportHouse], object]] = {
    "its Job is deleted": lambda h: h.fake.delete(h.job_key),
    "a look is requested": lambda h: h.annotate(FIRST, requestedAt="again"),
    "its time to live is changed": lambda h: h.fake.edit(FIRST, {"spec": {"ttlSecondsAfterFinished": 5}}),
    "it is paused and resumed": pause_and_resume,
    "its Connector is changed": lambda h: h.fake.edit(FOOTAGE, {"spec": {"importMode": "new_only"}}),
    "its Index is deleted": lambda h: h.fake.delete(FILMS),
}


@pytest.mark.parametrize("name", AFTERLIFE)
async def test_an_import_that_has_ended_stays_ended_when(house: ImportHouse, name: str) -> None:
    await house.begin()
    await house.complete()
    jobs, events = house.jobs_made(), list(house.catalog.events)
    AFTERLIFE[name](house)
    house.restart()
    await house.settle()
    assert (house.phase(), house.jobs_made(), house.catalog.events) == ("Completed", jobs, events)


@pytest.mark.parametrize("change", ["requested", "ttl"])
async def test_an_import_stays_ended_when_the_catalog_has_lost_it(house: ImportHouse, change: str) -> None:
    """An Index with deletionPolicy Delete was deleted, and made anew: its old imports must not come back by themselves."""
    house.apply_all()
    house.fake.edit(FILMS, {"spec": {"deletionPolicy": "Delete"}})
    await house.settle()
    await house.complete()
    house.fake.delete(house.job_key)
    house.fake.delete(FILMS)
    await house.settle()
    assert await house.catalog.observe_run(house.run_id) is None
    house.fake.apply(index_manifest())
    if change == "requested":
        house.annotate(FIRST, requestedAt="again")
    else:
        house.fake.edit(FIRST, {"spec": {"ttlSecondsAfterFinished": 5}})
    await house.settle()
    assert (house.phase(), house.jobs_made()) == ("Completed", 1)
    assert house.status(FIRST)["progress"]["imported"] == 4


async def test_an_import_made_anew_is_another_run(house: ImportHouse) -> None:
    await house.begin()
    await house.complete()
    before = house.run_id
    house.fake.delete(FIRST)
    house.fake.apply(import_manifest())
    await house.settle()
    assert (house.run_id != before, house.phase(), house.jobs_made()) == (True, "Pending", 2)

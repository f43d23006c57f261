from __future__ import annotations

from typing import Literal

import pytest

from tests.support.house import House
from tests.support.samples import index_manifest
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import KindTotals
from videovector_operator.errors import ClusterError

FILMS = ObjectKey("Index", "media", "films")
ID = names.index_id("media", "films")


@pytest.fixture
def house() -> House:
    return House()


def finalizers(house: House) -> list[str]:
    found = house.fake.find(FILMS)
    assert found is not None
    return list(found["metadata"].get("finalizers", ()))


async def test_an_index_is_made_known_and_shows_its_totals(house: House) -> None:
    house.fake.apply(index_manifest(displayName="All films"))
    await house.look(FILMS)
    assert house.catalog.indexes == {ID: ("media", "films")}
    assert house.words(FILMS) == ("True", "IndexReady")
    house.catalog.set_totals(ID, {"video": KindTotals(3, 300)})
    await house.look(FILMS)
    status = house.status(FILMS)
    assert (status["media"]["total"], status["sizeBytes"], status["displayName"]) == (3, 300, "All films")
    assert finalizers(house) == []


async def test_a_look_that_finds_nothing_new_writes_nothing(house: House) -> None:
    house.fake.apply(index_manifest())
    await house.look(FILMS)
    house.clock.pass_seconds(600)
    await house.look(FILMS)
    assert len(house.fake.writes) == 1


async def test_the_finalizer_comes_and_goes_with_the_policy(house: House) -> None:
    house.fake.apply(index_manifest(deletionPolicy="Delete", meta={"finalizers": ["other/one"]}))
    await house.look(FILMS)
    assert finalizers(house) == ["other/one", names.CATALOG_CLEANUP]
    house.fake.edit(FILMS, {"spec": {"deletionPolicy": "Retain"}})
    await house.look(FILMS)
    assert finalizers(house) == ["other/one"]
    assert house.status(FILMS)["observedGeneration"] == 2


async def test_deleting_an_index_with_the_policy_delete_deletes_its_media_first(house: House) -> None:
    house.fake.apply(index_manifest(deletionPolicy="Delete"))
    await house.look(FILMS)
    house.catalog.set_totals(ID, {"video": KindTotals(3, 300)})
    house.fake.delete(FILMS)
    await house.look(FILMS)
    assert house.fake.find(FILMS) is None
    assert house.catalog.indexes == {}
    assert house.notices[-1][1].message == "3 media deleted from the catalog"


async def test_the_index_stays_until_its_media_are_deleted(house: House) -> None:
    house.fake.apply(index_manifest(deletionPolicy="Delete"))
    await house.look(FILMS)
    house.fake.delete(FILMS)
    house.catalog.outage = "no database"
    result = await house.look(FILMS)
    assert result.label == "retry"
    assert house.fake.find(FILMS) is not None
    house.catalog.outage = None
    await house.look(FILMS)
    assert house.fake.find(FILMS) is None


async def test_a_policy_that_changed_before_the_deletion_counts(house: House) -> None:
    house.fake.apply(index_manifest(deletionPolicy="Delete"))
    await house.look(FILMS)
    house.fake.edit(FILMS, {"spec": {"deletionPolicy": "Retain"}})
    house.fake.delete(FILMS)
    await house.look(FILMS)
    assert house.fake.find(FILMS) is None
    assert house.catalog.indexes == {ID: ("media", "films")}


async def test_an_index_that_somebody_else_holds_is_left_alone(house: House) -> None:
    house.fake.apply(index_manifest(meta={"finalizers": ["other/one"]}))
    house.fake.delete(FILMS)
    await house.look(FILMS)
    assert house.fake.writes == []
    assert house.catalog.indexes == {}


async def test_retained_media_are_found_again_by_an_index_of_the_same_name(house: House) -> None:
    house.fake.apply(index_manifest())
    await house.look(FILMS)
    house.catalog.set_totals(ID, {"image": KindTotals(2, 20)})
    house.fake.delete(FILMS)
    await house.look(FILMS)
    house.fake.apply(index_manifest())
    await house.look(FILMS)
    assert house.status(FILMS)["media"]["total"] == 2


async def test_somebody_elses_finalizer_is_never_lost(house: House) -> None:
    house.fake.apply(index_manifest(deletionPolicy="Delete"))
    hear, house.fake.on_change = house.fake.on_change, []
    house.fake.edit(FILMS, {"metadata": {"finalizers": ["other/one"]}})
    house.fake.on_change = hear
    assert (await house.look(FILMS)).label == "conflict"
    assert finalizers(house) == ["other/one"]
    await house.look(FILMS)
    assert finalizers(house) == ["other/one", names.CATALOG_CLEANUP]


@pytest.mark.parametrize("verb", ["patch", "patch_status"])
async def test_a_lost_write_is_repaired_by_the_next_look(house: House, verb: Literal["patch", "patch_status"]) -> None:
    house.fake.apply(index_manifest(deletionPolicy="Delete"))
    house.fake.fail(verb, ClusterError("down"))
    await house.look(FILMS)
    await house.look(FILMS)
    assert finalizers(house) == [names.CATALOG_CLEANUP]
    assert house.words(FILMS) == ("True", "IndexReady")


async def test_no_database_is_said_and_healed(house: House) -> None:
    house.fake.apply(index_manifest())
    house.catalog.outage = "no database"
    await house.look(FILMS)
    assert house.words(FILMS) == ("False", "CatalogUnavailable")
    house.catalog.outage = None
    await house.look(FILMS)
    assert house.words(FILMS) == ("True", "IndexReady")

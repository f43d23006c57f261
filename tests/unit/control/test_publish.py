from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.samples import index_manifest
from tests.support.watching import watch
from videovector_operator.api.v1alpha1.index import IndexStatus, MediaCounts
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.fake import FakeCluster, merge_patch
from videovector_operator.control.publish import build_merge_patch, dump_status, publish_status
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import Conflict

Json = dict[str, Any]
FILMS = ObjectKey("Index", "media", "films")
values = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@given(documents, documents)
def test_the_patch_applied_to_the_old_gives_the_new(old: Json, new: Json) -> None:
    assert merge_patch(old, build_merge_patch(old, new)) == new


@given(documents)
def test_equal_documents_need_no_patch(document: Json) -> None:
    assert build_merge_patch(document, document) == {}


def test_only_what_differs_is_in_the_patch() -> None:
    old = {"a": 1, "b": {"x": 1, "y": 2}, "c": [1], "gone": 1}
    new = {"a": 1, "b": {"x": 1, "y": 3}, "c": [1], "new": 2}
    assert build_merge_patch(old, new) == {"b": {"y": 3}, "new": 2, "gone": None}


def test_the_wire_form_has_neither_nulls_nor_empty_lists() -> None:
    assert dump_status(IndexStatus(media=MediaCounts(total=1))) == {
        "observedGeneration": -1,
        "media": {
            "total": 1,
            "video": {"count": 0, "sizeBytes": 0},
            "audio": {"count": 0, "sizeBytes": 0},
            "image": {"count": 0, "sizeBytes": 0},
        },
        "sizeBytes": 0,
    }


@pytest.fixture
def fake() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def cache(fake: FakeCluster) -> CachedCluster:
    return watch(fake)


STATUS = IndexStatus(id="idx_x", display_name="films")


async def test_a_status_is_written_once(fake: FakeCluster, cache: CachedCluster) -> None:
    uid = fake.apply(index_manifest())["metadata"]["uid"]
    assert await publish_status(cache, FILMS, uid, STATUS) is True
    assert await publish_status(cache, FILMS, uid, STATUS) is False
    assert [write.verb for write in fake.writes] == ["patch_status"]
    found = fake.find(FILMS)
    assert found is not None
    assert found["status"] == dump_status(STATUS)


async def test_somebody_elses_write_in_between_is_a_conflict(fake: FakeCluster, cache: CachedCluster) -> None:
    uid = fake.apply(index_manifest())["metadata"]["uid"]
    fake.on_change.clear()
    fake.edit(FILMS, {"spec": {"description": "changed"}})
    with pytest.raises(Conflict):
        await publish_status(cache, FILMS, uid, STATUS)


async def test_a_namesake_does_not_get_the_status_of_the_deleted(fake: FakeCluster, cache: CachedCluster) -> None:
    uid = fake.apply(index_manifest())["metadata"]["uid"]
    fake.delete(FILMS)
    assert await publish_status(cache, FILMS, uid, STATUS) is False
    fake.apply(index_manifest())
    assert await publish_status(cache, FILMS, uid, STATUS) is False
    assert fake.writes == []


async def test_an_object_that_is_gone_is_forgotten(fake: FakeCluster, cache: CachedCluster) -> None:
    uid = fake.apply(index_manifest())["metadata"]["uid"]
    fake.on_change.clear()
    fake.delete(FILMS)
    assert await publish_status(cache, FILMS, uid, STATUS) is False
    assert cache.peek(FILMS) is None

"""What the fake offers beyond the contract: injected errors, a log of writes, watchers."""

from __future__ import annotations

import pytest

from tests.support.samples import connector_manifest, index_manifest
from videovector_operator.cluster.fake import FakeCluster, Write, merge_patch
from videovector_operator.cluster.port import Cluster
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError, Conflict

FILMS = ObjectKey("Index", "media", "films")


@pytest.fixture
def fake() -> FakeCluster:
    return FakeCluster()


async def test_it_is_a_cluster(fake: FakeCluster) -> None:
    cluster: Cluster = fake
    assert await cluster.get(FILMS) is None


async def test_errors_strike_their_verb_and_kind_as_often_as_asked_and_write_nothing(fake: FakeCluster) -> None:
    fake.fail("create", ClusterError("down"), kind="Index", times=2)
    for _ in range(2):
        with pytest.raises(ClusterError, match="down"):
            await fake.create(index_manifest())
    assert fake.find(FILMS) is None
    assert await fake.create(index_manifest()) is not None
    fake.fail("get", ClusterError("down"), times=None)
    for _ in range(3):
        with pytest.raises(ClusterError):
            await fake.get(FILMS)
    fake.heal()
    assert await fake.get(FILMS) is not None


async def test_lists_fail_in_the_middle_too(fake: FakeCluster) -> None:
    for name in ("a", "b"):
        fake.apply(index_manifest(name))
    pages = fake.list_pages("Index", limit=1)
    await anext(pages)
    fake.fail("list", ClusterError("expired", 410))
    with pytest.raises(ClusterError, match="expired"):
        await anext(pages)


async def test_only_writes_through_the_port_that_wrote_are_logged(fake: FakeCluster) -> None:
    fake.apply(index_manifest())
    fake.edit(FILMS, {"spec": {"description": "x"}})
    fake.edit_status(FILMS, {"id": "x"})
    assert await fake.create(index_manifest()) is None
    assert fake.writes == []
    await fake.patch_status(FILMS, {"status": {"id": "y"}})
    assert fake.writes == [Write("patch_status", FILMS, {"status": {"id": "y"}})]


async def test_a_lost_answer_is_a_write_that_happened(fake: FakeCluster) -> None:
    def lose(_: Write) -> None:
        raise ClusterError("connection lost")

    fake.after_write = lose
    with pytest.raises(ClusterError):
        await fake.create(index_manifest())
    assert fake.find(FILMS) is not None


async def test_watchers_hear_of_everything_in_order(fake: FakeCluster) -> None:
    heard: list[tuple[str, str, str]] = []
    fake.on_change.append(lambda change, kind, body: heard.append((change, kind, body["metadata"]["name"])))
    fake.apply(index_manifest())
    await fake.patch(FILMS, {"spec": {"description": "x"}})
    await fake.patch(FILMS, {"spec": {"description": "x"}})
    fake.delete(FILMS)
    fake.delete(FILMS)
    assert heard == [("ADDED", "Index", "films"), ("MODIFIED", "Index", "films"), ("DELETED", "Index", "films")]


def test_users_cannot_do_what_makes_no_sense(fake: FakeCluster) -> None:
    fake.apply(connector_manifest())
    with pytest.raises(Conflict):
        fake.apply(connector_manifest())
    with pytest.raises(ClusterError, match="there is no Index media/films"):
        fake.edit(FILMS, {})


async def test_what_it_does_not_know_it_refuses(fake: FakeCluster) -> None:
    with pytest.raises(ClusterError, match="Strange"):
        await fake.get(ObjectKey("Strange", "media", "x"))
    fake.apply(index_manifest(meta={"labels": {"a": "b"}}))
    with pytest.raises(ClusterError, match="set-based"):
        await anext(fake.list_pages("Index", label_selector="a in (b)"))


def test_objects_that_are_handed_out_are_copies(fake: FakeCluster) -> None:
    applied = fake.apply(index_manifest(meta={"labels": {"a": "b"}}))
    applied["metadata"]["labels"]["a"] = "changed"
    found = fake.find(FILMS)
    assert found is not None
    assert found["metadata"]["labels"] == {"a": "b"}


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], {"a": "c"}, {"a": "c"}),
        ({"a": "foo"}, None, None),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396(target: object, patch: object, expected: object) -> None:
    assert merge_patch(target, patch) == expected

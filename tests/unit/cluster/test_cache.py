from __future__ import annotations

from typing import Any

import pytest

from tests.support.samples import connector_manifest, import_manifest, index_manifest
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.core.keys import ObjectKey

Json = dict[str, Any]
WATCHED = ("Connector", "Index", "ImportJob", "Job", "Secret")
FILMS = ObjectKey("Index", "media", "films")
KEYS = ObjectKey("Secret", "media", "keys")


@pytest.fixture
def fake() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def cache(fake: FakeCluster) -> CachedCluster:
    return CachedCluster(fake, WATCHED)


def body(version: str, uid: str = "u1", **spec: Any) -> Json:
    return index_manifest(meta={"uid": uid, "resourceVersion": version}, **spec)


def secret(name: str = "keys") -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "media"},
        "stringData": {"accessKeyId": "AKIA", "secretAccessKey": "hush"},
    }


STORED: dict[str, tuple[list[Json], bool, str]] = {
    "the first word": ([body("5")], True, "5"),
    "a newer word": ([body("5"), body("6")], True, "6"),
    "the same again": ([body("5"), body("5")], False, "5"),
    "an older word": ([body("6"), body("5")], False, "6"),
    "a number with more digits is newer": ([body("9"), body("10")], True, "10"),
    "a namesake": ([body("5"), body("6", uid="u2")], True, "6"),
    "a version that is no number": ([body("5"), body("x5")], True, "x5"),
}


@pytest.mark.parametrize("name", STORED)
def test_the_newest_wins(cache: CachedCluster, name: str) -> None:
    words, expected, version = STORED[name]
    assert [cache.store("Index", word) for word in words][-1] is expected
    known = cache.peek(FILMS)
    assert known is not None
    assert known["metadata"]["resourceVersion"] == version


async def test_a_known_object_is_not_asked_for(fake: FakeCluster, cache: CachedCluster) -> None:
    cache.store("Index", fake.apply(index_manifest()))
    assert await cache.get(FILMS) == fake.find(FILMS)
    assert fake.calls == []


async def test_an_unknown_one_is_asked_for_and_remembered(fake: FakeCluster, cache: CachedCluster) -> None:
    fake.apply(index_manifest())
    assert await cache.get(FILMS) == fake.find(FILMS)
    assert await cache.get(FILMS) == fake.find(FILMS)
    assert fake.calls == [("get", "Index")]


async def test_what_is_gone_is_forgotten_when_asked_for_live(fake: FakeCluster, cache: CachedCluster) -> None:
    cache.store("Index", fake.apply(index_manifest()))
    fake.delete(FILMS)
    assert await cache.get_live(FILMS) is None
    assert cache.peek(FILMS) is None
    assert cache.keys() == []


async def test_of_secrets_only_the_metadata_is_kept(fake: FakeCluster, cache: CachedCluster) -> None:
    cache.store("Secret", fake.apply(secret()))
    assert set(cache.peek(KEYS) or ()) == {"metadata"}
    live = await cache.get(KEYS)
    assert live is not None
    assert "data" in live
    assert fake.calls == [("get", "Secret")]
    assert "hush" not in repr(vars(cache))


async def test_kinds_that_are_not_watched_are_never_remembered(fake: FakeCluster, cache: CachedCluster) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "media"}, "spec": {}}
    assert await cache.create(pod) is not None
    assert [page async for page in cache.list_pages("Pod", "media")] == [fake.find_all("Pod")]
    assert cache.keys() == []
    assert await cache.get(ObjectKey("Pod", "media", "p")) is not None
    assert cache.peek(ObjectKey("Pod", "media", "p")) is None


async def test_our_own_writes_are_known_at_once(fake: FakeCluster, cache: CachedCluster) -> None:
    await cache.create(index_manifest())
    assert cache.peek(FILMS) == fake.find(FILMS)
    assert await cache.create(index_manifest()) is None
    await cache.patch(FILMS, {"spec": {"description": "x"}})
    assert cache.peek(FILMS) == fake.find(FILMS)
    await cache.patch_status(FILMS, {"status": {"id": "idx"}})
    assert cache.peek(FILMS) == fake.find(FILMS)
    fake.delete(FILMS)
    assert await cache.patch(FILMS, {"spec": {"description": "y"}}) is None
    assert await cache.patch_status(FILMS, {"status": {"id": "y"}}) is None


async def test_lists_are_remembered(fake: FakeCluster, cache: CachedCluster) -> None:
    fake.apply(index_manifest("a"))
    fake.apply(index_manifest("b"))
    assert [len(page) async for page in cache.list_pages("Index", limit=1)] == [1, 1]
    assert sorted(key.name for key in cache.keys("Index")) == ["a", "b"]
    assert cache.keys("Connector") == []


def test_managed_fields_are_dropped_and_the_given_object_is_left_alone(cache: CachedCluster) -> None:
    given = body("5")
    given["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    cache.store("Index", given)
    assert "managedFields" not in (cache.peek(FILMS) or {})["metadata"]
    assert "managedFields" in given["metadata"]


def seen(manifest: Json, version: int) -> Json:
    manifest["metadata"].update(uid="u", resourceVersion=str(version))
    return manifest


def test_references_are_found_followed_and_forgotten(cache: CachedCluster) -> None:
    def referring(name: str) -> list[str]:
        return sorted(key.name for key in cache.referring("ImportJob", "media", "connectorRef", name))

    for number, name in enumerate(("one", "two")):
        cache.store("ImportJob", seen(import_manifest(name), number + 1))
    cache.store("Connector", seen(connector_manifest(), 3))
    assert referring("footage") == ["one", "two"]
    assert cache.referring("Connector", "media", "credentialsSecretRef", "keys") == (
        ObjectKey("Connector", "media", "footage"),
    )
    assert cache.referring("ImportJob", "other", "connectorRef", "footage") == ()
    cache.store("ImportJob", seen(import_manifest("two", connectorRef={"name": "archive"}), 9))
    assert (referring("footage"), referring("archive")) == (["one"], ["two"])
    cache.forget(ObjectKey("ImportJob", "media", "one"))
    assert referring("footage") == []
    cache.forget(ObjectKey("ImportJob", "media", "one"))


def test_references_that_make_no_sense_are_ignored(cache: CachedCluster) -> None:
    cache.store("Index", body("5", oddRef="text", otherRef={"name": 3}, lastRef=None))
    no_spec = body("6")
    no_spec["spec"] = None
    assert cache.store("Index", no_spec)

from __future__ import annotations

import pytest

from tests.support.samples import import_manifest, index_manifest, make_connector, make_import
from tests.support.watching import watch
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.control.resync import resync
from videovector_operator.core.children import WorkerTemplate, build_import_job
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError

FILMS = ObjectKey("Index", "media", "films")
JOB = build_import_job(make_import(), make_connector(), WorkerTemplate(image="x"))


@pytest.fixture
def fake() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def cache(fake: FakeCluster) -> CachedCluster:
    return watch(fake)


async def run(cache: CachedCluster, *namespaces: str) -> list[str]:
    queued: list[ObjectKey] = []
    count = await resync(cache, namespaces, queued.append)
    assert count == len(queued)
    return [str(key) for key in queued]


async def test_everything_is_found_and_queued_but_jobs_only_remembered(fake: FakeCluster, cache: CachedCluster) -> None:
    fake.on_change.clear()
    fake.apply(index_manifest())
    fake.apply(import_manifest())
    fake.apply(JOB)
    assert await run(cache) == ["ImportJob media/first", "Index media/films"]
    remembered = cache.keys()
    assert {key.kind for key in remembered} == {"Index", "ImportJob", "Job"}


async def test_jobs_of_others_are_not_even_listed(fake: FakeCluster, cache: CachedCluster) -> None:
    fake.on_change.clear()
    fake.apply({**JOB, "metadata": {"name": "theirs", "namespace": "media"}})
    assert await run(cache) == []
    assert cache.keys() == []


async def test_a_missed_deletion_is_healed(fake: FakeCluster, cache: CachedCluster) -> None:
    fake.apply(index_manifest())
    fake.on_change.clear()
    fake.delete(FILMS)
    assert cache.peek(FILMS) is not None
    assert await run(cache) == []
    assert cache.peek(FILMS) is None


async def test_an_object_that_is_newer_than_the_list_is_not_forgotten(fake: FakeCluster, cache: CachedCluster) -> None:
    """Made after its kind was listed: it is in the cache by its watch event, and not in the list."""

    class Late(FakeCluster):
        def list_pages(self, kind, namespace=None, **selection):
            pages = super().list_pages(kind, namespace, **selection)
            return self._then_apply(pages) if kind == "Index" else pages

        async def _then_apply(self, pages):
            async for page in pages:
                yield page
            self.apply(index_manifest())

    late = Late()
    known = watch(late)
    known.store("Index", {**index_manifest(), "metadata": {"name": "films", "namespace": "media", "uid": "old"}})
    assert await run(known) == []
    assert known.peek(FILMS) == late.find(FILMS)


async def test_only_the_given_namespaces_are_listed(fake: FakeCluster, cache: CachedCluster) -> None:
    fake.on_change.clear()
    for namespace in ("a", "b", "c"):
        manifest = index_manifest()
        manifest["metadata"]["namespace"] = namespace
        fake.apply(manifest)
    assert await run(cache, "a", "c") == ["Index a/films", "Index c/films"]


async def test_an_api_that_does_not_answer_is_an_error_and_forgets_nothing(
    fake: FakeCluster, cache: CachedCluster
) -> None:
    fake.apply(index_manifest())
    fake.fail("list", ClusterError("down"), kind="Job")
    with pytest.raises(ClusterError):
        await run(cache)
    assert cache.peek(FILMS) is not None

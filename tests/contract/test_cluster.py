"""The cluster contract: one list of tests over the fake and a real API server."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import pytest

from tests.contract.cluster_worlds import FakeWorld, RealWorld, World
from videovector_operator.cluster.port import Cluster
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError, Conflict

pytest_plugins = ["tests.contract.cluster_servers"]
pytestmark = pytest.mark.contract

Json = dict[str, Any]


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def world(request: pytest.FixtureRequest) -> World:
    return FakeWorld() if request.param == "fake" else request.getfixturevalue("real_world")


def index(namespace: str, name: str = "films", **meta: Any) -> Json:
    return {
        "apiVersion": "videovector.io/v1alpha1",
        "kind": "Index",
        "metadata": {"name": name, "namespace": namespace, **meta},
        "spec": {"description": "first"},
    }


def index_key(namespace: str, name: str = "films") -> ObjectKey:
    return ObjectKey("Index", namespace, name)


def secret(namespace: str, name: str = "keys", **meta: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, **meta},
        "type": "Opaque",
        "stringData": {"dsn": "host=catalog"},
    }


async def create(cluster: Cluster, manifest: Json) -> Json:
    created = await cluster.create(manifest)
    assert created is not None
    return created


async def test_what_is_not_there_is_none_for_every_verb(world: World) -> None:
    key = index_key(world.namespace, "nobody")
    assert await world.cluster.get(key) is None
    assert await world.cluster.patch(key, {"spec": {"description": "x"}}) is None
    assert await world.cluster.patch_status(key, {"status": {"id": "x"}}) is None


async def test_a_created_object_has_uid_version_generation_and_the_defaults_of_its_crd(world: World) -> None:
    created = await create(world.cluster, index(world.namespace) | {"status": {"id": "forged"}})
    assert created["metadata"]["uid"]
    assert created["metadata"]["resourceVersion"].isdigit()
    assert created["metadata"]["creationTimestamp"].endswith("Z")
    assert created["metadata"]["generation"] == 1
    assert created["spec"]["deletionPolicy"] == "Retain"
    assert created["status"] == {"observedGeneration": -1}
    assert await world.cluster.get(index_key(world.namespace)) == created


async def test_creating_twice_is_none_and_changes_nothing(world: World) -> None:
    created = await create(world.cluster, index(world.namespace))
    assert await world.cluster.create(index(world.namespace) | {"spec": {"description": "second"}}) is None
    assert await world.cluster.get(index_key(world.namespace)) == created


async def test_generation_counts_changes_of_the_spec_alone(world: World) -> None:
    key = index_key(world.namespace)
    await create(world.cluster, index(world.namespace))
    labelled = await world.cluster.patch(key, {"metadata": {"labels": {"team": "a"}}})
    assert labelled is not None
    assert labelled["metadata"]["generation"] == 1
    published = await world.cluster.patch_status(key, {"status": {"id": "idx_1"}})
    assert published is not None
    assert published["metadata"]["generation"] == 1
    changed = await world.cluster.patch(key, {"spec": {"description": "second"}})
    assert changed is not None
    assert changed["metadata"]["generation"] == 2
    versions = [int(body["metadata"]["resourceVersion"]) for body in (labelled, published, changed)]
    assert versions == sorted(set(versions))


async def test_a_patch_repeated_leaves_the_version(world: World) -> None:
    key = index_key(world.namespace)
    await create(world.cluster, index(world.namespace))
    patch: Json = {"spec": {"description": "second"}}
    first = await world.cluster.patch(key, patch)
    assert await world.cluster.patch(key, patch) == first
    status: Json = {"status": {"id": "idx_1"}}
    first = await world.cluster.patch_status(key, status)
    assert await world.cluster.patch_status(key, status) == first


async def test_null_removes_and_objects_merge(world: World) -> None:
    key = index_key(world.namespace)
    await create(world.cluster, index(world.namespace, labels={"a": "1", "b": "2"}))
    patched = await world.cluster.patch(key, {"metadata": {"labels": {"a": None, "c": "3"}}})
    assert patched is not None
    assert patched["metadata"]["labels"] == {"b": "2", "c": "3"}
    emptied = await world.cluster.patch(key, {"spec": {"description": None}})
    assert emptied is not None
    assert emptied["spec"] == {"deletionPolicy": "Retain"}


async def test_status_and_the_rest_are_written_apart(world: World) -> None:
    key = index_key(world.namespace)
    await create(world.cluster, index(world.namespace))
    both: Json = {"spec": {"description": "changed"}, "status": {"id": "idx_1"}}
    main = await world.cluster.patch(key, both)
    assert main is not None
    assert (main["spec"]["description"], main["status"]) == ("changed", {"observedGeneration": -1})
    published = await world.cluster.patch_status(key, {"spec": {"description": "again"}, "status": {"id": "idx_1"}})
    assert published is not None
    assert (published["spec"]["description"], published["status"]["id"]) == ("changed", "idx_1")


@pytest.mark.parametrize("verb", ["patch", "patch_status"])
async def test_a_stale_resource_version_is_a_conflict_and_writes_nothing(world: World, verb: str) -> None:
    key = index_key(world.namespace)
    created = await create(world.cluster, index(world.namespace))
    newer = await world.cluster.patch(key, {"metadata": {"labels": {"a": "1"}}})
    stale = {"resourceVersion": created["metadata"]["resourceVersion"]}
    with pytest.raises(Conflict):
        await getattr(world.cluster, verb)(
            key, {"metadata": stale, "spec": {"description": "x"}, "status": {"id": "x"}}
        )
    assert await world.cluster.get(key) == newer


@pytest.mark.parametrize("verb", ["patch", "patch_status"])
async def test_the_present_resource_version_and_uid_let_a_patch_through(world: World, verb: str) -> None:
    key = index_key(world.namespace)
    meta = (await create(world.cluster, index(world.namespace)))["metadata"]
    right = {"resourceVersion": meta["resourceVersion"], "uid": meta["uid"]}
    written = await getattr(world.cluster, verb)(
        key, {"metadata": right, "spec": {"description": "x"}, "status": {"id": "x"}}
    )
    assert written["metadata"]["resourceVersion"] != meta["resourceVersion"]
    assert written["metadata"]["uid"] == meta["uid"]


async def test_the_uid_of_a_namesake_is_a_conflict_and_writes_nothing(world: World) -> None:
    key = index_key(world.namespace)
    created = await create(world.cluster, index(world.namespace))
    wrong = {"uid": "11111111-2222-4333-8444-555555555555"}
    with pytest.raises(Conflict):
        await world.cluster.patch(key, {"metadata": wrong, "spec": {"description": "x"}})
    assert await world.cluster.get(key) == created


async def test_the_uid_is_no_guard_of_a_status(world: World) -> None:
    key = index_key(world.namespace)
    created = await create(world.cluster, index(world.namespace))
    wrong = {"uid": "11111111-2222-4333-8444-555555555555"}
    written = await world.cluster.patch_status(key, {"metadata": wrong, "status": {"id": "x"}})
    assert written is not None
    assert (written["metadata"]["uid"], written["status"]["id"]) == (created["metadata"]["uid"], "x")


async def test_the_uid_of_a_namesake_is_a_conflict_for_jobs_too(world: World) -> None:
    await create(world.cluster, job(world.namespace))
    key = ObjectKey("Job", world.namespace, "work")
    wrong = {"uid": "11111111-2222-4333-8444-555555555555"}
    with pytest.raises(Conflict):
        await world.cluster.patch(key, {"metadata": wrong, "spec": {"suspend": False}})


def job(namespace: str) -> Json:
    container = {"name": "worker", "image": "registry.invalid/worker:1"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "work", "namespace": namespace, "labels": {"videovector.io/run-id": "job_1"}},
        "spec": {
            "suspend": True,
            "ttlSecondsAfterFinished": 60,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


async def test_a_job_can_be_let_go_and_given_another_time_to_live(world: World) -> None:
    key = ObjectKey("Job", world.namespace, "work")
    created = await create(world.cluster, job(world.namespace))
    assert created["metadata"]["generation"] == 1
    patched = await world.cluster.patch(
        key, {"metadata": {"uid": created["metadata"]["uid"]}, "spec": {"suspend": False, "ttlSecondsAfterFinished": 7}}
    )
    assert patched is not None
    assert (patched["spec"]["suspend"], patched["spec"]["ttlSecondsAfterFinished"]) == (False, 7)
    assert patched["metadata"]["generation"] > 1


async def test_the_status_of_others_is_seen_and_its_write_is_a_new_version(world: World) -> None:
    key = index_key(world.namespace)
    created = await create(world.cluster, index(world.namespace))
    world.edit_status(key, {"id": "idx_9"})
    seen = await world.cluster.get(key)
    assert seen is not None
    assert seen["status"] == {"observedGeneration": -1, "id": "idx_9"}
    assert int(seen["metadata"]["resourceVersion"]) > int(created["metadata"]["resourceVersion"])


async def test_a_secret_written_as_text_is_read_as_base64_and_has_no_generation(world: World) -> None:
    await create(world.cluster, secret(world.namespace))
    read = await world.cluster.get(ObjectKey("Secret", world.namespace, "keys"))
    assert read is not None
    assert read["data"] == {"dsn": base64.b64encode(b"host=catalog").decode()}
    assert "stringData" not in read
    assert "generation" not in read["metadata"]


async def test_lists_come_in_pages_in_order_and_hold_everything_once(world: World) -> None:
    names = [f"films-{number:02d}" for number in range(7)]
    for name in reversed(names):
        await create(world.cluster, index(world.namespace, name))
    pages = [page async for page in world.cluster.list_pages("Index", world.namespace, limit=3)]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [body["metadata"]["name"] for page in pages for body in page] == names
    everywhere = [body async for page in world.cluster.list_pages("Index") for body in page]
    mine = [body for body in everywhere if body["metadata"]["namespace"] == world.namespace]
    assert [body["metadata"]["name"] for body in mine] == names


async def test_an_empty_list_is_no_error(world: World) -> None:
    pages = [list(page) async for page in world.cluster.list_pages("Secret", world.namespace)]
    assert pages == [[]]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", ["a", "b", "c"]),
        ("team=red", ["a"]),
        ("team==red", ["a"]),
        ("team!=red", ["b", "c"]),
        ("team", ["a", "b"]),
        ("!team", ["c"]),
        ("team,role=io", ["b"]),
        ("videovector.io/run-id=job_1", ["c"]),
    ],
)
async def test_label_selectors(world: World, selector: str, expected: list[str]) -> None:
    await create(world.cluster, index(world.namespace, "a", labels={"team": "red"}))
    await create(world.cluster, index(world.namespace, "b", labels={"team": "blue", "role": "io"}))
    await create(world.cluster, index(world.namespace, "c", labels={"videovector.io/run-id": "job_1"}))
    pages = [page async for page in world.cluster.list_pages("Index", world.namespace, label_selector=selector)]
    assert [body["metadata"]["name"] for page in pages for body in page] == expected


def event(namespace: str, name: str, uid: str, reason: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {"apiVersion": "batch/v1", "kind": "Job", "namespace": namespace, "name": "job", "uid": uid},
        "reason": reason,
        "message": "Error creating: somebody is against it",
        "type": "Warning",
    }


async def test_events_are_selected_by_what_they_tell_of(world: World) -> None:
    await create(world.cluster, event(world.namespace, "a", "1", "FailedCreate"))
    await create(world.cluster, event(world.namespace, "b", "1", "SuccessfulCreate"))
    await create(world.cluster, event(world.namespace, "c", "2", "FailedCreate"))
    selector = "involvedObject.uid=1,reason=FailedCreate"
    pages = [page async for page in world.cluster.list_pages("Event", world.namespace, field_selector=selector)]
    assert [body["metadata"]["name"] for page in pages for body in page] == ["a"]


async def test_a_deleted_object_is_gone_and_its_name_is_free_for_another_uid(world: World) -> None:
    key = index_key(world.namespace)
    first = await create(world.cluster, index(world.namespace))
    world.delete(key)
    assert await world.cluster.get(key) is None
    second = await create(world.cluster, index(world.namespace))
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert second["metadata"]["generation"] == 1


async def test_a_finalizer_holds_a_deleted_object_until_it_is_taken_off(world: World) -> None:
    key = index_key(world.namespace)
    await create(world.cluster, index(world.namespace, finalizers=["videovector.io/catalog-cleanup"]))
    world.delete(key)
    held = await world.cluster.get(key)
    assert held is not None
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["generation"] == 2
    freed = await world.cluster.patch(key, {"metadata": {"finalizers": []}})
    assert freed is not None
    assert "finalizers" not in freed["metadata"]
    assert await world.cluster.get(key) is None


async def test_what_an_object_owns_goes_with_it(world: World) -> None:
    owner = await create(world.cluster, index(world.namespace))
    reference = {
        "apiVersion": "videovector.io/v1alpha1",
        "kind": "Index",
        "name": "films",
        "uid": owner["metadata"]["uid"],
    }
    await create(world.cluster, secret(world.namespace, ownerReferences=[reference]))
    world.delete(index_key(world.namespace))
    # The garbage collector of a real cluster looks for new CRDs every 30 s, and takes as long again to know their objects.
    deadline = time.monotonic() + 100
    while await world.cluster.get(ObjectKey("Secret", world.namespace, "keys")) is not None:
        assert time.monotonic() < deadline, "the garbage collector did not take the Secret"
        await asyncio.sleep(0.05)


@pytest.mark.cluster
async def test_a_refusal_says_what_the_api_server_says(real_world: RealWorld) -> None:
    wrong = index(real_world.namespace) | {"spec": {"deletionPolicy": "Burn"}}
    with pytest.raises(ClusterError, match="deletionPolicy") as caught:
        await real_world.cluster.create(wrong)
    assert (caught.value.status, caught.value.reason) == (422, "Invalid")
    with pytest.raises(ClusterError, match="not found") as caught:
        await real_world.cluster.create(index("no-such-namespace"))
    assert caught.value.status == 404


@pytest.mark.cluster
async def test_every_write_waits_for_a_permit_and_every_call_is_told(real_world: RealWorld) -> None:
    key = index_key(real_world.namespace)
    await create(real_world.cluster, index(real_world.namespace))
    assert await real_world.cluster.create(index(real_world.namespace)) is None
    await real_world.cluster.get(key)
    await real_world.cluster.patch(key, {"spec": {"description": "x"}})
    await real_world.cluster.patch_status(key, {"status": {"id": "x"}})
    assert real_world.permits == 4
    assert real_world.calls == [
        ("POST", "Index", 201),
        ("POST", "Index", 409),
        ("GET", "Index", 200),
        ("PATCH", "Index", 200),
        ("PATCH", "Index", 200),
    ]

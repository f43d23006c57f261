"""The worker Job of an import: what is made for it, and what its troubles do to the run."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from tests.support.house import DSN
from tests.unit.reconcilers.import_house import FIRST, ImportHouse, Json
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError


@pytest.fixture
def house() -> ImportHouse:
    return ImportHouse()


async def test_the_secret_is_there_before_the_pods_and_belongs_to_the_job(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    writes = [(w.verb, w.key.kind) for w in house.fake.writes if w.key.kind in ("Job", "Secret")]
    assert writes == [("create", "Job"), ("create", "Secret"), ("patch", "Job")]
    secret = house.fake.find(ObjectKey("Secret", "media", names.catalog_secret_name(house.job_key.name)))
    assert secret is not None
    assert base64.b64decode(secret["data"]["dsn"]).decode() == DSN
    assert secret["metadata"]["ownerReferences"][0]["uid"] == house.job()["metadata"]["uid"]
    house.fake.delete(FIRST)
    assert house.fake.find_all("Job") == []
    assert [body["metadata"]["name"] for body in house.fake.find_all("Secret")] == ["keys"]


async def test_the_catalogs_password_is_in_that_secret_alone(house: ImportHouse) -> None:
    await house.begin()
    shown = [house.fake.find_all(kind) for kind in ("Job", "ImportJob", "Connector", "Index")]
    assert "catalog-password" not in str((shown, house.notices))


PODS: dict[str, tuple[Json, str]] = {
    "an image that cannot be pulled": (
        {"waiting": {"reason": "ImagePullBackOff"}},
        "no worker is running: pod pod-1: ImagePullBackOff: the image cannot be pulled",
    ),
    "too little memory": (
        {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
        "no worker is running: pod pod-1: OOMKilled: out of memory",
    ),
}


@pytest.mark.parametrize("name", PODS)
async def test_a_worker_that_does_not_start_says_why(house: ImportHouse, name: str) -> None:
    state, words = PODS[name]
    house.apply_all()
    await house.settle()
    house.job_status(active=1)
    house.pod(state)
    result = await house.look(FIRST)
    assert house.words(FIRST) == ("Unknown", "WorkerNotStarting")
    assert house.message(FIRST).startswith(words)
    assert result.requeue_after == 3.0


def refusal(house: ImportHouse, **parts: object) -> Json:
    """What the Job controller says when it may not create a pod."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "media"},
        "involvedObject": {"kind": "Job", "name": house.job_key.name, "uid": house.job()["metadata"]["uid"]},
        "reason": "FailedCreate",
        "message": 'Error creating: pods "vv-x" is forbidden: exceeded quota: small',
        "lastTimestamp": "2026-01-01T00:00:00Z",
        **parts,
    }


def start(house: ImportHouse, *, seconds_ago: int) -> None:
    """The Job controller has seen that the Job was let go."""
    started = house.clock() - timedelta(seconds=seconds_ago)
    house.job_status(startTime=started.strftime("%Y-%m-%dT%H:%M:%SZ"))


async def test_pods_that_the_namespace_refuses_say_why(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    house.fake.apply(refusal(house))
    start(house, seconds_ago=60)
    result = await house.look(FIRST)
    assert house.words(FIRST) == ("Unknown", "WorkerNotStarting")
    words = "no worker is running: the namespace refuses its pods: pods is forbidden: exceeded quota: small. Ask"
    assert house.message(FIRST).startswith(words)
    assert result.requeue_after == 30.0, "whoever asks for Events has the API server read all of the namespace's"

    house.job_status(active=1)
    await house.look(FIRST)
    assert house.words(FIRST) == ("Unknown", "Pending"), "an old Event says nothing of pods that are there"


@pytest.mark.parametrize(
    "parts", [{"reason": "SuccessfulCreate"}, {"involvedObject": {"kind": "Job", "name": "x", "uid": "another"}}]
)
async def test_events_of_others_and_other_events_are_not_its_trouble(house: ImportHouse, parts: Json) -> None:
    house.apply_all()
    await house.settle()
    house.fake.apply(refusal(house, **parts))
    start(house, seconds_ago=60)
    await house.look(FIRST)
    assert house.words(FIRST) == ("Unknown", "Pending")


async def test_a_job_that_has_just_been_let_go_costs_no_question_for_events(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    house.fake.apply(refusal(house))
    start(house, seconds_ago=1)
    result = await house.look(FIRST)
    assert (house.words(FIRST), result.requeue_after) == (("Unknown", "Pending"), 3.0)


async def test_events_that_cannot_be_read_stop_nothing(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    start(house, seconds_ago=60)
    house.fake.fail("list", ClusterError("no right", 403, "Forbidden"), kind="Event")
    await house.look(FIRST)
    assert house.words(FIRST) == ("Unknown", "Pending")


async def test_a_job_that_failed_ends_the_run_and_says_why(house: ImportHouse) -> None:
    await house.begin()
    house.pod({"terminated": {"reason": "OOMKilled", "exitCode": 137}})
    house.job_ends("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Failed", ("False", "WorkerFailed"))
    assert "specified backoff limit; pod pod-1: OOMKilled" in house.message(FIRST)
    assert f"kubectl logs job/{house.job_key.name}" in house.message(FIRST)
    assert house.conditions(FIRST) == {"Ready": "False", "Stalled": "True", "Succeeded": "False"}


async def test_a_job_that_completed_after_the_run_is_no_failure(house: ImportHouse) -> None:
    await house.begin()
    house.work(total=1, imported=1)
    house.catalog.finish(house.run_id)
    house.job_ends("Complete")
    await house.settle()
    assert house.phase() == "Completed"


async def test_the_reason_of_the_worker_goes_before_the_jobs(house: ImportHouse) -> None:
    await house.begin()
    house.catalog.fail(house.run_id, "SourceUnusable", "the bucket is gone")
    house.job_ends("Failed", "PodFailurePolicy")
    await house.settle()
    assert (house.words(FIRST), house.message(FIRST)) == (("False", "SourceUnusable"), "the bucket is gone")


async def test_a_job_deleted_in_the_middle_is_made_again(house: ImportHouse) -> None:
    await house.begin()
    house.fake.delete(house.job_key)
    await house.settle()
    assert (house.jobs_made(), house.job()["spec"]["suspend"]) == (2, False)
    secrets = [body["metadata"]["name"] for body in house.fake.find_all("Secret")]
    assert names.catalog_secret_name(house.job_key.name) in secrets


async def test_a_job_that_is_going_is_waited_for(house: ImportHouse) -> None:
    await house.begin()
    house.fake.edit(house.job_key, {"metadata": {"finalizers": ["foreground"]}})
    house.fake.delete(house.job_key)
    result = await house.look(FIRST)
    assert (house.jobs_made(), result.requeue_after) == (1, 3.0)
    house.fake.edit(house.job_key, {"metadata": {"finalizers": []}})
    await house.settle()
    assert house.jobs_made() == 2


async def test_a_job_of_somebody_else_under_our_name_is_left_alone(house: ImportHouse) -> None:
    house.apply_all()
    foreign = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"suspend": True}}
    house.fake.apply({**foreign, "metadata": {"name": house.job_key.name, "namespace": "media"}})
    await house.settle()
    assert house.job()["spec"] == {"suspend": True}
    assert house.writes_of("Job") == []

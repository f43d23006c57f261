from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog

from tests.support.house import DSN, House, secret_manifest
from tests.support.samples import connector_manifest, import_manifest, index_manifest
from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import FileOutcome, RunCounters, RunState
from videovector_operator.errors import ClusterError
from videovector_operator.storage.fake import FakeStorage
from videovector_operator.storage.port import Action

Json = dict[str, Any]
FOOTAGE = ObjectKey("Connector", "media", "footage")
FILMS = ObjectKey("Index", "media", "films")
FIRST = ObjectKey("ImportJob", "media", "first")


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


class ImportHouse(House):
    """A House with one import in it, and what the Job controller and the workers do."""

    def apply_all(self, **spec: Any) -> None:
        for manifest in (secret_manifest(), connector_manifest(), index_manifest(), import_manifest(**spec)):
            self.fake.apply(manifest)

    @property
    def run_id(self) -> str:
        found = self.fake.find(FIRST)
        assert found is not None
        return names.import_run_id(found["metadata"]["uid"])

    @property
    def job_key(self) -> ObjectKey:
        found = self.fake.find(FIRST)
        assert found is not None
        return ObjectKey("Job", "media", names.import_job_name(found["metadata"]["uid"], 1))

    def job(self) -> Json:
        found = self.fake.find(self.job_key)
        assert found is not None
        return found

    def job_status(self, **status: Any) -> None:
        self.fake.edit_status(self.job_key, status)

    def job_ends(self, kind: str, reason: str = "", message: str = "") -> None:
        condition = {"type": kind, "status": "True", "reason": reason, "message": message}
        self.job_status(conditions=[condition], active=None, ready=None)

    def pod(self, state: Json, name: str = "pod-1") -> None:
        labels = {"batch.kubernetes.io/job-name": self.job_key.name}
        meta = {"name": name, "namespace": "media", "labels": labels}
        self.fake.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}})
        self.fake.edit_status(ObjectKey("Pod", "media", name), {"containerStatuses": [{"state": state}]})

    def work(self, *, total: int = 4, imported: int = 0, failed: int = 0, scan_done: bool = True) -> None:
        """What workers report."""
        self.catalog.start(self.run_id)
        self.catalog.set_run(
            self.run_id,
            state=RunState.IMPORTING if scan_done else RunState.SCANNING,
            scan_done=scan_done,
            counters=RunCounters(total=total, imported=imported, failed=failed, bytes_transferred=imported * 10),
        )

    async def begin(self, **spec: Any) -> None:
        """An import whose worker runs."""
        self.apply_all(**spec)
        await self.settle()
        self.job_status(active=1, ready=1)
        self.work(scan_done=False)
        await self.settle()

    async def complete(self) -> None:
        self.work(total=4, imported=4)
        self.catalog.finish(self.run_id)
        await self.settle()

    def phase(self) -> str:
        return str(self.status(FIRST)["phase"])

    def jobs_made(self) -> int:
        return sum(write.verb == "create" for write in self.writes_of("Job"))


@pytest.fixture
def house() -> ImportHouse:
    return ImportHouse()


async def test_the_life_of_an_import(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Pending", ("Unknown", "Pending"))
    assert house.job()["spec"]["suspend"] is False
    assert house.status(FIRST)["jobName"] == house.job_key.name
    house.job_status(active=1, ready=1)
    house.work(scan_done=False)
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Scanning", ("Unknown", "Scanning"))
    house.clock.pass_seconds(10)
    house.work(total=4, imported=2, failed=1)
    house.catalog.set_run(house.run_id, failed_files=(FileOutcome("in/b.mp4", "UnreadableMedia", "broken", 1),))
    await house.settle()
    progress = house.status(FIRST)["progress"]
    assert (house.phase(), progress["imported"], progress["failed"]) == ("Importing", 2, 1)
    assert (progress["filesPerSecond"], progress["eta"]) == ("0.3", "2026-05-01T12:00:13Z")
    assert house.status(FIRST)["failedFiles"][0]["reason"] == "UnreadableMedia"
    house.work(total=4, imported=3, failed=1)
    house.catalog.finish(house.run_id)
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Completed", ("True", "CompletedWithFailures"))
    assert house.conditions(FIRST) == {"Ready": "True", "Succeeded": "True"}
    assert house.status(FILMS)["lastImport"]["name"] == "first"
    assert house.jobs_made() == 1


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


def without_secret(house: ImportHouse) -> None:
    house.fake.delete(ObjectKey("Secret", "media", "keys"))


def refuse(house: ImportHouse) -> None:
    def deny(storage: FakeStorage) -> None:
        storage.deny(Action.LIST)

    house.prepare_storage = deny


BLOCKED: dict[str, tuple[Callable[[ImportHouse], object], tuple[str, str], Callable[[ImportHouse], object]]] = {
    "there is no Connector": (
        lambda h: h.fake.delete(FOOTAGE),
        ("False", "ConnectorNotFound"),
        lambda h: h.fake.apply(connector_manifest()),
    ),
    "there is no Index": (
        lambda h: h.fake.delete(FILMS),
        ("False", "IndexNotFound"),
        lambda h: h.fake.apply(index_manifest()),
    ),
    "the Connector has the wrong scope": (
        lambda h: h.fake.edit(FOOTAGE, {"spec": {"scopes": ["export"]}}),
        ("False", "ScopeNotAllowed"),
        lambda h: h.fake.edit(FOOTAGE, {"spec": {"scopes": ["import"]}}),
    ),
    "the Connector lacks its Secret": (
        without_secret,
        ("Unknown", "ConnectorNotReady"),
        lambda h: h.fake.apply(secret_manifest()),
    ),
    "it is paused": (
        lambda h: h.annotate(FIRST, paused="true"),
        ("Unknown", "Paused"),
        lambda h: h.annotate(FIRST, paused=None),
    ),
}


@pytest.mark.parametrize("name", BLOCKED)
async def test_it_waits_until_the_obstacle_is_gone(house: ImportHouse, name: str) -> None:
    block, words, heal = BLOCKED[name]
    house.apply_all()
    block(house)
    await house.settle()
    assert house.words(FIRST) == words
    assert await house.catalog.observe_run(house.run_id) is None
    assert house.fake.find_all("Job") == []
    heal(house)
    await house.settle()
    assert house.words(FIRST) == ("Unknown", "Pending")
    assert house.jobs_made() == 1


async def test_cancelled_before_it_began_it_never_begins(house: ImportHouse) -> None:
    house.apply_all(cancel=True)
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Cancelled", ("False", "Cancelled"))
    house.clock.pass_seconds(600)
    await house.settle()
    assert house.fake.find_all("Job") == []
    assert house.status(FIRST)["completedAt"] == "2026-05-01T12:00:00Z"


async def test_a_running_import_is_cancelled_by_its_workers(house: ImportHouse) -> None:
    await house.begin()
    house.fake.edit(FIRST, {"spec": {"cancel": True}})
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Scanning", ("Unknown", "Cancelling"))
    run = await house.catalog.observe_run(house.run_id)
    assert run is not None
    assert run.cancel_requested
    house.catalog.set_run(house.run_id, scan_done=True)
    house.catalog.finish(house.run_id)
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Cancelled", ("False", "Cancelled"))


async def test_an_import_that_no_worker_has_begun_is_cancelled_at_once(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    house.fake.edit(FIRST, {"spec": {"cancel": True}})
    await house.settle()
    assert house.phase() == "Cancelled"


async def test_a_paused_import_is_suspended_and_goes_on(house: ImportHouse) -> None:
    await house.begin()
    house.annotate(FIRST, paused="true")
    await house.settle()
    assert (house.phase(), house.job()["spec"]["suspend"]) == ("Paused", True)
    house.job_status(active=None, ready=None)
    await house.settle()
    assert house.words(FIRST) == ("Unknown", "Paused")
    house.annotate(FIRST, paused=None)
    await house.settle()
    assert (house.phase(), house.job()["spec"]["suspend"]) == ("Scanning", False)


async def test_a_cancellation_goes_through_a_pause(house: ImportHouse) -> None:
    await house.begin()
    house.annotate(FIRST, paused="true")
    await house.settle()
    house.fake.edit(FIRST, {"spec": {"cancel": True}})
    await house.settle()
    assert house.words(FIRST) == ("Unknown", "Cancelling")
    assert house.job()["spec"]["suspend"] is False


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


async def test_an_import_outlives_its_connector(house: ImportHouse) -> None:
    await house.begin()
    house.fake.delete(FOOTAGE)
    await house.settle()
    assert house.phase() == "Scanning"
    await house.complete()
    assert house.phase() == "Completed"


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


async def test_an_import_that_goes_while_somebody_holds_it_is_cancelled(house: ImportHouse) -> None:
    await house.begin(meta={"finalizers": ["other/one"]})
    house.fake.delete(FIRST)
    await house.look(FIRST)
    run = await house.catalog.observe_run(house.run_id)
    assert run is not None
    assert run.cancel_requested


async def test_a_catalog_that_is_away_is_said_and_takes_nothing_back(house: ImportHouse) -> None:
    await house.begin()
    house.catalog.outage = "no database"
    assert (await house.look(FIRST)).label == "retry"
    assert house.words(FIRST) == ("False", "CatalogUnavailable")
    assert (house.phase(), house.conditions(FIRST)["Succeeded"]) == ("Scanning", "Unknown")
    house.catalog.outage = None
    await house.settle()
    assert house.words(FIRST) == ("Unknown", "Scanning")


async def test_looks_that_find_nothing_new_write_nothing(house: ImportHouse) -> None:
    await house.begin()
    writes = len(house.fake.writes)
    house.clock.pass_seconds(300)
    house.restart()
    await house.look(FIRST)
    assert len(house.fake.writes) == writes


async def test_a_running_import_is_looked_at_again_as_a_backup(house: ImportHouse) -> None:
    await house.begin()
    assert (await house.look(FIRST)).requeue_after == 15.0
    await house.complete()
    assert (await house.look(FIRST)).requeue_after is None


async def test_events_tell_the_story(house: ImportHouse) -> None:
    await house.begin()
    await house.complete()
    told = [notice.reason.value for key, notice in house.notices if key == FIRST]
    assert [word for word in told if word != "ConnectorNotReady"] == ["JobCreated", "Pending", "Completed"]


class Killed(BaseException):
    """The process is gone: nothing catches it."""


async def live(house: ImportHouse) -> None:
    """A whole life, with whatever faults the house has."""
    house.apply_all()
    await house.settle()
    house.job_status(active=1, ready=1)
    house.work(scan_done=False)
    await house.settle()
    await house.complete()


def final_state(house: ImportHouse) -> Json:
    """All that must be the same however often the operator died on the way."""
    status = {name: value for name, value in house.status(FIRST).items() if name != "id"}
    jobs = [body["spec"] for body in house.fake.find_all("Job")]
    return {"status": status, "jobs": jobs, "secrets": len(house.fake.find_all("Secret")), "index": house.status(FILMS)}


@pytest.fixture
async def undisturbed() -> tuple[Json, int]:
    house = ImportHouse()
    await live(house)
    return final_state(house), len(house.fake.writes)


@pytest.mark.parametrize("how", ["killed", "answer lost"])
async def test_dying_after_any_single_write_changes_nothing_in_the_end(undisturbed: tuple[Json, int], how: str) -> None:
    expected, writes = undisturbed
    assert writes >= 8
    for number in range(1, writes + 1):
        house = ImportHouse()
        strike_at(house, number, Killed() if how == "killed" else ClusterError("connection lost"))
        await live(house)
        assert final_state(house) == expected, f"died after write {number}: {house.fake.writes[number - 1]}"
        assert house.jobs_made() == 1
        assert len(house.catalog.events) == 2


class DyingCatalog(FakeCatalog):
    """A catalog whose caller dies once, right after the named method has done its work."""

    def __init__(self, house: ImportHouse, method: str) -> None:
        super().__init__(house.clock)
        done = getattr(self, method)

        async def do_and_die(*arguments: Any, **options: Any) -> Any:
            await done(*arguments, **options)
            delattr(self, method)
            raise Killed

        setattr(self, method, do_and_die)


async def cancelled_life(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    house.job_status(active=1, ready=1)
    house.work(scan_done=False)
    house.fake.edit(FIRST, {"spec": {"cancel": True}})
    await house.settle()
    house.catalog.set_run(house.run_id, scan_done=True)
    house.catalog.finish(house.run_id)
    await house.settle()


async def failed_life(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    house.job_status(active=1, ready=1)
    house.work(scan_done=False)
    house.job_ends("Failed", "BackoffLimitExceeded", "too many")
    await house.settle()


@pytest.mark.parametrize(
    ("method", "life", "phase"),
    [
        ("ensure_index", live, "Completed"),
        ("admit_run", live, "Completed"),
        ("request_cancel", cancelled_life, "Cancelled"),
        ("end_run", failed_life, "Failed"),
    ],
)
async def test_dying_after_any_write_to_the_catalog_changes_nothing_in_the_end(
    method: str, life: Callable[[ImportHouse], Awaitable[None]], phase: str
) -> None:
    plain, house = ImportHouse(), ImportHouse()
    await life(plain)
    house.catalog = DyingCatalog(house, method)
    house.restart()
    die_when_killed(house)
    await life(house)
    assert method not in vars(house.catalog), "it did not die"
    assert (house.phase(), final_state(house)) == (phase, final_state(plain))
    assert house.catalog.events == plain.catalog.events
    assert house.jobs_made() == 1


def strike_at(house: ImportHouse, number: int, error: BaseException) -> None:
    """Let the ``number``-th write be the last thing that the process does; then a new one takes over."""

    def strike(_: object) -> None:
        if len(house.fake.writes) == number:
            raise error

    house.fake.after_write = strike
    die_when_killed(house)


def die_when_killed(house: ImportHouse) -> None:
    """Let a new process take over when the present one is killed."""
    look = house.look

    async def look_or_die(key: ObjectKey) -> Any:
        try:
            return await look(key)
        except Killed:
            house.restart()
            return await look(key)

    house.look = look_or_die  # type: ignore[method-assign]  # the test's own double


async def test_a_connector_that_an_older_crd_let_in_is_waited_for(house: ImportHouse) -> None:
    house.apply_all()
    endpoint = "https://storage.example.com?sv=1&sig=c2VjcmV0"
    house.fake.edit(FOOTAGE, {"spec": {"s3": {"endpoint": endpoint}}})
    await house.look(FOOTAGE)
    await house.look(FIRST)
    assert house.words(FOOTAGE) == ("False", "InvalidSpec")
    assert house.words(FIRST) == ("Unknown", "ConnectorNotReady")
    assert "Connector 'footage' cannot be read" in house.message(FIRST)
    assert "c2VjcmV0" not in str(house.statuses)
    house.fake.edit(FOOTAGE, {"spec": {"s3": {"endpoint": None}}})
    await house.settle()
    assert house.words(FIRST) == ("Unknown", "Pending")

"""Connector and Secret deleted together (kubectl delete -f, helm uninstall, a pruned Argo app) while imports use them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.certificates import make_certificate
from tests.support.house import House, secret_manifest
from tests.support.samples import connector_manifest, import_manifest, index_manifest
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import RunCounters, RunState

Json = dict[str, Any]
FOOTAGE = ObjectKey("Connector", "media", "footage")
KEYS = ObjectKey("Secret", "media", "keys")
AUTHORITIES = ObjectKey("ConfigMap", "media", "authorities")
FIRST = ObjectKey("ImportJob", "media", "first")
LOSSES = [KEYS, AUTHORITIES]


def authorities() -> Json:
    """A CA bundle of the user's."""
    meta = {"name": "authorities", "namespace": "media"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": make_certificate()}}


class LossHouse(House):
    """A House with one import whose Connector and what it names are going to be deleted."""

    @property
    def uid(self) -> str:
        return str((self.fake.find(FIRST) or {})["metadata"]["uid"])

    @property
    def run_id(self) -> str:
        return names.import_run_id(self.uid)

    @property
    def job_key(self) -> ObjectKey:
        return ObjectKey("Job", "media", names.import_job_name(self.uid, 1))

    async def begin(self, *, has_worked: bool = False) -> None:
        """The Job is there, and the kubelet has not started its pod; or a pod has worked, and its node is drained."""
        bundle = {"kind": "ConfigMap", "name": "authorities", "key": "ca.crt"}
        for manifest in (
            secret_manifest(),
            connector_manifest(caBundleRef=bundle),
            index_manifest(),
            import_manifest(),
        ):
            self.fake.apply(manifest)
        self.fake.apply(authorities())
        await self.settle()
        self.fake.edit_status(self.job_key, {"active": 1})
        if has_worked:
            self.catalog.start(self.run_id)
            self.catalog.set_run(self.run_id, state=RunState.IMPORTING, counters=RunCounters(total=9, imported=4))
        await self.settle()

    def lose(self, *keys: ObjectKey) -> None:
        for key in keys:
            self.fake.delete(key)

    async def outlast(self, seconds: int) -> None:
        """Look every three seconds, as the operator does."""
        for _ in range(seconds // 3):
            await self.look(FIRST)
            self.clock.pass_seconds(3)

    def phase(self) -> str:
        return str(self.status(FIRST)["phase"])

    def told(self) -> list[tuple[str, str]]:
        return [(notice.type, notice.reason.value) for key, notice in self.notices if key == FIRST]


@pytest.fixture
def house() -> LossHouse:
    return LossHouse()


@pytest.mark.parametrize("missing", LOSSES)
@pytest.mark.parametrize("has_worked", [False, True])
async def test_a_run_without_connector_and_access_fails_after_a_while(
    house: LossHouse, missing: ObjectKey, has_worked: bool
) -> None:
    await house.begin(has_worked=has_worked)
    house.lose(FOOTAGE, missing)
    result = await house.look(FIRST)
    name = f"{missing.kind} {missing.name!r}"
    assert (house.words(FIRST), result.requeue_after) == (("False", "WorkerNotStarting"), 3.0)
    assert house.conditions(FIRST) == {"Ready": "False", "Reconciling": "True", "Succeeded": "Unknown"}
    assert house.message(FIRST).startswith(f"no worker is running: {name}, which the pods need, is not there")
    assert f"the run goes on with the access it began with only if {name} is there again by " in house.message(FIRST)

    await house.outlast(300)
    assert house.words(FIRST) == ("False", "WorkerNotStarting")
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Failed", ("False", "ConnectorDeleted"))
    assert house.conditions(FIRST) == {"Ready": "False", "Stalled": "True", "Succeeded": "False"}
    assert house.message(FIRST).startswith(
        f"Connector 'footage' is gone, and {name}, which the pods need, has not been"
    )
    assert house.told()[-3:] == [
        ("Warning", "ConnectorDeleted"),
        ("Warning", "WorkerNotStarting"),
        ("Warning", "ConnectorDeleted"),
    ]
    job = house.fake.find(house.job_key)
    assert job is not None
    assert job["spec"]["activeDeadlineSeconds"] == 1, "its Job is ended too"
    run = await house.catalog.observe_run(house.run_id)
    assert run is not None
    assert (run.state, run.counters.imported) == (RunState.FAILED, 4 if has_worked else 0)


async def test_looks_at_a_run_that_waits_for_its_access_write_nothing(house: LossHouse) -> None:
    await house.begin()
    house.lose(FOOTAGE, KEYS)
    await house.look(FIRST)
    writes = len(house.fake.writes)
    await house.outlast(200)
    assert len(house.fake.writes) == writes


async def test_the_time_outlives_the_operator(house: LossHouse) -> None:
    await house.begin()
    house.lose(FOOTAGE, KEYS)
    await house.outlast(150)
    house.restart()
    house.clock.pass_seconds(149)
    await house.look(FIRST)
    assert house.words(FIRST) == ("False", "WorkerNotStarting")
    house.restart()
    house.clock.pass_seconds(1)
    await house.settle()
    assert house.words(FIRST) == ("False", "ConnectorDeleted")


async def test_a_secret_that_comes_back_in_time_lets_the_run_go_on(house: LossHouse) -> None:
    await house.begin()
    house.lose(FOOTAGE, KEYS)
    await house.outlast(297)
    house.fake.apply(secret_manifest())
    await house.look(FIRST)
    assert house.words(FIRST) == ("Unknown", "Pending")
    assert house.message(FIRST).endswith("Connector 'footage' is gone: the run goes on with the access it began with")
    assert house.told().count(("Warning", "ConnectorDeleted")) == 1
    await house.outlast(600)
    assert house.words(FIRST) == ("Unknown", "Pending")

    house.lose(KEYS)
    await house.outlast(297)
    assert house.words(FIRST) == ("False", "WorkerNotStarting"), "the time has begun anew"


async def test_a_connector_that_comes_back_in_time_lets_the_run_wait(house: LossHouse) -> None:
    await house.begin()
    house.lose(FOOTAGE, KEYS)
    await house.outlast(297)
    house.fake.apply(connector_manifest())
    await house.outlast(600)
    assert house.words(FIRST) == ("Unknown", "WorkerNotStarting")
    assert "is gone" not in house.message(FIRST)


async def test_a_pod_that_works_is_left_alone(house: LossHouse) -> None:
    await house.begin(has_worked=True)
    house.fake.edit_status(house.job_key, {"active": 2, "ready": 1})
    house.lose(FOOTAGE, KEYS)
    await house.outlast(900)
    assert house.words(FIRST) == ("Unknown", "Importing")
    house.catalog.set_run(house.run_id, scan_done=True, counters=RunCounters(total=4, imported=4))
    house.catalog.finish(house.run_id)
    await house.settle()
    assert house.phase() == "Completed"


async def test_pods_that_wait_for_something_else_are_left_alone(house: LossHouse) -> None:
    await house.begin()
    labels = {"batch.kubernetes.io/job-name": house.job_key.name}
    pod = {"name": "pod-1", "namespace": "media", "labels": labels}
    house.fake.apply({"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": {}})
    waiting = {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}
    house.fake.edit_status(ObjectKey("Pod", "media", "pod-1"), waiting)
    house.lose(FOOTAGE)
    await house.outlast(900)
    assert house.words(FIRST) == ("Unknown", "WorkerNotStarting")


async def test_a_connector_that_somebody_holds_until_its_runs_are_over_does_not_hang(house: LossHouse) -> None:
    await house.begin()
    house.fake.edit(FOOTAGE, {"metadata": {"finalizers": ["other/one"]}})
    house.lose(FOOTAGE, KEYS)
    await house.outlast(300)
    assert "Connector 'footage' is being deleted: the run goes on" in house.message(FIRST)
    await house.settle()
    assert (house.phase(), house.words(FIRST)) == ("Failed", ("False", "ConnectorDeleted"))
    assert house.message(FOOTAGE) == "being deleted; no run uses it any more"


async def test_a_paused_run_waits_until_it_goes_on(house: LossHouse) -> None:
    await house.begin()
    house.annotate(FIRST, paused="true")
    house.lose(FOOTAGE, KEYS)
    await house.outlast(900)
    assert house.words(FIRST) == ("Unknown", "Paused")
    house.annotate(FIRST, paused=None)
    await house.outlast(300)
    assert house.words(FIRST) == ("False", "WorkerNotStarting")
    await house.outlast(9)
    assert house.words(FIRST) == ("False", "ConnectorDeleted")


async def test_an_outage_of_the_catalog_does_not_count(house: LossHouse) -> None:
    await house.begin()
    house.catalog.outage = "no database"
    await house.look(FIRST)
    house.clock.pass_seconds(900)
    house.lose(FOOTAGE, KEYS)
    house.catalog.outage = None
    await house.outlast(300)
    assert house.words(FIRST) == ("False", "WorkerNotStarting")
    await house.outlast(9)
    assert house.words(FIRST) == ("False", "ConnectorDeleted")


async def test_a_cancelled_run_ends_as_cancelled(house: LossHouse) -> None:
    await house.begin(has_worked=True)
    house.lose(FOOTAGE, KEYS)
    await house.outlast(60)
    house.fake.edit(FIRST, {"spec": {"cancel": True}})
    await house.settle()
    assert house.words(FIRST) == ("False", "Cancelled")

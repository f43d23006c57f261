"""A house with one import in it, and what the Job controller and the workers do."""

from __future__ import annotations

from typing import Any

from tests.support.house import House, secret_manifest
from tests.support.samples import connector_manifest, import_manifest, index_manifest
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import RunCounters, RunState

Json = dict[str, Any]
FOOTAGE = ObjectKey("Connector", "media", "footage")
FILMS = ObjectKey("Index", "media", "films")
FIRST = ObjectKey("ImportJob", "media", "first")


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

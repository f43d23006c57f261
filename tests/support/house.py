"""The operator in miniature: real reconcilers and processor over fakes, driven one look at a time.

Every status that is published on the way is checked against the rules of kstatus and Flux.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.kstatus import check_status, check_step
from tests.support.samples import NAMESPACE, FrozenClock
from tests.support.watching import watch
from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.cluster.fake import FakeCluster, Write
from videovector_operator.control.process import Processor, Result
from videovector_operator.control.routes import WATCHED_KINDS
from videovector_operator.core import names
from videovector_operator.core.children import WorkerTemplate
from videovector_operator.core.import_status import ListsHint
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.notices import Notice
from videovector_operator.reconcilers.connector import ConnectorReconciler
from videovector_operator.reconcilers.importjob import ImportJobReconciler
from videovector_operator.reconcilers.index import IndexReconciler
from videovector_operator.reconcilers.run_queues import RunQueues
from videovector_operator.reconcilers.worker_job import WorkerJobs
from videovector_operator.storage.fake import FakeStorage
from videovector_operator.storage.port import S3Source, Source

Json = dict[str, Any]
DSN = "host=catalog password=catalog-password"
CUSTOM = ("Connector", "Index", "ImportJob")


def secret_manifest(name: str = "keys", data: dict[str, str] | None = None) -> Json:
    """The Secret of a Connector."""
    text = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "top-secret-key"} if data is None else data
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": text,
    }


class House:
    """Everything that a reconciler sees, and the processor that runs it."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.fake = FakeCluster()
        self.catalog = FakeCatalog(self.clock)
        self.storages: list[FakeStorage] = []
        self.sources: list[S3Source] = []
        self.prepare_storage: Callable[[FakeStorage], None] = lambda _: None
        self.notices: list[tuple[ObjectKey, Notice]] = []
        self.statuses: list[Json] = []
        self.restart()

    def restart(self) -> None:
        """A new process: nothing is remembered but what the API server and the catalog hold."""
        self.queues = RunQueues()
        self.fake.on_change.clear()
        self.cache = watch(self.fake, self.queues.hear)
        for kind in WATCHED_KINDS:
            for body in self.fake.find_all(kind):
                self.cache.store(kind, body)
        workers = WorkerJobs(self.cache, WorkerTemplate(image="videovector-operator:1"), DSN)
        imports = ImportJobReconciler(
            self.cache, self.catalog, self.clock, workers, self.queues, hint=ListsHint("files {run}")
        )
        self.processor = Processor(
            cluster=self.cache,
            reconcilers={
                "Connector": ConnectorReconciler(
                    self.cache, self._open_storage, self.clock, self.queues.use_of
                ).reconcile,
                "Index": IndexReconciler(self.cache, self.catalog, self.clock).reconcile,
                "ImportJob": imports.reconcile,
            },
            record=lambda key, _, notice: self.notices.append((key, notice)),
            clock=self.clock,
            random_unit=lambda: 0.5,
        )

    @property
    def write_prefixes(self) -> list[str | None]:
        """Where the connection tests wrote; None = nowhere."""
        return [prefix for storage in self.storages for prefix in storage.write_prefixes]

    def _open_storage(self, source: Source) -> FakeStorage:
        assert isinstance(source, S3Source)
        storage = FakeStorage(source.bucket)
        storage.put("in/a.mp4", b"1234")
        self.prepare_storage(storage)
        self.storages.append(storage)
        self.sources.append(source)
        return storage

    async def look(self, key: ObjectKey) -> Result:
        """One look at one object; its status must be in order afterwards, and so must the step to it."""
        before = self.fake.find(key)
        result = await self.processor.process(key)
        after = self.fake.find(key)
        if after is not None and result.label != "conflict":
            self.statuses.append(after["status"])
            if "conditions" in after["status"] and not after["metadata"].get("deletionTimestamp"):
                assert check_status(after, end_of_pass=result.label == "ok") == [], key
            assert check_step(before, after) == [], key
        return result

    async def settle(self, rounds: int = 6) -> None:
        """Look at everything until nothing is written any more."""
        for _ in range(rounds):
            writes = len(self.fake.writes)
            for kind in CUSTOM:
                for body in self.fake.find_all(kind):
                    await self.look(ObjectKey(kind, NAMESPACE, body["metadata"]["name"]))
            if len(self.fake.writes) == writes:
                return
        raise AssertionError(f"still writing after {rounds} rounds: {self.fake.writes[-3:]}")

    def status(self, key: ObjectKey) -> Json:
        found = self.fake.find(key)
        assert found is not None, key
        status: Json = found["status"]
        return status

    def words(self, key: ObjectKey) -> tuple[str, str]:
        """Status and reason of Ready."""
        condition = next(c for c in self.status(key)["conditions"] if c["type"] == "Ready")
        return condition["status"], condition["reason"]

    def message(self, key: ObjectKey) -> str:
        return str(next(c["message"] for c in self.status(key)["conditions"] if c["type"] == "Ready"))

    def conditions(self, key: ObjectKey) -> dict[str, str]:
        return {c["type"]: c["status"] for c in self.status(key)["conditions"]}

    def annotate(self, key: ObjectKey, **annotations: str | None) -> None:
        """Set (None: take off) annotations of ours."""
        wanted = {f"{names.GROUP}/{name}": value for name, value in annotations.items()}
        self.fake.edit(key, {"metadata": {"annotations": wanted}})

    def writes_of(self, kind: str) -> list[Write]:
        return [write for write in self.fake.writes if write.key.kind == kind]

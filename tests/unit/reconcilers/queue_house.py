"""A house with several imports of one Connector, and what the Job controller and the workers do."""

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
KEYS = ObjectKey("Secret", "media", "keys")


def key(name: str) -> ObjectKey:
    return ObjectKey("ImportJob", "media", name)


class QueueHouse(House):
    """A House with a Connector that allows two runs, and what happens to runs and their Jobs."""

    def open(self, *imports: str, limit: int | None = 2, **meta: Any) -> None:
        more: Json = {} if limit is None else {"maxConcurrentRuns": limit}
        for manifest in (secret_manifest(), connector_manifest(**more), index_manifest()):
            self.fake.apply(manifest)
        for name in imports:
            self.fake.apply(import_manifest(name, meta=meta))

    def uid(self, name: str) -> str:
        return str((self.fake.find(key(name)) or {})["metadata"]["uid"])

    def job_key(self, name: str) -> ObjectKey:
        return ObjectKey("Job", "media", names.import_job_name(self.uid(name), 1))

    def run_id(self, name: str) -> str:
        return names.import_run_id(self.uid(name))

    def begin(self, name: str) -> None:
        """A worker runs."""
        self.fake.edit_status(self.job_key(name), {"active": 1, "ready": 1})
        self.catalog.start(self.run_id(name))

    def finish(self, name: str) -> None:
        """The run has ended, its pod not yet."""
        self.catalog.start(self.run_id(name))
        self.catalog.set_run(self.run_id(name), state=RunState.IMPORTING, scan_done=True, counters=RunCounters())
        self.catalog.finish(self.run_id(name))

    def end_job(self, name: str) -> None:
        complete = {"type": "Complete", "status": "True"}
        self.fake.edit_status(self.job_key(name), {"active": None, "ready": None, "conditions": [complete]})

    async def complete(self, name: str) -> None:
        self.finish(name)
        self.end_job(name)
        await self.settle()

    def limit(self, limit: int | None) -> None:
        self.fake.edit(FOOTAGE, {"spec": {"maxConcurrentRuns": limit}})

    def reasons(self) -> dict[str, str]:
        return {body["metadata"]["name"]: self.words(key(body["metadata"]["name"]))[1] for body in self.imports()}

    def imports(self) -> list[Json]:
        return self.fake.find_all("ImportJob")

    def positions(self) -> dict[str, int]:
        found = {body["metadata"]["name"]: body["status"].get("queuePosition") for body in self.imports()}
        return {name: position for name, position in found.items() if position is not None}

    def jobs_in_order(self) -> list[str]:
        """Names of the imports in the order in which their Jobs were made."""
        owners = [
            write.body["metadata"]["ownerReferences"][0]["name"]
            for write in self.writes_of("Job")
            if write.verb == "create"
        ]
        return [str(owner) for owner in owners]

    def unfinished(self) -> int:
        return sum(not (job.get("status") or {}).get("conditions") for job in self.fake.find_all("Job"))

    def told(self, about: ObjectKey) -> list[tuple[str, str]]:
        return [(notice.type, notice.reason.value) for found, notice in self.notices if found == about]

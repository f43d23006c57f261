from __future__ import annotations

from typing import Any

import pytest

from tests.support.samples import connector_manifest, import_manifest, index_manifest, ready_status
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.control.queue import WorkQueue
from videovector_operator.control.routes import WATCHED_KINDS
from videovector_operator.control.triggers import Triggers
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.turns import Place
from videovector_operator.reconcilers.run_entries import Stand
from videovector_operator.reconcilers.run_queues import RunQueues

Json = dict[str, Any]
FOOTAGE = ObjectKey("Connector", "media", "footage")
FILMS = ObjectKey("Index", "media", "films")


def key(name: str) -> ObjectKey:
    return ObjectKey("ImportJob", "media", name)


class Desk:
    """An API server, the operator's cache of it, and what asks for looks."""

    def __init__(self) -> None:
        self.fake = FakeCluster()
        self.queues = RunQueues()
        self.cache = CachedCluster(self.fake, WATCHED_KINDS, self.queues.hear)
        self.departed: list[str] = []
        self.triggers = Triggers(self.cache, self.queues, self.departed.append)
        # Time stands still: what is to come later does not come while a test looks at what is due.
        self.triggers.tests = WorkQueue(clock=lambda: 0.0)
        self.triggers.others = WorkQueue(clock=lambda: 0.0)
        self.fake.on_change.append(lambda change, kind, body: self.triggers.changed(kind, change, body))

    def apply_all(self) -> None:
        self.fake.apply(connector_manifest())
        self.fake.apply(index_manifest())
        for name in ("zebra", "ant", "bee"):
            self.fake.apply(import_manifest(name))

    async def looks(self) -> list[str]:
        """Take everything that is to be looked at now."""
        found = []
        for queue in (self.triggers.tests, self.triggers.others):
            found += [str(taken) for taken in await take(queue)]
        return found


async def take(queue: WorkQueue[ObjectKey]) -> list[ObjectKey]:
    taken = []
    while queue.depth:
        taken.append(await queue.get())
        queue.done(taken[-1])
    return taken


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def leader(desk: Desk) -> Desk:
    desk.apply_all()
    desk.triggers.lead()
    await desk.looks()
    for name in ("zebra", "ant", "bee"):
        desk.queues.settle(key(name), Stand.QUEUED)
    await desk.looks()
    return desk


async def test_a_standby_asks_for_nothing_and_a_leader_for_all_in_the_order_it_came(desk: Desk) -> None:
    desk.apply_all()
    assert await desk.looks() == []
    desk.triggers.lead()
    assert await desk.looks() == [
        "Connector media/footage",
        "Index media/films",
        "ImportJob media/zebra",
        "ImportJob media/ant",
        "ImportJob media/bee",
    ]


async def test_what_a_connector_shows_of_its_use_wakes_nobody_else(leader: Desk) -> None:
    leader.fake.edit_status(FOOTAGE, {**ready_status(), "activeRuns": 1})
    assert await leader.looks() == [
        "Connector media/footage",
        "ImportJob media/zebra",
        "ImportJob media/ant",
        "ImportJob media/bee",
    ], "it became ready"
    leader.fake.edit_status(FOOTAGE, {**ready_status(), "activeRuns": 2})
    assert await leader.looks() == ["Connector media/footage"]
    leader.triggers.wrote(FOOTAGE)
    assert await leader.looks() == []


async def test_another_limit_is_heard_by_all(leader: Desk) -> None:
    leader.fake.edit(FOOTAGE, {"spec": {"maxConcurrentRuns": 5}})
    assert len(await leader.looks()) == 4


async def test_the_long_rest_of_a_queue_does_not_keep_its_first_waiting(desk: Desk) -> None:
    desk.fake.apply(connector_manifest())
    for number in range(25):
        desk.fake.apply(import_manifest(f"run-{number:02}"))
    desk.triggers.lead()
    await desk.looks()
    for number in range(25):
        desk.queues.settle(key(f"run-{number:02}"), Stand.QUEUED)
    await desk.looks()
    desk.fake.edit(FOOTAGE, {"spec": {"maxConcurrentRuns": 5}})
    assert await desk.looks() == [
        "Connector media/footage",
        *(f"ImportJob media/run-{number:02}" for number in range(10)),
    ]
    assert desk.triggers.others.delayed == 15


async def test_what_an_index_holds_wakes_nobody_else(leader: Desk) -> None:
    leader.fake.edit_status(FILMS, {"media": {"total": 5}})
    assert await leader.looks() == ["Index media/films"]


async def test_imports_hear_of_the_end_and_the_return_of_what_they_name(leader: Desk) -> None:
    for manifest, deleted in ((connector_manifest(), FOOTAGE), (index_manifest(), FILMS)):
        leader.fake.delete(deleted)
        assert len(await leader.looks()) == 4
        leader.fake.apply(manifest)
        assert len(await leader.looks()) == 4


async def test_imports_whose_index_has_come_are_asked_before_others_begin(leader: Desk) -> None:
    leader.fake.delete(FILMS)
    leader.queues.settle(key("zebra"), Stand.ASIDE)
    leader.fake.apply(index_manifest())
    assert leader.queues.place_of(key("ant")) == Place(1, is_certain=False)


async def test_counts_are_written_a_little_later(leader: Desk) -> None:
    leader.queues.settle(key("zebra"), Stand.RUNNING)
    assert await leader.looks() == ["ImportJob media/ant", "ImportJob media/bee"]
    assert leader.triggers.tests.delayed == 1


async def test_a_deleted_import_departs(leader: Desk) -> None:
    uid = (leader.fake.find(key("ant")) or {})["metadata"]["uid"]
    leader.fake.delete(key("ant"))
    assert leader.departed == [uid]


async def test_jobs_of_strangers_are_kept_in_mind_only_while_somebody_asked_for_them(leader: Desk) -> None:
    stranger = ObjectKey("Job", "media", "x")
    leader.fake.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x", "namespace": "media"}})
    assert leader.cache.peek(stranger) is None
    await leader.cache.get(stranger)
    leader.fake.edit(stranger, {"spec": {"suspend": True}})
    assert (leader.cache.peek(stranger) or {})["spec"] == {"suspend": True}
    leader.fake.delete(stranger)
    assert leader.cache.peek(stranger) is None


async def test_many_looks_are_spread_over_some_seconds(leader: Desk) -> None:
    leader.triggers.spread([key(f"run-{number}") for number in range(100)])
    assert (await leader.looks(), leader.triggers.others.delayed) == ([], 100)
    leader.triggers.spread([])


async def test_the_index_of_an_import_is_known(leader: Desk) -> None:
    assert leader.triggers.index_of(key("ant")) == FILMS
    assert leader.triggers.index_of(key("nobody")) is None


async def test_after_an_outage_of_the_catalog_all_who_need_it_are_looked_at(leader: Desk) -> None:
    leader.triggers.look_at_catalog_users()
    assert len(await leader.looks()) == 4

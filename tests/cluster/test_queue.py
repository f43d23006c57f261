"""Many imports of one Connector that allows few at a time, while operators die: never too many, always in order, all in the end.

`QUEUE_SEED` repeats a run: it decides when operators are killed.
"""

from __future__ import annotations

import functools
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.support.audio import make_wav
from tests.support.job_watcher import JobWatcher
from tests.support.kstatus import compute_kstatus
from tests.support.local_kubelet import LocalKubelet
from tests.support.nursery import shared_nursery
from tests.support.operator_process import OperatorProcess
from tests.support.world import StateRecorder, World, condition, is_ready, is_stalled

LIMIT = 3


def _fill(s3, namespace: str, count: int) -> list[str]:
    """One small file in a folder of its own for each import; answers the names of the imports, whose five groups and those in
    a group are not in the order of the alphabet."""
    names = [f"{'edcba'[number * 5 // count]}{'zyx'[number % 3]}-import-{number:02}" for number in range(count)]
    for number, name in enumerate(names):
        s3.put_object(Bucket="media", Key=f"{namespace}/{name}/tone.wav", Body=make_wav(number))
    return names


def _apply_imports(world: World, names: list[str], seconds_between_groups: float = 0) -> None:
    for number, name in enumerate(names):
        if number and name[0] != names[number - 1][0]:
            time.sleep(seconds_between_groups)
        spec = {
            "connectorRef": {"name": "archive"},
            "indexRef": {"name": "films"},
            "sourcePrefix": f"{world.namespace}/{name}/",
        }
        world.create("ImportJob", name, spec)


def _apply_before_any_begins(world: World, names: list[str]) -> None:
    """For tests in which an operator is at work already: one that is seen alone would begin before others of the same second
    that go before it by their names."""
    _allow(world, "export")
    _apply_imports(world, names)
    for name in names:
        world.wait("ImportJob", name, is_stalled)
    _allow(world, "import")


def _allow(world: World, scope: str) -> None:
    assert world.patch("Connector", "archive", {"spec": {"scopes": [scope]}})[0] == 200
    world.wait("Connector", "archive", is_ready)


def _order(world: World) -> list[str]:
    """First come, first served: by creationTimestamp, then by name."""
    found = [(job["metadata"]["creationTimestamp"], job["metadata"]["name"]) for job in world.list("ImportJob")]
    return [name for _, name in sorted(found)]


def _phases(world: World) -> list[str]:
    return [(job.get("status") or {}).get("phase", "") for job in world.list("ImportJob")]


def _describe(world: World, dsn: str) -> str:
    """What a failure shows."""
    lines = [
        f"{job['metadata']['name']}: {(job.get('status') or {}).get('phase')} {condition(job, 'Ready').get('message')}"
        for job in world.list("ImportJob")
    ]
    lines += [
        f"Job of {job['metadata']['ownerReferences'][0]['name']}: {job['spec'].get('suspend')} {job['status']}"
        for job in world.list("Job")
        if not job["status"].get("completionTime")
    ]
    lines += [
        f"Pod {pod['metadata']['name']}: {pod['status']}"
        for pod in world.list("Pod")
        if pod["status"]["phase"] in ("Pending", "Running")
    ]
    with psycopg.connect(dsn) as connection:
        lines += [
            str(row)
            for row in connection.execute("SELECT name, state, reason FROM runs WHERE state <> 'completed'").fetchall()
        ]
    return "\n".join(lines)


def _wait(what: str, until: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _assert_all_imported_once(world: World, dsn: str, names: list[str]) -> None:
    progress = [job["status"]["progress"] for job in world.list("ImportJob")]
    assert [(p["imported"], p["failed"], p["totalFiles"]) for p in progress] == [(1, 0, 1)] * len(names)
    with psycopg.connect(dsn) as connection:
        paths = [row[0] for row in connection.execute("SELECT path FROM media ORDER BY path").fetchall()]
        events = connection.execute("SELECT count(*) FROM events WHERE type = 'media.created'").fetchone()
        runs = connection.execute("SELECT state, count(*) FROM runs GROUP BY state").fetchall()
    assert paths == sorted(f"{world.namespace}/{name}/tone.wav" for name in names)
    assert events == (len(names),)
    assert runs == [("completed", len(names))]


@pytest.fixture
def limited(world: World, connector_spec: dict, credentials: dict) -> World:
    world.create("Connector", "archive", {**connector_spec, "maxConcurrentRuns": LIMIT})
    world.create("Index", "films", {})
    return world


class Lives:
    """Operators, one after the other, each with a Lease of its own: the one before is dead, so the next need not wait for it."""

    def __init__(self, kubeconfig: Path, dsn: str, world: World, scratch: Path) -> None:
        self._arguments = (kubeconfig, dsn)
        self._world, self._scratch = world, scratch
        self.count = 0
        self.current: OperatorProcess | None = None

    def start(self) -> None:
        self.count += 1
        self.current = OperatorProcess(
            *self._arguments,
            self._scratch / f"operator-{self.count}.log",
            namespaces=self._world.namespace,
            env={
                "VIDEOVECTOR_LEASE_NAME": f"operator-{self.count}",
                "VIDEOVECTOR_LEASE_DURATION_SECONDS": "60",
            },
            nursery=shared_nursery(),
        ).start()

    def wait_until_it_leads(self) -> None:
        current = self.current
        assert current is not None
        _wait("nobody leads", lambda: '"leading"' in current.log.read_text(encoding="utf-8"))

    def end(self) -> None:
        if self.current is not None:
            self.current.kill()

    def tail(self) -> str:
        return self.current.tail() if self.current is not None else ""


@pytest.mark.timeout(900)
def test_fifty_imports_three_at_a_time_while_the_operator_is_killed_ten_times(
    limited: World, api_cluster, s3, dsn: str, tmp_path: Path
) -> None:
    seed = int(os.environ.get("QUEUE_SEED") or random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)
    moments = [chance.uniform(0.0, 1.5) for _ in range(10)]
    print(f"QUEUE_SEED={seed}: seconds for which each operator leads: {[f'{moment:.1f}' for moment in moments]}")
    names = _fill(s3, limited.namespace, 50)
    lives = Lives(api_cluster.kubeconfig, dsn, limited, tmp_path)
    # A creationTimestamp has whole seconds: of one second the names decide, of different ones who came first.
    _apply_imports(limited, names, seconds_between_groups=1.1)
    order = _order(limited)
    assert [name for group in "edcba" for name in order if name[0] == group] == order
    with (
        JobWatcher(limited) as jobs,
        LocalKubelet(limited) as kubelet,
        StateRecorder(limited) as recorder,
    ):
        try:
            for moment in moments:
                lives.start()
                lives.wait_until_it_leads()
                time.sleep(moment)
                lives.end()
            lives.start()
            _wait("the imports do not end", lambda: _phases(limited) == ["Completed"] * 50, 600)
        except AssertionError:
            print(_describe(limited, dsn), kubelet.errors[-3:], kubelet.log()[-2000:], lives.tail(), sep="\n")
            raise
        finally:
            lives.end()
        jobs.check()

    assert jobs.most == LIMIT
    assert jobs.made == order
    _assert_all_imported_once(limited, dsn, names)
    assert recorder.violations() == []
    assert lives.count == 11


def test_a_standby_that_takes_over_the_lease_admits_no_more_than_allowed(
    limited: World, start_operator, s3, dsn: str
) -> None:
    """A true change of leaders: both know all of it, one Lease decides, and the first is killed in the middle."""
    lease = {"VIDEOVECTOR_LEASE_DURATION_SECONDS": "30"}
    names = _fill(s3, limited.namespace, 12)
    operators = [start_operator(**lease).wait_ready() for _ in range(2)]
    with JobWatcher(limited) as jobs, LocalKubelet(limited):
        _apply_before_any_begins(limited, names)
        _wait("nothing completes", lambda: "Completed" in _phases(limited))
        leader = next(operator for operator in operators if operator.metric("videovector_leader ") == 1)
        leader.kill()
        _wait("the imports do not end", lambda: _phases(limited) == ["Completed"] * 12, 180)
        jobs.check()

    assert jobs.most == LIMIT
    assert jobs.made == _order(limited)
    _assert_all_imported_once(limited, dsn, names)


def test_the_queue_is_seen_from_outside_and_follows_another_limit(limited: World, operator, s3) -> None:
    """No worker ever runs here: what is active stays so."""
    names = _fill(s3, limited.namespace, 6)
    _apply_before_any_begins(limited, names)
    for position, name in enumerate(_order(limited)[LIMIT:], 1):
        body = limited.wait("ImportJob", name, functools.partial(_has_position, position))
        assert compute_kstatus(body) == "InProgress"
        assert (condition(body, "Ready")["status"], condition(body, "Ready")["reason"]) == ("Unknown", "Queued")
        assert "in the queue of Connector 'archive' (maxConcurrentRuns 3)" in condition(body, "Ready")["message"]
    connector = limited.wait("Connector", "archive", lambda b: _counts(b) == (3, 3))
    assert condition(connector, "Ready")["status"] == "True"
    table = limited.cluster.run_kubectl("-n", limited.namespace, "get", "importjobs", "-o", "wide")
    assert "QUEUE" in table
    assert "Queued" in table

    limited.patch("Connector", "archive", {"spec": {"maxConcurrentRuns": 5}})
    limited.wait("Connector", "archive", lambda b: _counts(b) == (5, 1))
    limited.patch("ImportJob", _order(limited)[0], {"spec": {"cancel": True}})
    limited.wait("Connector", "archive", lambda b: _counts(b) == (5, 0))
    assert len(limited.list("Job")) == 6


def _has_position(position: int, body: dict) -> bool:
    return (body.get("status") or {}).get("queuePosition") == position


def _counts(body: dict) -> tuple[int, int]:
    status = body.get("status") or {}
    return status.get("activeRuns", -1), status.get("queuedRuns", -1)

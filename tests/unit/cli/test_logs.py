"""`logs`: every pod of a run, in order, and those that come later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.plugin_desk import PluginDesk
from tests.support.samples import NAMESPACE, import_manifest
from videovector_operator.cli.failures import unreachable
from videovector_operator.cli.ports import LogQuery
from videovector_operator.cli.rights import refused
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey

Json = dict[str, Any]
FIRST = ObjectKey("ImportJob", NAMESPACE, "first")


@pytest.fixture
def running(desk: PluginDesk) -> PluginDesk:
    desk.cluster.apply(import_manifest())
    desk.cluster.edit_status(FIRST, {"phase": "Importing"})
    return desk


def add_pod(desk: PluginDesk, name: str, lines: list[str], phase: str = "Running", run: str | None = None) -> None:
    body = desk.cluster.find(FIRST)
    assert body is not None
    labels = {names.RUN_LABEL: run or names.import_run_id(body["metadata"]["uid"])}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    desk.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    desk.cluster.edit_status(ObjectKey("Pod", NAMESPACE, name), {"phase": phase})
    desk.kubernetes.logs[name] = lines


def test_each_line_has_its_pod(running: PluginDesk) -> None:
    add_pod(running, "worker-b", ["one", "two"])
    add_pod(running, "worker-a", ["three"])
    add_pod(running, "of-another-run", ["no"], run="job_other")
    result = running.run("logs", "first")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["[worker-b] one", "[worker-b] two", "[worker-a] three"]


def test_what_is_wanted_reaches_the_api(running: PluginDesk) -> None:
    add_pod(running, "worker-a", [])
    running.run("logs", "first", "--tail", "5")
    assert running.kubernetes.log_queries == [(NAMESPACE, "worker-a", "worker", LogQuery(tail=5))]


def test_there_is_no_container_before_the_one_that_runs(running: PluginDesk) -> None:
    assert running.run("logs", "first", "--previous").exit_code == 2


def test_following_takes_in_pods_that_come_later_and_ends_with_the_run(running: PluginDesk) -> None:
    add_pod(running, "worker-a", ["first"])
    add_pod(running, "worker-b", ["not yet"], phase="Pending")

    def act(sleeps: int) -> None:
        if sleeps == 1:
            running.cluster.edit_status(ObjectKey("Pod", NAMESPACE, "worker-b"), {"phase": "Running"})
        if sleeps == 40:
            add_pod(running, "worker-c", ["last"], phase="Succeeded")
            running.cluster.edit_status(FIRST, {"phase": "Completed"})

    running.on_sleep = act
    result = running.run("logs", "first", "--follow")
    assert result.exit_code == 0
    assert sorted(result.stdout.splitlines()) == ["[worker-a] first", "[worker-b] not yet", "[worker-c] last"]
    assert all(query.follow for *_, query in running.kubernetes.log_queries)


def test_lines_of_several_pods_are_not_mixed(running: PluginDesk) -> None:
    barrier = threading.Barrier(4, timeout=10)

    def lines(name: str) -> Iterator[str]:
        barrier.wait()
        yield from (f"{name} {number} " + "x" * 200 for number in range(200))

    for number in range(4):
        add_pod(running, f"worker-{number}", [])
        running.kubernetes.logs[f"worker-{number}"] = lines(f"w{number}")  # type: ignore[assignment]  # read once
    running.cluster.edit_status(FIRST, {"phase": "Completed"})
    out = running.run("logs", "first", "-f").stdout.splitlines()
    assert len(out) == 800
    for number in range(4):
        mine = [line for line in out if line.startswith(f"[worker-{number}] w{number} ")]
        assert [int(line.split()[2]) for line in mine] == list(range(200))


@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_pods_that_are_gone_are_explained(running: PluginDesk, follow: tuple[str, ...]) -> None:
    running.cluster.edit_status(FIRST, {"phase": "Completed"})
    result = running.run("logs", "first", *follow)
    assert result.exit_code == 1
    assert "its pods are gone (spec.ttlSecondsAfterFinished)" in result.stderr
    assert "kubectl videovector files first" in result.stderr


def test_pods_that_are_not_there_yet_are_explained(running: PluginDesk) -> None:
    result = running.run("logs", "first")
    assert result.exit_code == 1
    assert "has no pods yet: kubectl describe importjob first" in result.stderr


def test_one_pod_that_cannot_be_read_stops_no_other(running: PluginDesk) -> None:
    add_pod(running, "worker-a", ["one"])
    add_pod(running, "worker-b", ["two"])
    running.kubernetes.failures["log", "worker-a"] = unreachable("the log of pod worker-a broke off")
    result = running.run("logs", "first")
    assert (result.exit_code, result.stdout) == (0, "[worker-b] two\n")
    assert result.stderr == "worker-a: the log of pod worker-a broke off\n"


@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_a_missing_right_ends_it(running: PluginDesk, follow: tuple[str, ...]) -> None:
    add_pod(running, "worker-a", ["one"])
    running.kubernetes.failures["log", "worker-a"] = refused("get", "pods/log", NAMESPACE)
    result = running.run("logs", "first", *follow)
    assert result.exit_code == 3
    assert 'you may not get pods/log in namespace "media"' in result.stderr


@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_nothing_that_could_be_read_is_exit_code_3(running: PluginDesk, follow: tuple[str, ...]) -> None:
    add_pod(running, "worker-a", ["one"], phase="Succeeded")
    running.kubernetes.failures["log", "worker-a"] = unreachable("the log of pod worker-a \x1b[2Jbroke off")
    running.cluster.edit_status(FIRST, {"phase": "Completed"})
    result = running.run("logs", "first", *follow)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "worker-a: the log of pod worker-a \\x1b[2Jbroke off" in result.stderr
    assert 'error: no log of ImportJob "first" could be read' in result.stderr


def test_pods_that_find_no_place_are_read_when_others_have_ended(running: PluginDesk) -> None:
    barrier = threading.Barrier(64, timeout=10)

    def lines(*, is_early: bool) -> Iterator[str]:
        if is_early:
            barrier.wait()
        yield "one"

    for number in range(70):
        name = f"worker-{number:02}"
        add_pod(running, name, [], phase="Succeeded")
        running.kubernetes.logs[name] = lines(is_early=number < 64)  # type: ignore[assignment]  # read once
    running.cluster.edit_status(FIRST, {"phase": "Completed"})
    out = running.run("logs", "first", "-f").stdout.splitlines()
    assert sorted(out) == [f"[worker-{number:02}] one" for number in range(70)]


def complete_when(desk: PluginDesk, holds: Callable[[], bool] = lambda: True) -> None:
    """Let the run complete ten seconds after something holds."""
    since: list[int] = []

    def act(sleeps: int) -> None:
        # Threads read: let them.
        time.sleep(0.0001)
        if not since and holds():
            since.append(sleeps)
        if (since and sleeps == since[0] + 100) or sleeps > 100_000:
            desk.cluster.edit_status(FIRST, {"phase": "Completed"})

    desk.on_sleep = act


def test_a_stream_that_breaks_is_opened_again_where_it_was(running: PluginDesk) -> None:
    lines = [f"line {number}" for number in range(30)]
    add_pod(running, "worker-a", lines)
    running.kubernetes.breaks["worker-a"] = [0, 7, 7, 29]
    complete_when(running, lambda: not running.kubernetes.breaks["worker-a"])
    result = running.run("logs", "first", "-f", "--tail", "100")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [f"[worker-a] {line}" for line in lines]
    queries = [query for *_, query in running.kubernetes.log_queries]
    assert {query.timestamps for query in queries} == {True}
    assert [(query.tail, query.since) for query in queries[:5]] == [
        (100, None),
        (100, None),
        (None, "2026-01-01T00:00:06Z"),
        (None, "2026-01-01T00:00:06Z"),
        (None, "2026-01-01T00:00:28Z"),
    ]


@dataclass
class Streams:
    """Another log each time that it is read."""

    take: Callable[[], Iterable[str]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.take())


def test_a_stream_that_is_cut_while_its_pod_runs_goes_on(running: PluginDesk) -> None:
    add_pod(running, "worker-a", [])
    first, second = iter(["one"]), ["one", "two"]
    streams = iter([first, second])
    running.kubernetes.logs["worker-a"] = Streams(lambda: next(streams, second))  # type: ignore[assignment]
    complete_when(running, lambda: len(running.kubernetes.log_queries) > 2)
    assert running.run("logs", "first", "-f").stdout.splitlines() == ["[worker-a] one", "[worker-a] two"]


def test_a_container_that_has_ended_is_not_read_again(running: PluginDesk) -> None:
    add_pod(running, "worker-a", ["one"])
    statuses = [{"name": "worker", "state": {"terminated": {"exitCode": 0}}}, {"name": "sidecar", "state": {}}]
    running.cluster.edit_status(ObjectKey("Pod", NAMESPACE, "worker-a"), {"containerStatuses": statuses})
    complete_when(running)
    running.run("logs", "first", "-f")
    assert len(running.kubernetes.log_queries) == 1


def test_a_stream_that_breaks_again_and_again_is_given_up(running: PluginDesk) -> None:
    add_pod(running, "worker-a", ["one"])
    add_pod(running, "worker-b", ["two"])
    running.kubernetes.failures["log", "worker-a"] = unreachable("the log of pod worker-a broke off")
    complete_when(running, lambda: len(running.kubernetes.log_queries) == 21)
    result = running.run("logs", "first", "-f")
    assert (result.exit_code, result.stdout) == (0, "[worker-b] two\n")
    assert sorted(result.stderr.splitlines()) == [
        "worker-a: the log of pod worker-a broke off; it is not followed any more",
        "worker-b: its log ended 20 times without a new line; it is not followed any more",
    ]
    assert [pod for _, pod, *_ in running.kubernetes.log_queries] == ["worker-b"] * 21


def test_a_few_polls_may_fail(running: PluginDesk) -> None:
    add_pod(running, "worker-a", ["one"])

    def act(sleeps: int) -> None:
        failures = running.kubernetes.failures
        if sleeps == 10:
            failures["get", "ImportJob"] = failures["list", "Pod"] = unreachable("the Kubernetes API did not answer")
        if sleeps == 250:
            failures.clear()
            add_pod(running, "worker-b", ["two"], phase="Succeeded")
            running.cluster.edit_status(FIRST, {"phase": "Completed"})

    running.on_sleep = act
    result = running.run("logs", "first", "-f")
    assert (result.exit_code, result.stderr) == (0, "")
    # Two pods are read by two threads: whose line comes first nobody promises.
    assert sorted(result.stdout.splitlines()) == ["[worker-a] one", "[worker-b] two"]


def test_an_api_that_stays_away_ends_it(running: PluginDesk) -> None:
    add_pod(running, "worker-a", ["one"])
    down = unreachable("the Kubernetes API did not answer")
    running.on_sleep = lambda _: running.kubernetes.failures.update({("get", "ImportJob"): down})
    result = running.run("logs", "first", "-f")
    assert (result.exit_code, result.stderr) == (3, "error: the Kubernetes API did not answer\n")


def test_no_such_import(desk: PluginDesk) -> None:
    assert desk.run("logs", "unknown").exit_code == 1

"""`logs`: every pod of a run, in order, and those that come later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
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
    running.run("logs", "first", "--tail", "5", "--previous")
    assert running.kubernetes.log_queries == [(NAMESPACE, "worker-a", "worker", LogQuery(tail=5, previous=True))]


def test_following_takes_in_pods_that_come_later_and_ends_with_the_run(running: PluginDesk) -> None:
    add_pod(running, "worker-a", ["first"])
    add_pod(running, "worker-b", ["not yet"], phase="Pending")

    def act(sleeps: int) -> None:
        if sleeps == 1:
            running.cluster.edit_status(ObjectKey("Pod", NAMESPACE, "worker-b"), {"phase": "Running"})
        if sleeps == 2:
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


def test_no_such_import(desk: PluginDesk) -> None:
    assert desk.run("logs", "unknown").exit_code == 1

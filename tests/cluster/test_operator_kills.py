"""The operator is killed at every write it makes to the Kubernetes API during one import; the result is always the same."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.imports import assert_imported_once, fill_folder, run_spec
from tests.support.local_kubelet import LocalKubelet
from tests.support.nursery import shared_nursery
from tests.support.operator_process import OperatorProcess
from tests.support.world import StateRecorder, World, is_ready
from tests.support.write_proxy import When, WriteProxy
from tools.devcluster.fixtures import DevCluster

_ENOUGH = 60


class Incarnations:
    """Operator processes one after the other, each behind the proxy and with a Lease of its own: the one before is dead,
    so the next need not wait for its Lease to run out (`test_leadership` is about that)."""

    def __init__(self, proxy: WriteProxy, dsn: str, world: World, scratch: Path) -> None:
        self._proxy, self._dsn, self._world, self._scratch = proxy, dsn, world, scratch
        self.count = 0
        self.current: OperatorProcess | None = None

    def start(self) -> OperatorProcess:
        self.count += 1
        self.current = OperatorProcess(
            self._proxy.kubeconfig,
            self._dsn,
            self._scratch / f"operator-{self.count}.log",
            namespaces=self._world.namespace,
            env={
                "VIDEOVECTOR_LEASE_NAME": f"operator-{self.count}",
                "VIDEOVECTOR_LEASE_DURATION_SECONDS": "60",
            },
            nursery=shared_nursery(),
        ).start()
        return self.current

    def kill(self) -> None:
        assert self.current is not None
        self.current.kill()


@pytest.fixture
def folder(s3, namespace: str) -> str:
    fill_folder(s3, f"{namespace}/")
    return f"{namespace}/"


def _create_import(world: World, connector_spec: dict, folder: str) -> None:
    world.create("Connector", "archive", connector_spec)
    world.create("Index", "films", {})
    world.create("ImportJob", "first", run_spec(folder))


def _drive(world: World, proxy: WriteProxy, lives: Incarnations, when: When, *, kill_at: int, again: bool) -> None:
    """Run operators until the import is Ready; each (or, without ``again``, the first) dies at its ``kill_at``-th write."""
    proxy.arm(kill_at, when, lives.kill)
    lives.start()
    deadline = time.monotonic() + 240
    while not is_ready_now(world):
        assert time.monotonic() < deadline, lives.current.tail() if lives.current else ""
        assert lives.count < _ENOUGH
        if lives.current is not None and lives.current.returncode is not None:
            if again:
                # At least one write more than the last life had, or two lives could undo each other for ever.
                proxy.arm(kill_at, when, lives.kill)
            lives.start()
        time.sleep(0.05)


def is_ready_now(world: World) -> bool:
    body = world.get("ImportJob", "first")
    return body is not None and "conditions" in (body.get("status") or {}) and is_ready(body)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_import_survives_the_death_of_its_operator_at_each_single_write(
    when: When,
    api_cluster: DevCluster,
    world: World,
    dsn: str,
    connector_spec: dict,
    credentials: dict,
    folder: str,
    tmp_path: Path,
) -> None:
    """One import; every life of the operator makes one write more than it needs to die: ``after`` kills it at its first
    write (which has arrived), ``before`` at its second (the first has arrived, the second never does)."""
    with WriteProxy(api_cluster.control, tmp_path) as proxy, LocalKubelet(world):
        _create_import(world, connector_spec, folder)
        lives = Incarnations(proxy, dsn, world, tmp_path)
        try:
            with StateRecorder(world) as recorder:
                _drive(world, proxy, lives, when, kill_at=1 if when == "after" else 2, again=True)
            body = world.wait("ImportJob", "first", is_ready)
        finally:
            if lives.current is not None:
                lives.current.kill()

    assert_imported_once(world, dsn, body)
    assert recorder.violations() == []
    assert lives.count > 3


@pytest.mark.parametrize("at", range(1, 15))
def test_an_import_survives_a_death_at_the_nth_write(
    at: int,
    api_cluster: DevCluster,
    world: World,
    dsn: str,
    connector_spec: dict,
    credentials: dict,
    folder: str,
    tmp_path: Path,
) -> None:
    """Odd writes never arrive, even ones do but the operator never hears of it."""
    when: When = "before" if at % 2 else "after"
    with WriteProxy(api_cluster.control, tmp_path) as proxy, LocalKubelet(world):
        _create_import(world, connector_spec, folder)
        lives = Incarnations(proxy, dsn, world, tmp_path)
        try:
            _drive(world, proxy, lives, when, kill_at=at, again=False)
            body = world.wait("ImportJob", "first", is_ready)
        finally:
            if lives.current is not None:
                lives.current.kill()

    assert_imported_once(world, dsn, body)
    assert lives.count <= 2
    # Fewer writes than this bring no import in, so the kill must have happened.
    assert not proxy.armed or at > 6

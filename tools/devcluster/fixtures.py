"""The clusters as pytest fixtures: load with ``pytest_plugins = ["tools.devcluster.fixtures"]``.

A cluster is started once and shared by every session and worker of this checkout that runs at the same time; each test
works in a namespace of its own. The last session to leave stops a cluster that a session started; one that a person
started stays. This is the only file of the room that may import pytest.
"""

import fcntl
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import build
from .cluster import Cluster, Mode
from .errors import DevClusterError
from .layout import CLUSTERS

KEEP_VARIABLE = "VIDEOVECTOR_KEEP_CLUSTER"
_NAMESPACE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class DevCluster:
    """A running cluster as a test sees it."""

    name: str
    kubeconfig: Path
    kubectl: str
    helm: str
    server: str
    control: Cluster

    def run_kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator and answer its output; a failure raises with what it said."""
        command = [self.kubectl, f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DevClusterError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout


@pytest.fixture(scope="session")
def devcluster_api(request: pytest.FixtureRequest) -> Iterator[DevCluster]:
    """API server and Job controller only: objects behave as usual, pods stay Pending."""
    with _shared("api", Mode.API, request) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def devcluster_full(request: pytest.FixtureRequest) -> Iterator[DevCluster]:
    """A node that runs containers, with Services and cluster names."""
    with _shared("default", Mode.FULL, request) as cluster:
        yield cluster


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace in the cluster that the test asks for, by default the light one; deleted without waiting."""
    wanted = "devcluster_full" if "devcluster_full" in request.fixturenames else "devcluster_api"
    cluster: DevCluster = request.getfixturevalue(wanted)
    name = f"test-{uuid.uuid4().hex[:10]}"
    api = cluster.control.api
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    _wait_for_namespace(cluster, name)
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


def _wait_for_namespace(cluster: DevCluster, name: str) -> None:
    """Pods need what the controller manager puts into a new namespace."""
    base = f"/api/v1/namespaces/{name}"
    needed = (f"{base}/serviceaccounts/default", f"{base}/configmaps/kube-root-ca.crt")
    deadline = time.monotonic() + _NAMESPACE_SECONDS
    while any(cluster.control.api.get(path) is None for path in needed):
        if time.monotonic() > deadline:
            raise DevClusterError(f"namespace {name} has no service account after {_NAMESPACE_SECONDS:.0f} s")
        time.sleep(0.02)


@contextmanager
def _shared(name: str, mode: Mode, request: pytest.FixtureRequest) -> Iterator[DevCluster]:
    """Hold a shared lock while using a cluster: whoever gets it exclusively at the end was the last one."""
    CLUSTERS.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(name)
    with (CLUSTERS / f"{name}.users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        was_down = cluster.mode is None
        cluster.up(mode)
        if was_down:
            cluster.layout.started_by_tests.touch()
        try:
            yield _describe(cluster)
        finally:
            _leave(cluster, users.fileno(), failed=request.session.testsfailed > 0)


def _leave(cluster: Cluster, users: int, *, failed: bool) -> None:
    """Failed tests leave the data and logs behind; so does a full cluster, whose images are dear."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if cluster.layout.started_by_tests.exists() and os.environ.get(KEEP_VARIABLE) != "1":
        cluster.down(purge=cluster.mode is Mode.API and not failed)


def _describe(cluster: Cluster) -> DevCluster:
    return DevCluster(
        name=cluster.layout.name,
        kubeconfig=cluster.layout.kubeconfig,
        kubectl=build.program("kubectl"),
        helm=build.program("helm"),
        server=cluster.layout.server,
        control=cluster,
    )

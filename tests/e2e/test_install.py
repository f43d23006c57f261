"""The chart's release on a real cluster: the operator is Ready, and may do what it must and nothing else."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.test_quickstart import assert_restricted
from tests.support.installed_system import InstalledSystem, label_namespace, wait_until
from tools.demo import release

Json = dict[str, Any]
WATCHED = "quickstart"
ALLOWED = (
    ("get", "secrets"),
    ("list", "importjobs.videovector.io"),
    ("patch", "importjobs.videovector.io/status"),
    ("create", "jobs.batch"),
)
NEVER = (
    ("patch", "importjobs.videovector.io"),
    ("update", "connectors.videovector.io"),
    ("delete", "importjobs.videovector.io"),
    ("delete", "secrets"),
    ("update", "secrets"),
    ("create", "pods"),
    ("create", "pods/exec"),
    ("delete", "jobs.batch"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
    ("impersonate", "users"),
)


def can(system: InstalledSystem, account: str, verb: str, resource: str, namespace: str | None) -> bool:
    scope = ["-n", namespace] if namespace else ["--all-namespaces"]
    kind, _, subresource = resource.partition("/")
    asked = ["auth", "can-i", verb, kind, *([f"--subresource={subresource}"] if subresource else [])]
    command = [*asked, *scope, f"--as=system:serviceaccount:{account}"]
    # kubectl says no with an exit code.
    done = subprocess.run([*system.kube.command(), *command], capture_output=True, text=True, check=False)
    assert done.stdout.strip() in {"yes", "no"}, done.stderr
    return done.stdout.strip() == "yes"


def read(address: str) -> str:
    """What an endpoint answers with 200; anything else raises."""
    with urllib.request.urlopen(address, timeout=60) as answer:
        text: str = answer.read().decode()
        return text


@pytest.fixture(scope="module")
def deployment(system: InstalledSystem) -> Json:
    [found] = system.kube.items("deployments", system.release.namespace)
    return found


@pytest.fixture(scope="module")
def account(system: InstalledSystem, deployment: Json) -> str:
    return f"{system.release.namespace}:{deployment['spec']['template']['spec']['serviceAccountName']}"


def test_the_operator_is_ready_and_leads(system: InstalledSystem, deployment: Json) -> None:
    assert deployment["status"]["readyReplicas"] == deployment["spec"]["replicas"] == 1
    address = f"http://127.0.0.1:{system.release.values['operator']['httpPort']}"
    assert [read(address + path) for path in ("/healthz", "/readyz")] == ["ok\n", "ok\n"]
    wait_until("it leads", lambda: "leader 1.0" in read(f"{address}/metrics"))


def test_its_pods_meet_the_restricted_standard(system: InstalledSystem) -> None:
    pods = system.kube.items("pods", system.release.namespace)
    assert pods
    for pod in pods:
        assert_restricted(pod["spec"])
        assert [status["restartCount"] for status in pod["status"]["containerStatuses"]] == [0]


@pytest.mark.parametrize(("verb", "resource"), ALLOWED)
def test_it_may_do_its_work_in_watched_namespaces_only(
    system: InstalledSystem, account: str, verb: str, resource: str
) -> None:
    assert can(system, account, verb, resource, system.namespaces[WATCHED])
    assert not can(system, account, verb, resource, "default")
    assert not can(system, account, verb, resource, None)


@pytest.mark.parametrize(("verb", "resource"), NEVER)
def test_it_may_never(system: InstalledSystem, account: str, verb: str, resource: str) -> None:
    for namespace in (system.namespaces[WATCHED], system.release.namespace, None):
        assert not can(system, account, verb, resource, namespace)


def test_workers_have_an_account_without_rights(system: InstalledSystem) -> None:
    worker = f"{system.namespaces[WATCHED]}:default"
    for verb, resource in (*ALLOWED, ("get", "pods")):
        assert not can(system, worker, verb, resource, system.namespaces[WATCHED])


@pytest.fixture(scope="module")
def cluster_wide(system: InstalledSystem) -> Iterator[release.Release]:
    """A release for all namespaces. Its operator gets no pod: it would act on what other tests have made."""
    name = f"{system.release.name}-wide"
    label_namespace(system.kube, name)
    values = {"operator": {"replicas": 0}, "catalog": {"migration": {"mode": "none"}}}
    wanted = release.Release(name, name, system.release.image, dsn=system.dsn, values=values)
    release.install(system.kube, wanted)
    yield wanted
    system.kube.run("delete", "namespace", name, "--wait=false")


def test_without_watched_namespaces_it_may_work_in_all(system: InstalledSystem, cluster_wide: release.Release) -> None:
    [found] = system.kube.items("deployments", cluster_wide.namespace)
    account = f"{cluster_wide.namespace}:{found['spec']['template']['spec']['serviceAccountName']}"
    for verb, resource in ALLOWED:
        assert can(system, account, verb, resource, None)
    for verb, resource in NEVER:
        assert not can(system, account, verb, resource, None)


def test_uninstalling_leaves_the_custom_resources(system: InstalledSystem, cluster_wide: release.Release) -> None:
    before = {job["metadata"]["uid"] for job in system.kube.items("connectors", system.namespaces[WATCHED])}
    release.uninstall(system.kube, cluster_wide)
    roles = json.loads(system.kube.run("get", "clusterroles", "-o", "json"))["items"]
    assert not [role for role in roles if role["metadata"]["name"].startswith(cluster_wide.name)]
    assert len(system.kube.items("crd", selector="")) >= len(release.CRD_NAMES)
    after = {job["metadata"]["uid"] for job in system.kube.items("connectors", system.namespaces[WATCHED])}
    assert after == before

"""The chart on a real API server: every object is taken, upgrades keep what must be kept, the operator's rights suffice.

It has a cluster of its own: CRDs and cluster roles belong to one release at a time.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster_users import People
from tests.support.helm import CHART, OWN_DATABASE, Json, merge
from tests.support.operator_process import OperatorProcess
from tests.support.plugin_process import Plugin
from tools.devcluster import build
from tools.devcluster.cluster import Cluster, Mode
from tools.devcluster.fixtures import DevCluster
from tools.testservers import PostgresServer, VersityGateway
from tools.testservers.clients import s3_client
from videovector_operator.api.kinds import KINDS
from videovector_operator.catalog.migrate import migrate

pytestmark = pytest.mark.cluster

HOME = "media-system"
TEAM = "team-a"
OTHER = "team-b"
RELEASE = "vv"
ACCOUNT = f"system:serviceaccount:{HOME}:vv-videovector-operator"
# No pod runs here, so a migration Job would never end; and nobody knows ServiceMonitors.
VALUES: Json = merge(OWN_DATABASE, {"image": {"repository": "x"}, "catalog": {"migration": {"mode": "none"}}})
OPTIONS: Json = {
    "metrics": {"service": {"enabled": True}},
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    "networkPolicy": {"enabled": True, "metricsFrom": [{"namespaceSelector": {}}]},
    "operator": {"replicas": 2},
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster("charttest")
    cluster.up(Mode.API)
    for name in (HOME, TEAM, OTHER):
        labels = {"pod-security.kubernetes.io/warn": "restricted"}
        cluster.api.apply(f"/api/v1/namespaces/{name}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})  # fmt: skip
    yield cluster
    cluster.down(purge=True)


@pytest.fixture
def chart(cluster: Cluster) -> Iterator[Chart]:
    chart = Chart(cluster)
    yield chart
    # The CRDs stay, as they do for users: the next test's release of the same name takes them over.
    chart.helm("uninstall", RELEASE, "--ignore-not-found")


class Chart:
    """helm and kubectl as the administrator, release in HOME."""

    def __init__(self, cluster: Cluster) -> None:
        self._env = {**os.environ, "KUBECONFIG": str(cluster.layout.kubeconfig)}
        self.said = ""

    def helm(self, *arguments: str, values: Json | None = None) -> str:
        """Run helm; ``said`` is what it printed to stderr, where warnings of the API server go."""
        more = ("--values", "-") if values is not None else ()
        done = self._run([build.program("helm"), *arguments, "--namespace", HOME, *more], json.dumps(values or {}))
        self.said = done.stderr
        return done.stdout

    def install(self, values: Json, *arguments: str) -> str:
        return self.helm("upgrade", "--install", RELEASE, str(CHART), *arguments, values=values)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        done = self._run([build.program("kubectl"), *arguments], stdin)
        self.said = done.stderr
        return done.stdout

    def get(self, *arguments: str) -> Json:
        found: Json = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def may(self, verb: str, resource: str, namespace: str, who: str = ACCOUNT) -> bool:
        """Whether the operator's account (or another) has a right; ``resource`` may be resource/name, or resource:subresource."""
        resource, _, part = resource.partition(":")
        command = [build.program("kubectl"), "auth", "can-i", verb, resource, f"--subresource={part}", "-q"]
        command += ["-n", namespace, f"--as={who}"]
        return subprocess.run(command, env=self._env, capture_output=True, check=False).returncode == 0

    def _run(self, command: list[str], stdin: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, input=stdin, env=self._env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command[:4])}: {done.stderr}{done.stdout}"
        return done


def test_install_upgrade_twice_uninstall_and_again(chart: Chart) -> None:
    everything = merge(VALUES, OPTIONS)
    chart.install(everything, "--dry-run=server")
    notes = chart.install(everything).partition("NOTES:")[2]
    assert "rollout status deployment/vv-videovector-operator" in notes
    assert "kubectl apply -f examples/quickstart/" in notes
    for info in KINDS:
        chart.kubectl("wait", "--for=condition=Established", "--timeout=120s", f"crd/{info.plural}.videovector.io")
    index = {"apiVersion": "videovector.io/v1alpha1", "kind": "Index", "metadata": {"name": "kept"}, "spec": {}}
    chart.kubectl("-n", TEAM, "apply", "-f", "-", stdin=json.dumps(index))

    chart.install(merge(everything, {"watchNamespaces": [TEAM]}))
    chart.install(merge(everything, {"watchNamespaces": [TEAM, OTHER], "networkPolicy": {"enabled": False}}))
    assert chart.get("secret", "-n", HOME, "-l", "owner=helm,status=deployed")["items"][0]["metadata"]["labels"]["version"] == "3"  # fmt: skip
    assert not chart.get("networkpolicy", "-n", HOME)["items"]

    chart.helm("uninstall", RELEASE)
    assert chart.get("index", "kept", "-n", TEAM)["metadata"]["name"] == "kept"
    chart.install(VALUES)
    assert chart.get("index", "kept", "-n", TEAM)["metadata"]["name"] == "kept"


def test_generated_password_outlives_upgrades(chart: Chart) -> None:
    values: Json = {"image": {"repository": "x"}}
    secret = ("secret", "vv-videovector-operator-catalog", "-n", HOME)
    chart.install(values)
    first = chart.get(*secret)["data"]
    for workers in (4, 8):
        chart.install(merge(values, {"operator": {"workers": workers}}))
        assert chart.get(*secret)["data"] == first
    assert base64.b64decode(first["password"]).decode() in base64.b64decode(first["dsn"]).decode()


def test_pod_security_admission_has_nothing_to_say(chart: Chart) -> None:
    bare = {"containers": [{"name": "c", "image": "x"}]}
    loose = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "loose", "namespace": HOME},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": bare},
        },
    }
    chart.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(loose))
    assert "would violate PodSecurity" in chart.said, "the admission plugin warns at all"
    rendered = chart.helm("template", RELEASE, str(CHART), "--kube-version", "1.34.0", values={"image": {"repository": "x"}})  # fmt: skip
    chart.install(VALUES)
    hook: Json = merge(VALUES, {"catalog": {"migration": {"mode": "hook"}}})
    rendered += chart.helm("template", RELEASE, str(CHART), "--kube-version", "1.34.0", values=hook)
    chart.kubectl("apply", "--dry-run=server", "-f", "-", stdin=rendered)
    assert "PodSecurity" not in chart.said


@pytest.mark.parametrize(("watched", "there"), [([], True), ([TEAM], False)], ids=["all namespaces", "one namespace"])
def test_rights_end_where_the_operator_does_not_watch(chart: Chart, watched: list[str], there: bool) -> None:
    chart.install(merge(VALUES, {"watchNamespaces": watched}))
    deadline = time.monotonic() + 60
    while not (
        chart.may("list", "events", TEAM)
        and chart.may("list", "events", OTHER) is there
        and chart.may("create", "tokenreviews.authentication.k8s.io", "")
    ):
        assert time.monotonic() < deadline, "the rights do not come"
        time.sleep(0.1)
    for verb, resource in (
        ("get", "secrets"), ("list", "secrets"), ("create", "secrets"), ("watch", "connectors.videovector.io"),
        ("patch", "importjobs.videovector.io:status"), ("create", "jobs.batch"), ("list", "pods"),
        ("patch", "indexes.videovector.io"), ("create", "events"), ("list", "events"), ("get", "configmaps"),
    ):  # fmt: skip
        allowed = (chart.may(verb, resource, TEAM), chart.may(verb, resource, OTHER), chart.may(verb, resource, HOME))
        # Events may be about pods of any namespace; leases live at home.
        assert allowed == (True, there, there), f"{verb} {resource}"
    for verb, resource in (
        ("delete", "secrets"), ("update", "secrets"), ("patch", "secrets"), ("delete", "jobs.batch"),
        ("patch", "connectors.videovector.io"), ("patch", "importjobs.videovector.io"), ("update", "indexes.videovector.io"),
        ("delete", "importjobs.videovector.io"), ("create", "pods"), ("create", "pods:exec"), ("list", "configmaps"), ("create", "pods:portforward"),
        ("get", "leases.coordination.k8s.io"), ("create", "leases.coordination.k8s.io"), ("list", "nodes"),
    ):  # fmt: skip
        assert not chart.may(verb, resource, TEAM), f"{verb} {resource}"
    assert chart.may("update", "leases.coordination.k8s.io/vv-videovector-operator", HOME)
    assert not chart.may("update", "leases.coordination.k8s.io/other", HOME)
    # Who people are, and which CA says so: asked for the operator's own API, wherever the operator watches.
    for question in ("tokenreviews.authentication.k8s.io", "subjectaccessreviews.authorization.k8s.io"):
        assert chart.may("create", question, "")
    assert chart.may("get", "configmaps/extension-apiserver-authentication", "kube-system")
    assert chart.may("get", "configmaps/other", "kube-system") is there


def test_users_of_the_plugin_reach_the_operators_pods_and_nothing_else(chart: Chart) -> None:
    chart.install(VALUES)
    chart.kubectl("-n", TEAM, "create", "serviceaccount", "ann")
    who = f"system:serviceaccount:{TEAM}:ann"
    try:
        chart.kubectl("-n", HOME, "create", "rolebinding", "ann-cli", "--role=vv-videovector-operator-cli", f"--serviceaccount={TEAM}:ann")  # fmt: skip
        deadline = time.monotonic() + 60
        while not chart.may("create", "pods:portforward", HOME, who):
            assert time.monotonic() < deadline, "the right does not come"
            time.sleep(0.1)
        assert chart.may("list", "pods", HOME, who)
        for verb, resource, namespace in (
            ("create", "pods:portforward", TEAM), ("create", "pods:exec", HOME), ("get", "secrets", HOME), ("get", "pods:log", HOME),
        ):  # fmt: skip
            assert not chart.may(verb, resource, namespace, who), f"{verb} {resource}"
    finally:
        chart.kubectl("-n", HOME, "delete", "rolebinding", "ann-cli", "--ignore-not-found")
        chart.kubectl("-n", TEAM, "delete", "serviceaccount", "ann")


def test_users_with_built_in_roles_see_and_edit(chart: Chart) -> None:
    chart.install(VALUES)

    def rules(role: str) -> set[tuple[str, str]]:
        found = chart.get("clusterrole", role)["rules"] or []
        ours = [rule for rule in found if "videovector.io" in rule.get("apiGroups", [])]
        return {(verb, kind) for rule in ours for verb in rule["verbs"] for kind in rule["resources"]}

    deadline = time.monotonic() + 60
    # Each role is put together anew by itself.
    browse = ("get", "connectors/browse")
    while not (
        {browse, ("create", "importjobs")} <= rules("edit") and {browse, ("list", "importjobs")} <= rules("view")
    ):
        assert time.monotonic() < deadline, "the roles are not aggregated"
        time.sleep(0.1)
    assert {("get", "connectors/browse"), ("get", "importjobs/files")} <= rules("view") & rules("edit")
    assert {("list", "importjobs"), ("create", "importjobs")} <= rules("edit")
    assert ("list", "importjobs") in rules("view")
    assert ("create", "importjobs") not in rules("view")


def test_namespaced_rights_suffice_for_a_whole_import_up_to_its_pods(
    chart: Chart, cluster: Cluster, tmp_path: Path
) -> None:
    """The operator as a process with its account's token only: connection test, index, Job with its Secret, status."""
    chart.install(merge(VALUES, {"watchNamespaces": [TEAM]}))
    kubeconfig = _kubeconfig_of_account(chart, cluster, tmp_path)
    env = {"VIDEOVECTOR_POD_NAMESPACE": HOME, "VIDEOVECTOR_LEASE_NAME": "vv-videovector-operator"}
    people = People(_as_dev_cluster(cluster), TEAM, tmp_path)
    names = (f"chart-postgres-{os.getpid()}", f"chart-s3-{os.getpid()}")
    with PostgresServer(names[0]) as database, VersityGateway(names[1]) as s3:
        migrate(database.dsn)
        _make_bucket(s3)
        chart.kubectl("-n", TEAM, "apply", "-f", "-", stdin=json.dumps(_quickstart(s3)))
        with OperatorProcess(kubeconfig, database.dsn, tmp_path / "log", namespaces=TEAM, env=env) as operator:
            chart.kubectl(
                "-n", TEAM, "wait", "--for=condition=Ready", "connector/media", "index/media", "--timeout=120s"
            )
            _browse_as_two_people(people, operator, tmp_path)
            job = _wait_for_unsuspended_job(chart)
            assert chart.get("secret", f"{job}-catalog", "-n", TEAM)["data"].keys() == {"dsn"}
            chart.kubectl(
                "-n", TEAM, "patch", "index", "media", "--type=merge", "-p", '{"spec":{"deletionPolicy":"Delete"}}'
            )
            _wait_for_finalizer(chart)
            _wait_for_event(chart)
            chart.kubectl("-n", TEAM, "delete", "importjob,connector,index", "--all", "--timeout=120s")
            log = operator.log.read_text(encoding="utf-8", errors="replace")
        assert "forbidden" not in log.lower(), log[-4000:]


def _as_dev_cluster(cluster: Cluster) -> DevCluster:
    layout = cluster.layout
    return DevCluster(
        layout.name, layout.kubeconfig, build.program("kubectl"), build.program("helm"), layout.server, cluster
    )


def _browse_as_two_people(people: People, operator: OperatorProcess, directory: Path) -> None:
    """The operator's own rights suffice to know people by token and by certificate, and to know what they may."""
    (directory / "plugins").mkdir()
    plugin = Plugin(directory / "plugins", build.program("kubectl"))
    server = f"https://127.0.0.1:{operator.api_port}"
    for user in (people.by_token("chart-reader", "view"), people.by_certificate("chart-rita", (), "view")):
        done = plugin.run(user.kubeconfig, "browse", "media", "--server", server)
        assert (done.code, done.lines[1].split()[0]) == (0, "a.mp4"), done


def _kubeconfig_of_account(chart: Chart, cluster: Cluster, directory: Path) -> Path:
    token = chart.kubectl("-n", HOME, "create", "token", "vv-videovector-operator").strip()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": cluster.layout.server,
                    "certificate-authority": str(cluster.layout.pki / "ca.crt"),
                },
            }
        ],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    path = directory / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def _make_bucket(s3: VersityGateway) -> None:
    client = s3_client(s3)
    client.create_bucket(Bucket="media")
    client.put_object(Bucket="media", Key="a.mp4", Body=b"not really")


def _quickstart(s3: VersityGateway) -> Json:
    def item(kind: str, name: str, spec: Json) -> Json:
        return {"apiVersion": "videovector.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}

    storage = {"bucket": "media", "region": "us-east-1", "endpoint": s3.endpoint, "forcePathStyle": True}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "media-s3-credentials"},
        "stringData": {"accessKeyId": s3.access_key, "secretAccessKey": s3.secret_key},
    }
    connector = {"provider": "s3", "s3": storage, "credentialsSecretRef": {"name": "media-s3-credentials"}}
    references = {"connectorRef": {"name": "media"}, "indexRef": {"name": "media"}}
    items = [
        secret,
        item("Connector", "media", connector),
        item("Index", "media", {}),
        item("ImportJob", "first", references),
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _wait_for_unsuspended_job(chart: Chart) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for job in chart.get("jobs", "-n", TEAM)["items"]:
            if not job["spec"].get("suspend"):
                name: str = job["metadata"]["name"]
                return name
        time.sleep(0.1)
    raise AssertionError(f"no Job: {chart.kubectl('-n', TEAM, 'get', 'importjobs', '-o', 'yaml')}")


def _wait_for_finalizer(chart: Chart) -> None:
    deadline = time.monotonic() + 60
    while not chart.get("index", "media", "-n", TEAM)["metadata"].get("finalizers"):
        assert time.monotonic() < deadline, "the Index has got no finalizer"
        time.sleep(0.1)


def _wait_for_event(chart: Chart) -> None:
    deadline = time.monotonic() + 60
    while not chart.get("events", "-n", TEAM)["items"]:
        assert time.monotonic() < deadline, "no Event was posted"
        time.sleep(0.1)

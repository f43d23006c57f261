"""The project as the demo installs it, for end-to-end tests: the image, the chart, real pods, servers of the tests' own."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.support.clouds import Cloud
from tests.support.leak_search import LogFollower, Needles
from tests.support.running_clouds import running_clouds
from tests.support.slow_proxy import SlowProxy
from tests.support.world import StateRecorder, World, condition, is_ready, is_stalled
from tools.demo import release
from tools.demo.image import ensure_on_node
from tools.demo.programs import Kube
from tools.demo.quickstart import build_credentials
from tools.demo.storage import Storage, open_client, upload
from tools.devcluster import processes
from tools.devcluster.fixtures import DevCluster
from tools.devcluster.processes import Process
from tools.testservers import PostgresServer, VersityGateway
from tools.testservers.ports import free_port

Json = dict[str, Any]
BUCKET = "e2e-media"
PUBLIC_KEYS = ("accessKeyId", "key.json")
"""Keys of Secrets whose values are no secrets."""
SESSION_LABEL = "videovector.io/test-session"


@dataclass(slots=True)
class InstalledSystem:
    """One release with its servers. ``namespaces`` maps a test module's word to the namespace it may use."""

    cluster: DevCluster
    kube: Kube
    release: release.Release
    namespaces: dict[str, str]
    postgres: PostgresServer
    gateway: VersityGateway
    proxy: SlowProxy
    clouds: Mapping[str, Cloud]
    logs: LogFollower
    needles: Needles
    running: ExitStack
    """Ends with the system."""
    recorders: dict[str, StateRecorder] = field(default_factory=dict)
    """Every state of every namespace that was visited, by the module's word; see `site`."""
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def dsn(self) -> str:
        """The catalog."""
        assert self.release.dsn is not None
        return self.release.dsn

    @property
    def storage(self) -> Storage:
        """The S3 server, straight."""
        return Storage(self.gateway.endpoint, self.gateway.access_key, self.gateway.secret_key)

    @property
    def s3(self) -> Any:
        """A client of the S3 server's administrator."""
        return self.clients.setdefault("s3", open_client(self.storage, self.storage.endpoint))

    def upload(self, bucket: str, directory: Path, paths: Sequence[str]) -> None:
        """Bring files below ``directory`` into a bucket."""
        upload(self.s3, bucket, directory, paths, done=lambda: None)

    def remember(self, secret: Mapping[str, str]) -> dict[str, str]:
        """Note a Secret's values, none of which may ever be seen outside of Secrets; answers it."""
        for name, value in secret.items():
            if name not in PUBLIC_KEYS:
                self.needles.add(name, value)
        return dict(secret)

    def query(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Ask the catalog."""
        with psycopg.connect(self.dsn, connect_timeout=60) as connection:
            return connection.execute(statement, arguments).fetchall()

    def explain(self, namespace: str) -> str:
        """What the objects, the Jobs, the pods and the operator say, for the message of a test that fails."""
        kube, where = self.kube, self.release.namespace
        return "\n".join(
            (
                kube.run("get", "connectors,indexes,importjobs", "-n", namespace, "-o", "wide"),
                kube.run("get", "jobs,pods", "-n", namespace, "-o", "wide"),
                kube.run("get", "pods", "-n", where, "-o", "wide"),
                kube.run("logs", "-n", where, "-l", "app.kubernetes.io/component=operator", "--tail=40"),
            )
        )

    def site(self, module: str) -> ImportSite:
        """One of the watched namespaces; from now on every state in it is recorded, and searched when all tests are done."""
        world = World(self.cluster, self.namespaces[module])
        if module not in self.recorders:
            self.recorders[module] = self.running.enter_context(StateRecorder(world))
        return ImportSite(self, world, self.recorders[module])


class ImportSite:
    """A watched namespace with a Connector; starts imports in it and looks at them."""

    def __init__(self, system: InstalledSystem, world: World, recorder: StateRecorder) -> None:
        self.system = system
        self.world = world
        self.recorder = recorder

    def create_connector(self, name: str, bucket: str = BUCKET, *, slow: bool = False) -> None:
        """Create a Connector with its Secret; a slow one goes through the proxy."""
        endpoint = self.system.proxy.endpoint if slow else self.system.storage.endpoint
        credentials = build_credentials(self.system.storage, self.world.namespace, f"{name}-credentials")
        self.system.remember(credentials["stringData"])
        self.system.kube.apply(credentials)
        place = {"bucket": bucket, "region": "us-east-1", "endpoint": endpoint, "forcePathStyle": True}
        spec = {"provider": "s3", "s3": place, "credentialsSecretRef": {"name": f"{name}-credentials"}}
        self.world.create("Connector", name, spec)
        self.world.wait("Connector", name, is_ready)

    def create_import(self, name: str, connector: str, *, index: str | None = None, **spec: Any) -> str:
        """Create an ImportJob, into an Index of its own unless one is named; answers its run's id."""
        if index is None:
            self.world.create("Index", name, {})
        references = {"connectorRef": {"name": connector}, "indexRef": {"name": index or name}}
        self.world.create("ImportJob", name, {**references, **spec})
        return self.run_id(name)

    def run_id(self, name: str) -> str:
        """The public id of a run, once the operator has given it."""
        job = self._wait(name, lambda job: bool((job.get("status") or {}).get("id")), 60.0)
        found: str = job["status"]["id"]
        return found

    def wait_ended(self, name: str, seconds: float = 150.0) -> Json:
        """Wait until the run is Ready or Stalled."""
        return self._wait(name, lambda job: is_ready(job) or is_stalled(job), seconds)

    def wait_ready(self, name: str, seconds: float = 150.0) -> Json:
        """Wait until the run has ended well."""
        job = self.wait_ended(name, seconds)
        assert is_ready(job), f"{json.dumps(job['status'], indent=1)}\n{self.system.explain(self.world.namespace)}"
        return job

    def _wait(self, name: str, until: Callable[[Json], bool], seconds: float) -> Json:
        try:
            return self.world.wait("ImportJob", name, until, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.system.explain(self.world.namespace)}") from None

    def wait_counted(self, name: str, at_least: int, seconds: float = 150.0) -> Json:
        """Wait until so many files are imported."""
        return self._wait(name, lambda job: imported(job) >= at_least, seconds)

    def jobs_of(self, name: str) -> list[Json]:
        """The batch/v1 Jobs that an ImportJob has now."""
        uid = (self.world.get("ImportJob", name) or {})["metadata"]["uid"]
        owned = (job for job in self.world.list("Job") if job["metadata"]["ownerReferences"][0]["uid"] == uid)
        return list(owned)


def imported(job: Json) -> int:
    """Files that the status counts as imported."""
    count: int = ((job.get("status") or {}).get("progress") or {}).get("imported", 0)
    return count


def imported_of(system: InstalledSystem, run_id: str) -> int:
    """Files that a run has imported, as the catalog knows it: the status tells it later."""
    return int(system.query("SELECT count(*) FROM media WHERE run_id = %s", run_id)[0][0])


def counts(job: Json) -> dict[str, int]:
    """The four counters of an ImportJob's status."""
    progress = job["status"]["progress"]
    return {name: progress.get(name, 0) for name in ("totalFiles", "imported", "failed", "skipped")}


def reason_of(job: Json) -> tuple[str, str, str]:
    """Phase, and the status and reason of the condition Ready."""
    ready = condition(job, "Ready")
    return job["status"]["phase"], ready["status"], ready["reason"]


def worker_processes(run_id: str) -> list[Process]:
    """The worker processes of one run, which only this cluster's containers can hold: the id is a function of a uid."""
    return processes.find("worker", "import", run_id)


def wait_until(what: str, holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        time.sleep(0.05)


@contextmanager
def installed(cluster: DevCluster, modules: Sequence[str]) -> Iterator[InstalledSystem]:
    """Install a release that watches one namespace for each module, and remove it all again."""
    kube = Kube(cluster.kubectl, cluster.helm, str(cluster.kubeconfig))
    session = f"e2e-{os.getpid()}-{secrets.token_hex(2)}"
    remove_leftovers(kube)
    names = {module: f"{session}-{module}" for module in modules}
    system_namespace = f"{session}-system"
    for namespace in (*names.values(), system_namespace):
        label_namespace(kube, namespace)
    needles = Needles()
    with ExitStack() as running:
        postgres = running.enter_context(PostgresServer(f"{session}-postgres"))
        gateway = running.enter_context(VersityGateway(f"{session}-s3", secret_key=secrets.token_hex(20)))
        proxy = running.enter_context(SlowProxy(gateway))
        clouds = running.enter_context(running_clouds(gateway))
        logs = running.enter_context(LogFollower(cluster.control.layout.root / "pod-logs", needles))
        for namespace in (*names.values(), system_namespace):
            kube.apply(clouds.entra_config_map(namespace))
        entra = clouds.entra_values()
        values = {
            "operator": {"httpPort": free_port(), "allowLoopbackEndpoints": True, **entra["operator"]},
            "operatorApi": {"port": free_port()},
            "worker": {"resources": {"requests": {"cpu": "10m"}}, **entra["worker"]},
        }
        image = ensure_on_node(cluster.control)
        dsn = postgres.create_database(session.replace("-", "_"))
        wanted = release.Release(session, system_namespace, image, tuple(names.values()), dsn, values)
        release.install(kube, wanted)
        servers = (postgres, gateway, proxy, clouds.by_name)
        system = InstalledSystem(cluster, kube, wanted, names, *servers, logs, needles, running)
        system.remember({"secretAccessKey": gateway.secret_key})
        try:
            yield system
        finally:
            remove(kube, wanted)


def label_namespace(kube: Kube, name: str) -> None:
    """Create a namespace that a later session removes if this one is killed."""
    metadata = {"name": name, "labels": {SESSION_LABEL: str(os.getpid())}}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


def remove(kube: Kube, wanted: release.Release) -> None:
    """Delete what the users made first, while the operator cleans up behind it; then the release."""
    for namespace in wanted.watch:
        kube.run("delete", "importjobs,indexes,connectors", "--all", "-n", namespace, "--wait=false")
    release.uninstall(kube, wanted)
    kube.run("delete", "namespace", wanted.namespace, *wanted.watch, "--wait=false", "--ignore-not-found")


def remove_leftovers(kube: Kube) -> None:
    """Delete the namespaces of sessions whose process is gone."""
    for found in kube.items("namespaces", selector=SESSION_LABEL):
        if not Path(f"/proc/{found['metadata']['labels'][SESSION_LABEL]}").exists():
            kube.run("delete", "namespace", found["metadata"]["name"], "--wait=false", "--ignore-not-found")

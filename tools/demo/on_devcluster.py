"""The demo on a development cluster of its own, called "demo", with PostgreSQL and S3 as processes on loopback."""

from __future__ import annotations

import contextlib
import json
import socket

from tools.demo.console import step
from tools.demo.gcs import GcsPlace
from tools.demo.image import ensure_on_node
from tools.demo.programs import Kube
from tools.demo.site import STATE, Site, remember
from tools.demo.storage import Storage
from tools.devcluster import build, imagebuild
from tools.devcluster.cluster import Cluster, Mode
from tools.testservers.fakegcs import FakeGcsServer
from tools.testservers.gcs_accounts import READ_ONLY
from tools.testservers.postgres import PostgresServer
from tools.testservers.server import Server
from tools.testservers.versitygw import VersityGateway

CLUSTER = "demo"
# Documented in README.md; where somebody else listens already, another free port is taken and kept.
S3_PORT, GCS_PORT, POSTGRES_PORT, OPERATOR_PORT, API_PORT = 29100, 29101, 29132, 29180, 29190


def up() -> Site:
    """Start what does not run yet, bring the image to the node."""
    remember("dev")
    cluster = Cluster(CLUSTER)
    with step("Kubernetes (the first time its programs are built from source, which takes some minutes)"):
        cluster.up(Mode.FULL)
    with step("PostgreSQL, an S3 and a Cloud Storage server on 127.0.0.1"):
        database = PostgresServer("demo-postgres", _free(PostgresServer("demo-postgres"), POSTGRES_PORT)).start()
        gateway = VersityGateway("demo-s3", _free(VersityGateway("demo-s3"), S3_PORT)).start()
        google = FakeGcsServer("demo-gcs", _free(FakeGcsServer("demo-gcs"), GCS_PORT)).start()
    with step("Image of the operator and its workers, built from the Dockerfile"):
        image = ensure_on_node(cluster)
    kube = Kube(build.program("kubectl"), build.program("helm"), str(cluster.layout.kubeconfig))
    storage = Storage(gateway.endpoint, gateway.access_key, gateway.secret_key)
    # The servers of this machine are on its loopback, which the pods share.
    operator = {"httpPort": _kept_port("operator-port", OPERATOR_PORT), "allowLoopbackEndpoints": True}
    values = {"operator": operator, "operatorApi": {"port": _kept_port("api-port", API_PORT)}}
    return Site(kube, image, storage, _archive(google), database.dsn, values)


def _archive(server: FakeGcsServer) -> GcsPlace:
    """The Connector's account may only list and read."""
    reader = server.create_account("importer", READ_ONLY)
    return GcsPlace(server.endpoint, server.project, reader.key_file(), server.administrator.key_file())


def down() -> None:
    """End and remove all of it."""
    with step("Stopping the cluster"):
        Cluster(CLUSTER).down(purge=True)
        imagebuild.unmount_storage()
    with step("Stopping PostgreSQL and the storage servers"):
        for server in (PostgresServer("demo-postgres"), VersityGateway("demo-s3"), FakeGcsServer("demo-gcs")):
            if server.state.exists():
                server.remove()


def _free(server: Server, port: int) -> int | None:
    """The documented port, or None (= any) if it is taken; a server that was started before keeps its own."""
    return port if server.running or _is_free(port) else None


def _kept_port(name: str, first: int) -> int:
    """Pods share this machine's network: the operator needs ports too, the same ones at every upgrade."""
    note = STATE / f"{name}.json"
    if note.exists():
        return int(json.loads(note.read_text()))
    port = first
    while not _is_free(port):
        port += 1
    note.write_text(json.dumps(port))
    return port


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

"""Fixtures of the tests on a real API server: a database, an S3 server, a namespace, an operator process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.crds import ensure_crds
from tests.support.nursery import shared_nursery
from tests.support.operator_process import OperatorProcess
from tests.support.world import World
from tools.devcluster.fixtures import DevCluster
from tools.testservers import PostgresServer, VersityGateway
from tools.testservers.clients import s3_client
from videovector_operator.catalog.migrate import migrate

BUCKET = "media"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/cluster" in str(item.path):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def api_cluster(devcluster_api: DevCluster) -> DevCluster:
    ensure_crds(devcluster_api.control)
    return devcluster_api


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(f"cluster-tests-postgres-{os.getpid()}") as server:
        yield server


@pytest.fixture(scope="session")
def gateway() -> Iterator[VersityGateway]:
    with VersityGateway(f"cluster-tests-s3-{os.getpid()}") as server:
        yield server


@pytest.fixture(scope="session")
def s3(gateway: VersityGateway):
    client = s3_client(gateway)
    client.create_bucket(Bucket=BUCKET)
    yield client
    client.close()


@pytest.fixture
def dsn(postgres: PostgresServer, namespace: str) -> Iterator[str]:
    name = namespace.replace("-", "_")
    address = postgres.create_database(name)
    migrate(address)
    yield address
    postgres.drop_database(name)


@pytest.fixture
def world(api_cluster: DevCluster, namespace: str) -> World:
    return World(api_cluster, namespace)


@pytest.fixture
def connector_spec(gateway: VersityGateway, s3) -> dict:
    return {
        "provider": "s3",
        "s3": {"bucket": BUCKET, "region": "us-east-1", "endpoint": gateway.endpoint, "forcePathStyle": True},
        "credentialsSecretRef": {"name": "creds"},
        "validationInterval": "1h",
    }


@pytest.fixture
def credentials(world: World, gateway: VersityGateway) -> dict:
    return world.create_secret("creds", accessKeyId=gateway.access_key, secretAccessKey=gateway.secret_key)


StartOperator = Callable[..., OperatorProcess]


@pytest.fixture
def start_operator(api_cluster: DevCluster, world: World, dsn: str, tmp_path: Path) -> Iterator[StartOperator]:
    """Start operator processes of the test's namespace; all are ended with the test."""
    started: list[OperatorProcess] = []

    def start(kubeconfig: Path | None = None, **env: str) -> OperatorProcess:
        process = OperatorProcess(
            kubeconfig or api_cluster.kubeconfig,
            dsn,
            tmp_path / f"operator-{len(started)}.log",
            namespaces=world.namespace,
            # Nobody restarts a test's operator: a machine that stands still for some seconds must not cost it its Lease.
            env={"VIDEOVECTOR_LEASE_DURATION_SECONDS": "60", **env},
            nursery=shared_nursery(),
        )
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def operator(start_operator: StartOperator) -> OperatorProcess:
    return start_operator().wait_ready()

"""Fixtures of tests on the light API server: our CRDs, a client, a world. Load it by ``pytest_plugins``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kubernetes.aio import config as kube_config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from tests.contract.cluster_worlds import RealWorld
from tools.devcluster.fixtures import DevCluster

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def crds_installed(devcluster_api: DevCluster) -> DevCluster:
    """The API server knows our kinds."""
    devcluster_api.run_kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    devcluster_api.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
    return devcluster_api


@pytest.fixture
async def kubernetes_api(crds_installed: DevCluster) -> AsyncIterator[ApiClient]:
    configuration = Configuration()
    await kube_config.load_kube_config(str(crds_installed.kubeconfig), client_configuration=configuration)
    async with ApiClient(configuration) as api:
        yield api


@pytest.fixture
def real_world(crds_installed: DevCluster, kubernetes_api: ApiClient, namespace: str) -> RealWorld:
    return RealWorld(crds_installed, kubernetes_api, namespace)

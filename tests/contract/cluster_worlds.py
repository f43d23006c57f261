"""The two worlds of the cluster contract: the fake, and a real API server. Each does what users and controllers do."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Protocol

from kubernetes.aio.client.api_client import ApiClient

from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.cluster.kubernetes_api import KubernetesCluster
from videovector_operator.cluster.port import RESOURCES, Cluster
from videovector_operator.core.keys import ObjectKey

if TYPE_CHECKING:
    from tools.devcluster.fixtures import DevCluster

Json = dict[str, Any]


class World(Protocol):
    """An API server with somebody else at work in it."""

    cluster: Cluster
    namespace: str

    def edit_status(self, key: ObjectKey, status: Json) -> None:
        """Write a status, as a controller does."""

    def delete(self, key: ObjectKey) -> None:
        """Ask for an object's end."""


class FakeWorld:
    """The fake."""

    namespace = "media"

    def __init__(self) -> None:
        self.fake = FakeCluster()
        self.cluster: Cluster = self.fake

    def edit_status(self, key: ObjectKey, status: Json) -> None:
        self.fake.edit_status(key, status)

    def delete(self, key: ObjectKey) -> None:
        self.fake.delete(key)


class RealWorld:
    """A real API server."""

    def __init__(self, devcluster: DevCluster, api: ApiClient, namespace: str) -> None:
        self._devcluster = devcluster
        self.api = api
        self.namespace = namespace
        self.calls: list[tuple[str, str, int]] = []
        self.permits = 0
        self.cluster: Cluster = KubernetesCluster(
            api, write_permit=self._permit, observe_call=self._observe, clock=time.monotonic
        )

    async def _permit(self) -> None:
        self.permits += 1

    def _observe(self, verb: str, kind: str, status: int, _: float) -> None:
        self.calls.append((verb, kind, status))

    def edit_status(self, key: ObjectKey, status: Json) -> None:
        self._kubectl("patch", key, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def delete(self, key: ObjectKey) -> None:
        self._kubectl("delete", key, "--wait=false")

    def _kubectl(self, verb: str, key: ObjectKey, *arguments: str) -> None:
        plural = RESOURCES[key.kind].plural
        self._devcluster.run_kubectl("-n", key.namespace, verb, plural, key.name, *arguments)

"""Which pod is asked, and what is said when there is none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.plugin_desk import FakeKubernetes
from videovector_operator.cli.discovery import OperatorPod, find_operator
from videovector_operator.cli.failures import CommandError, RightMissingError
from videovector_operator.cli.rights import refused
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.core.keys import ObjectKey

Json = dict[str, Any]


@pytest.fixture
def kubernetes() -> FakeKubernetes:
    return FakeKubernetes(FakeCluster())


def add(
    kubernetes: FakeKubernetes,
    name: str,
    namespace: str = "videovector-system",
    *,
    ready: str = "True",
    ports: tuple[tuple[str, int], ...] = (("http", 8080), ("api", 18443)),
    **metadata: Any,
) -> None:
    described = [{"name": port, "containerPort": number} for port, number in ports]
    meta = {"name": name, "namespace": namespace, "labels": {"videovector.io/operator-api": "true"}, **metadata}
    spec = {"containers": [{"name": "sidecar"}, {"name": "operator", "ports": described}]}
    kubernetes.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    kubernetes.cluster.edit_status(ObjectKey("Pod", namespace, name), status)


def test_a_ready_pod_of_the_usual_namespace(kubernetes: FakeKubernetes) -> None:
    add(kubernetes, "a", ready="False")
    add(kubernetes, "b")
    add(kubernetes, "c", "elsewhere")
    assert find_operator(kubernetes, None) == OperatorPod("videovector-system", "b", 18443)
    assert find_operator(kubernetes, "elsewhere") == OperatorPod("elsewhere", "c", 18443)


def test_it_is_looked_for_everywhere(kubernetes: FakeKubernetes) -> None:
    add(kubernetes, "a", "somewhere")
    assert find_operator(kubernetes, None).namespace == "somewhere"


class RightsEnd(FakeKubernetes):
    """Only the usual namespace may not be listed, or nothing but it."""

    forbidden: tuple[str | None, ...] = ()

    def list(self, kind: str, namespace: str | None, *, labels: str = "") -> Any:
        if namespace in self.forbidden:
            raise refused("list", "pods", namespace, "pods is forbidden: ann")
        return super().list(kind, namespace, labels=labels)


def test_without_rights_in_the_usual_namespace_others_are_tried() -> None:
    kubernetes = RightsEnd(FakeCluster())
    kubernetes.forbidden = ("videovector-system",)
    add(kubernetes, "a", "somewhere")
    assert find_operator(kubernetes, None).namespace == "somewhere"


def test_the_role_that_is_missing_is_named() -> None:
    kubernetes = RightsEnd(FakeCluster())
    kubernetes.forbidden = ("videovector-system", None)
    with pytest.raises(RightMissingError) as caught:
        find_operator(kubernetes, None)
    assert "you may not list pods in all namespaces" in caught.value.message
    assert "name one namespace with --operator-namespace" in caught.value.message
    assert "the Role …-cli" in caught.value.message
    assert "pods is forbidden: ann" in caught.value.message
    with pytest.raises(RightMissingError, match=r'in namespace "videovector-system": ask for the Role …-cli'):
        find_operator(kubernetes, "videovector-system")


def test_none_at_all(kubernetes: FakeKubernetes) -> None:
    with pytest.raises(CommandError, match="there is no operator in the cluster") as caught:
        find_operator(kubernetes, None)
    assert caught.value.code == 3


def test_none_ready(kubernetes: FakeKubernetes) -> None:
    add(kubernetes, "a", ready="False")
    add(kubernetes, "b", finalizers=["x"])
    kubernetes.cluster.delete(ObjectKey("Pod", "videovector-system", "b"))
    with pytest.raises(CommandError, match="is ready: kubectl -n videovector-system describe pod a, b"):
        find_operator(kubernetes, None)


def test_several_operators_must_be_told_apart(kubernetes: FakeKubernetes) -> None:
    add(kubernetes, "a", "one")
    add(kubernetes, "b", "two")
    with pytest.raises(CommandError, match="in the namespaces one, two: name one with --operator-namespace"):
        find_operator(kubernetes, None)


def test_a_pod_without_the_port_is_of_an_older_release(kubernetes: FakeKubernetes) -> None:
    add(kubernetes, "a", ports=(("http", 8080),))
    with pytest.raises(CommandError, match="upgrade the operator's release"):
        find_operator(kubernetes, None)

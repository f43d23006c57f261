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


@pytest.mark.parametrize("namespaces", [("one",), ("one", "two")])
def test_a_pod_that_only_calls_itself_the_operator_is_not_connected_to(
    kubernetes: FakeKubernetes, namespaces: tuple[str, ...]
) -> None:
    for namespace in namespaces:
        add(kubernetes, "trap", namespace)
    with pytest.raises(CommandError) as caught:
        find_operator(kubernetes, None)
    assert caught.value.code == 3
    assert 'there is no operator in namespace "videovector-system"' in caught.value.message
    assert "name its namespace with --operator-namespace" in caught.value.message
    assert f"pods that call themselves the operator are in: {', '.join(namespaces)}. " in caught.value.message
    assert "name a namespace only if you know it as the operator's" in caught.value.message


def test_a_pod_elsewhere_does_not_stand_in_for_one_that_is_not_ready(kubernetes: FakeKubernetes) -> None:
    add(kubernetes, "a", ready="False")
    add(kubernetes, "trap", "team")
    with pytest.raises(CommandError, match="no operator in namespace"):
        find_operator(kubernetes, None)


def test_a_namespace_that_is_named_but_empty_is_none(kubernetes: FakeKubernetes) -> None:
    add(kubernetes, "a-trap", "team")
    add(kubernetes, "b")
    assert find_operator(kubernetes, "").namespace == "videovector-system"


def test_many_namespaces_do_not_fill_the_screen(kubernetes: FakeKubernetes) -> None:
    for number in range(12):
        add(kubernetes, "trap", f"team-{number:02}")
    with pytest.raises(CommandError, match=r"team-08, team-09 and 2 more\. "):
        find_operator(kubernetes, None)


class RightsEnd(FakeKubernetes):
    """Only the usual namespace may not be listed, or nothing but it."""

    forbidden: tuple[str | None, ...] = ()

    def list(self, kind: str, namespace: str | None, *, labels: str = "") -> Any:
        if namespace in self.forbidden:
            raise refused("list", "pods", namespace, "pods is forbidden: ann")
        return super().list(kind, namespace, labels=labels)


def test_the_role_that_is_missing_is_named() -> None:
    kubernetes = RightsEnd(FakeCluster())
    kubernetes.forbidden = ("videovector-system", "ops")
    add(kubernetes, "a", "somewhere")
    with pytest.raises(RightMissingError) as caught:
        find_operator(kubernetes, None)
    assert 'you may not list pods in namespace "videovector-system": ask for the Role …-cli' in caught.value.message
    assert "if it runs elsewhere, name its namespace with --operator-namespace" in caught.value.message
    assert "pods is forbidden: ann" in caught.value.message
    with pytest.raises(RightMissingError, match=r'in namespace "ops": ask for the Role …-cli') as caught:
        find_operator(kubernetes, "ops")
    assert "--operator-namespace" not in caught.value.message


def test_none_at_all(kubernetes: FakeKubernetes) -> None:
    with pytest.raises(CommandError, match="there is no operator in namespace") as caught:
        find_operator(kubernetes, None)
    assert caught.value.code == 3
    assert "call themselves" not in caught.value.message


def test_who_may_not_look_elsewhere_is_told_the_same() -> None:
    kubernetes = RightsEnd(FakeCluster())
    kubernetes.forbidden = (None,)
    add(kubernetes, "a", "somewhere")
    with pytest.raises(CommandError, match="name its namespace with --operator-namespace") as caught:
        find_operator(kubernetes, None)
    assert "somewhere" not in caught.value.message


def test_none_ready(kubernetes: FakeKubernetes) -> None:
    add(kubernetes, "a", ready="False")
    add(kubernetes, "b", finalizers=["x"])
    kubernetes.cluster.delete(ObjectKey("Pod", "videovector-system", "b"))
    with pytest.raises(CommandError, match="is ready: kubectl -n videovector-system describe pod a b"):
        find_operator(kubernetes, None)


def test_a_pod_without_the_port_is_of_an_older_release(kubernetes: FakeKubernetes) -> None:
    add(kubernetes, "a", ports=(("http", 8080),))
    with pytest.raises(CommandError, match="upgrade the operator's release"):
        find_operator(kubernetes, None)

"""Which pod to ask: a ready one of the operator, found by the chart's label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from videovector_operator.cli.failures import RightMissingError, unreachable
from videovector_operator.cli.ports import OPERATOR_NAMESPACE, Kubernetes
from videovector_operator.cli.rights import refused

Json = dict[str, Any]
LABEL = "videovector.io/operator-api=true"
_PORT_NAME = "api"


@dataclass(frozen=True, slots=True)
class OperatorPod:
    """Where the operator's API listens."""

    namespace: str
    name: str
    port: int


def find_operator(kubernetes: Kubernetes, namespace: str | None) -> OperatorPod:
    """Find a ready pod of the operator: in the given namespace, else in the usual one, else anywhere.

    Raises CommandError when there is none, or several operators to choose from.
    """
    if namespace is not None:
        return _choose(_list(kubernetes, namespace), f'namespace "{namespace}"')
    try:
        here = _list(kubernetes, OPERATOR_NAMESPACE)
    except RightMissingError:
        here = []
    if here:
        return _choose(here, f'namespace "{OPERATOR_NAMESPACE}"')
    return _choose(_list(kubernetes, None), "the cluster")


def _list(kubernetes: Kubernetes, namespace: str | None) -> Sequence[Json]:
    try:
        return kubernetes.list("Pod", namespace, labels=LABEL)
    except RightMissingError as error:
        raise refused("list", "operator pods", namespace, error.said) from None


def _choose(pods: Sequence[Json], where: str) -> OperatorPod:
    if not pods:
        raise unreachable(
            f"there is no operator in {where} that serves its API: name its namespace with --operator-namespace "
            "(chart: operatorApi.enabled)"
        )
    namespaces = sorted({pod["metadata"]["namespace"] for pod in pods})
    if len(namespaces) > 1:
        raise unreachable(
            f"there are operators in the namespaces {', '.join(namespaces)}: name one with --operator-namespace"
        )
    ready = sorted((pod for pod in pods if _is_ready(pod)), key=lambda pod: pod["metadata"]["name"])
    if not ready:
        names = ", ".join(pod["metadata"]["name"] for pod in pods)
        raise unreachable(f"no operator in {where} is ready: kubectl -n {namespaces[0]} describe pod {names}")
    pod = ready[0]
    return OperatorPod(pod["metadata"]["namespace"], pod["metadata"]["name"], _port_of(pod))


def _is_ready(pod: Json) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)


def _port_of(pod: Json) -> int:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == _PORT_NAME:
                return int(port["containerPort"])
    raise unreachable(f"pod {pod['metadata']['name']} has no port named {_PORT_NAME}: upgrade the operator's release")

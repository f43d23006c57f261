"""Which pod to ask: a ready one of the operator, found by the chart's label in a namespace that is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from videovector_operator.cli.failures import CommandError, RightMissingError, unreachable
from videovector_operator.cli.ports import OPERATOR_NAMESPACE, Kubernetes
from videovector_operator.cli.rights import refused

Json = dict[str, Any]
LABEL = "videovector.io/operator-api=true"
_PORT_NAME = "api"
_NAME_IT = "; if it runs elsewhere, name its namespace with --operator-namespace"
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class OperatorPod:
    """Where the operator's API listens."""

    namespace: str
    name: str
    port: int


def find_operator(kubernetes: Kubernetes, namespace: str | None) -> OperatorPod:
    """Find a ready pod of the operator in the given namespace (None or "" = in the usual one).

    Whoever may create a pod can label it as the operator, and the user's token goes to the pod that is chosen. So a namespace
    is never chosen for having such pods: one is named by the user, or is that of the documentation. Raises CommandError.
    """
    where = namespace or OPERATOR_NAMESPACE
    pods = _list(kubernetes, where, is_named=bool(namespace))
    if not pods:
        raise unreachable(
            f'there is no operator in namespace "{where}" that serves its API (chart: operatorApi.enabled){_NAME_IT}'
            f"{_tell_elsewhere(kubernetes, where)}"
        )
    return _choose(pods, where)


def _list(kubernetes: Kubernetes, namespace: str, *, is_named: bool) -> Sequence[Json]:
    try:
        return kubernetes.list("Pod", namespace, labels=LABEL)
    except RightMissingError as error:
        hint = "" if is_named else _NAME_IT
        raise refused("list", "operator pods", namespace, error.said, hint=hint) from None


def _tell_elsewhere(kubernetes: Kubernetes, namespace: str) -> str:
    """Namespaces in which pods call themselves the operator, for people who may look there; none is connected to."""
    try:
        pods = kubernetes.list("Pod", None, labels=LABEL)
    except CommandError:
        return ""
    found = sorted({pod["metadata"]["namespace"] for pod in pods} - {namespace})
    if not found:
        return ""
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return (
        f"\n  pods that call themselves the operator are in: {', '.join(found[:_MOST_NAMED])}{more}. Whoever may create pods there "
        "can say so, and gets your credentials: name a namespace only if you know it as the operator's"
    )


def _choose(pods: Sequence[Json], namespace: str) -> OperatorPod:
    ready = sorted((pod for pod in pods if _is_ready(pod)), key=lambda pod: pod["metadata"]["name"])
    if not ready:
        names = " ".join(pod["metadata"]["name"] for pod in pods)
        raise unreachable(
            f'no operator in namespace "{namespace}" is ready: kubectl -n {namespace} describe pod {names}'
        )
    return OperatorPod(namespace, ready[0]["metadata"]["name"], _port_of(ready[0]))


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

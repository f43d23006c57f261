"""What a caller may do: asked of the Kubernetes API each time, with RBAC as the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from videovector_operator.api.v1alpha1.common import API_GROUP, API_VERSION
from videovector_operator.cluster.port import Cluster
from videovector_operator.operator_api.caller import Caller
from videovector_operator.operator_api.problems import forbidden

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """The verb ``get`` on a subresource of one object, for instance connectors/browse."""

    resource: str
    subresource: str
    namespace: str
    name: str


async def ensure_allowed(reviews: Cluster, caller: Caller, wish: Wish) -> None:
    """Return when the caller may do it. Raises ApiProblem (403), ClusterError."""
    answer = await reviews.create(build_review(caller, wish))
    status = (answer or {}).get("status") or {}
    if status.get("allowed") is not True or status.get("denied") is True:
        what = f"{wish.resource}/{wish.subresource}"
        raise forbidden(
            f'user "{caller.name}" may not get {what} in namespace "{wish.namespace}": ask for the ClusterRole view there '
            f"(or another with the verb get on {what}.{API_GROUP})"
        )


def build_review(caller: Caller, wish: Wish) -> Json:
    """Build the question to the Kubernetes API."""
    attributes = {
        "group": API_GROUP,
        "version": API_VERSION,
        "resource": wish.resource,
        "subresource": wish.subresource,
        "namespace": wish.namespace,
        "name": wish.name,
        "verb": "get",
    }
    spec = {
        "user": caller.name,
        "uid": caller.uid,
        "groups": list(caller.groups),
        "extra": {name: list(values) for name, values in caller.extra.items()},
        "resourceAttributes": attributes,
    }
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": spec}

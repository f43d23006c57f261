"""The objects every cluster starts with: host network for every pod, and the access that the room's own parts need."""

import time
from http import HTTPStatus

from .api import Api, Json
from .errors import DevClusterError

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1beta1"
_POLICY = "devcluster-host-network"
# Every pod shares the machine's network, so manifests and charts stay ordinary.
_HOST_NETWORK = """
object.spec.?dnsPolicy.orValue("ClusterFirst") == "ClusterFirst"
  ? Object{spec: Object.spec{hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet"}}
  : Object{spec: Object.spec{hostNetwork: true}}
""".strip()


def ensure(api: Api) -> None:
    """Apply them and wait until pods can be created as every later test expects."""
    for path, manifest in (*_access(), *_host_network()):
        api.apply(f"{path}/{manifest['metadata']['name']}", manifest)
    _wait_for_default_account(api)
    _wait_for_host_network(api)


def _access() -> list[tuple[str, Json]]:
    netproxy_rules = [{"apiGroups": [""], "resources": ["services", "pods"], "verbs": ["get", "list", "watch"]}]
    return [
        _binding("devcluster-apiserver-to-kubelet", role="system:kubelet-api-admin"),
        (
            f"{_RBAC}/clusterroles",
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": {"name": "devcluster-netproxy"},
                "rules": netproxy_rules,
            },
        ),
        _binding("devcluster-netproxy", role="devcluster-netproxy"),
    ]


def _binding(user: str, *, role: str) -> tuple[str, Json]:
    return (
        f"{_RBAC}/clusterrolebindings",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        },
    )


def _host_network() -> list[tuple[str, Json]]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1beta1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": _POLICY},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": _HOST_NETWORK}}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1beta1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": _POLICY},
        "spec": {"policyName": _POLICY},
    }
    return [
        (f"{_ADMISSION}/mutatingadmissionpolicies", policy),
        (f"{_ADMISSION}/mutatingadmissionpolicybindings", binding),
    ]


def _wait_for_default_account(api: Api, *, seconds: float = 120.0) -> None:
    """Pods are refused until the controller manager has made their service account."""
    deadline = time.monotonic() + seconds
    while api.get("/api/v1/namespaces/default/serviceaccounts/default") is None:
        if time.monotonic() > deadline:
            raise DevClusterError("the controller manager has made no default service account")
        time.sleep(0.05)


def _wait_for_host_network(api: Api, *, seconds: float = 120.0) -> None:
    """The policy takes effect a moment after it is created: ask with a dry run until it does."""
    probe = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "devcluster-probe", "namespace": "default"},
        "spec": {"containers": [{"name": "probe", "image": "none"}]},
    }
    deadline = time.monotonic() + seconds
    while True:
        status, text = api.request("POST", "/api/v1/namespaces/default/pods?dryRun=All", probe)
        if status == HTTPStatus.CREATED and '"hostNetwork":true' in text:
            return
        if time.monotonic() > deadline:
            raise DevClusterError(f"the host network policy has no effect: {status} {text}")
        time.sleep(0.05)

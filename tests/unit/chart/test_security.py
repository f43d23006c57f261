"""Pods meet the Pod Security Standard "restricted"; the operator has exactly the rights that its code uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.support.helm import CHART, IMAGE, NAMESPACE, OWN_DATABASE, Json, merge, of_kind, one, render, run_helm
from videovector_operator.api.kinds import KINDS
from videovector_operator.cluster.port import RESOURCES

VARIANTS = {
    "defaults": {},
    "own database": OWN_DATABASE,
    "namespaced": {"watchNamespaces": ["team-a", "team-b"]},
    "no volume": {"catalog": {"postgresql": {"persistence": {"enabled": False}}}},
}
OPERATOR_RULES = [
    (["videovector.io"], ["connectors", "indexes", "importjobs"], ["get", "list", "watch"]),
    (["videovector.io"], ["indexes"], ["patch"]),
    (["videovector.io"], ["connectors/status", "indexes/status", "importjobs/status"], ["patch"]),
    (["batch"], ["jobs"], ["get", "list", "watch", "create", "patch"]),
    ([""], ["pods"], ["get", "list"]),
    ([""], ["secrets"], ["get", "list", "watch", "create"]),
    ([""], ["configmaps", "serviceaccounts"], ["get"]),
    ([""], ["events"], ["get", "list", "create", "patch"]),
]
API_RULES = [
    (["authentication.k8s.io"], ["tokenreviews"], ["create"]),
    (["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
]
ALLOWED_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}


def pods_of(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    for item in objects:
        if item["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield item["kind"], item["spec"]["template"]["spec"]


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_every_pod_is_restricted(values: Json) -> None:
    pods = list(pods_of(render(values)))
    assert pods
    for kind, pod in pods:
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, kind
        assert context["runAsUser"] > 0, kind
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, kind
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), kind
        assert pod["enableServiceLinks"] is False
        for volume in pod["volumes"]:
            assert volume.keys() - {"name"} <= ALLOWED_VOLUMES, volume
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, container["name"]
            assert container["resources"]["limits"]["memory"], container["name"]


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_only_the_operator_has_a_kubernetes_token(values: Json) -> None:
    objects = render(values)
    for kind, pod in pods_of(objects):
        assert pod["automountServiceAccountToken"] is (kind == "Deployment"), kind
    assert one(objects, "ServiceAccount")["automountServiceAccountToken"] is False


def test_operators_rights_everywhere() -> None:
    objects = render()
    role = one(objects, "ClusterRole", "vv-videovector-operator")
    assert _rules(role) == OPERATOR_RULES
    binding = one(objects, "ClusterRoleBinding", "vv-videovector-operator")
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **_named(role)}
    assert binding["subjects"] == [_operator()]


def test_operators_rights_in_watched_namespaces_only() -> None:
    objects = render({"watchNamespaces": ["team-a", "team-b"]})
    assert [_name(item) for item in of_kind(objects, "ClusterRoleBinding")] == [_name(_api_role(objects))]
    named = "vv-videovector-operator"
    roles = {item["metadata"]["namespace"]: item for item in of_kind(objects, "Role") if _name(item) == named}
    assert roles.keys() == {"team-a", "team-b"}
    bindings = {item["metadata"]["namespace"]: item for item in of_kind(objects, "RoleBinding") if _name(item) == named}
    for namespace, role in roles.items():
        assert _rules(role) == OPERATOR_RULES
        assert bindings[namespace]["subjects"] == [_operator()]
        assert bindings[namespace]["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            **_named(role),
        }


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_secrets_are_readable_where_the_operator_watches_and_nowhere_else(values: Json) -> None:
    objects = render(values)
    watched = set(values.get("watchNamespaces", ()))
    for role in (*of_kind(objects, "Role"), *of_kind(objects, "ClusterRole")):
        reads = any("secrets" in resources for _, resources, _ in _rules(role))
        if role["kind"] == "ClusterRole":
            assert not reads or not watched, _name(role)
        else:
            assert reads == (role["metadata"]["namespace"] in watched), _name(role)


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_the_lease_is_the_operators_own_and_at_home(values: Json) -> None:
    role = one(render(values), "Role", "vv-videovector-operator-lease")
    assert role["metadata"]["namespace"] == NAMESPACE
    assert role["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["vv-videovector-operator"],
            "verbs": ["get", "update"],
        },
    ]


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_no_wildcards_and_no_deletion(values: Json) -> None:
    for role in (*of_kind(render(values), "Role"), *of_kind(render(values), "ClusterRole")):
        for groups, resources, verbs in _rules(role):
            assert "*" not in (*groups, *resources, *verbs)
            if "aggregate-to" not in str(role["metadata"]["labels"]):
                assert not {"delete", "deletecollection", "update"} & set(verbs) or resources == ["leases"]


def test_rights_cover_every_kind_that_the_operator_calls() -> None:
    granted = {resource for _, resources, _ in (*OPERATOR_RULES, *API_RULES) for resource in resources}
    assert {path.plural for path in RESOURCES.values()} <= granted


def test_users_roles_extend_the_built_in_ones() -> None:
    objects = render()
    kinds = [info.plural for info in KINDS]
    view = one(objects, "ClusterRole", "vv-videovector-operator-view")
    edit = one(objects, "ClusterRole", "vv-videovector-operator-edit")
    assert _aggregated(view) == {"view", "edit", "admin"}
    assert _aggregated(edit) == {"edit", "admin"}
    assert _rules(view) == [
        (["videovector.io"], kinds, ["get", "list", "watch"]),
        (["videovector.io"], ["connectors/browse", "importjobs/files"], ["get"]),
    ]
    assert _rules(edit) == [(["videovector.io"], kinds, ["create", "update", "patch", "delete", "deletecollection"])]
    without = render({"rbac": {"aggregateToUserRoles": False}})
    left = {_name(role) for role in of_kind(without, "ClusterRole")}
    assert left == {"vv-videovector-operator", _name(_api_role(without))}


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_the_api_asks_about_people_everywhere_and_reads_one_configmap(values: Json) -> None:
    objects = render(values)
    role = _api_role(objects)
    assert _rules(role) == API_RULES
    binding = one(objects, "ClusterRoleBinding", _name(role))
    assert (binding["roleRef"]["name"], binding["subjects"]) == (_name(role), [_operator()])
    (reader,) = [item for item in of_kind(objects, "RoleBinding") if item["metadata"]["namespace"] == "kube-system"]
    assert (reader["roleRef"]["kind"], reader["roleRef"]["name"]) == (
        "Role",
        "extension-apiserver-authentication-reader",
    )
    assert reader["subjects"] == [_operator()]


def test_releases_of_one_name_do_not_share_what_has_no_namespace() -> None:
    def names(namespace: str) -> set[str]:
        arguments = ("template", "vv", str(CHART), "--namespace", namespace, "--kube-version", "1.34.0")
        done = run_helm(*arguments, values=merge(IMAGE, {"watchNamespaces": ["team"]}))
        objects = [item for item in yaml.safe_load_all(done.stdout) if item]
        return {_name(item) for item in objects if "-api-" in _name(item) or "-ca-" in _name(item)}

    assert len(names("one")) == 2
    assert not names("one") & names("two")


def test_without_the_api_its_rights_are_gone() -> None:
    objects = render({"operatorApi": {"enabled": False}, "watchNamespaces": ["team-a"]})
    assert not of_kind(objects, "ClusterRoleBinding")
    assert not [item for item in of_kind(objects, "RoleBinding") if item["metadata"]["namespace"] == "kube-system"]
    assert not [item for item in of_kind(objects, "Role") if _name(item).endswith("-cli")]
    container = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert [port["name"] for port in container["ports"]] == ["http"]
    kept = render({"operatorApi": {"clientCertificates": False}})
    assert not [item for item in of_kind(kept, "RoleBinding") if item["metadata"]["namespace"] == "kube-system"]


def test_users_of_the_plugin_may_reach_the_operators_pods_and_nothing_else() -> None:
    role = one(render(), "Role", "vv-videovector-operator-cli")
    assert role["metadata"]["namespace"] == NAMESPACE
    assert _rules(role) == [([""], ["pods"], ["get", "list"]), ([""], ["pods/portforward"], ["create"])]


def test_roles_can_be_given_by_other_means() -> None:
    values = {"rbac": {"create": False}, "serviceAccount": {"create": False, "name": "given"}}
    objects = render(merge(values, {"rbac": {"aggregateToUserRoles": False}}))
    assert not {"Role", "ClusterRole", "RoleBinding", "ServiceAccount"} & {item["kind"] for item in objects}
    assert one(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "given"


def _api_role(objects: list[Json]) -> Json:
    (role,) = [item for item in of_kind(objects, "ClusterRole") if "-api-" in _name(item)]
    return role


def _rules(role: Json) -> list[tuple[list[str], list[str], list[str]]]:
    return [(rule["apiGroups"], rule["resources"], rule["verbs"]) for rule in role["rules"]]


def _aggregated(role: Json) -> set[str]:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    return {label.removeprefix(prefix) for label in role["metadata"]["labels"] if label.startswith(prefix)}


def _name(item: Json) -> str:
    name: str = item["metadata"]["name"]
    return name


def _named(item: Json) -> Json:
    return {"name": _name(item)}


def _operator() -> Json:
    return {"kind": "ServiceAccount", "name": "vv-videovector-operator", "namespace": NAMESPACE}

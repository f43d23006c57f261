"""What the chart makes of its values: objects, names, references between them."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.support.helm import CHART, NAMESPACE, OWN_DATABASE, Json, merge, of_kind, one, refusal, render, run_helm
from videovector_operator.api.crd import build_crd
from videovector_operator.api.kinds import KINDS

DSN = re.compile(
    r"postgresql://videovector:(\w{32})@vv-videovector-operator-postgresql\.media-system\.svc:5432/videovector"
)


def test_crds_are_what_the_models_make() -> None:
    rendered = {item["metadata"]["name"]: item for item in of_kind(render(), "CustomResourceDefinition")}
    for crd in rendered.values():
        assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert crd["metadata"].pop("labels")["app.kubernetes.io/managed-by"] == "Helm"
    made = {item["metadata"]["name"]: item for item in map(build_crd, KINDS)}
    assert made == rendered, "run: make generate"


def test_crd_files_hold_one_kind_each() -> None:
    files = sorted((CHART / "files" / "crds").glob("*.yaml"))
    assert [f"videovector.io_{info.plural}.yaml" for info in sorted(KINDS, key=lambda info: info.plural)] == [
        file.name for file in files
    ]
    repository = CHART.parents[1] / "crds"
    for file in files:
        assert (repository / file.name).read_text() == file.read_text(), f"{file.name}: run: make generate"


def test_crds_can_be_left_out_or_left_to_go() -> None:
    assert not of_kind(render({"crds": {"install": False}}), "CustomResourceDefinition")
    for crd in of_kind(render({"crds": {"keep": False}}), "CustomResourceDefinition"):
        assert "annotations" not in crd["metadata"]


def test_selectors_find_their_pods_and_no_others() -> None:
    objects = render({"metrics": {"service": {"enabled": True}}, "podDisruptionBudget": {"enabled": True}})
    pods = {
        name: one(objects, kind)["spec"]["template"]["metadata"]["labels"]
        for name, kind in (("operator", "Deployment"), ("postgresql", "StatefulSet"))
    }
    selectors = {
        ("operator", "Deployment"): one(objects, "Deployment")["spec"]["selector"]["matchLabels"],
        ("postgresql", "StatefulSet"): one(objects, "StatefulSet")["spec"]["selector"]["matchLabels"],
        ("operator", "PDB"): one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        ("operator", "metrics"): one(objects, "Service", "vv-videovector-operator-metrics")["spec"]["selector"],
        ("postgresql", "Service"): one(objects, "Service", "vv-videovector-operator-postgresql")["spec"]["selector"],
    }
    for (wanted, what), selector in selectors.items():
        found = {name for name, labels in pods.items() if selector.items() <= labels.items()}
        assert found == {wanted}, what


def test_users_labels_do_not_replace_ours() -> None:
    stolen = {"app.kubernetes.io/name": "other", "team": "media"}
    deployment = one(render({"commonLabels": stolen, "operator": {"podLabels": stolen}}), "Deployment")
    for labels in (deployment["metadata"]["labels"], deployment["spec"]["template"]["metadata"]["labels"]):
        assert labels["app.kubernetes.io/name"] == "videovector-operator"
        assert labels["team"] == "media"


def test_no_pod_changes_with_the_charts_version() -> None:
    objects = render()
    for kind in ("Deployment", "StatefulSet"):
        labels = one(objects, kind)["spec"]["template"]["metadata"]["labels"]
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & labels.keys()


@pytest.mark.parametrize("value", ["nameOverride", "fullnameOverride"])
def test_longest_names_fit(value: str) -> None:
    objects = render({value: "a" * 49})
    for item in objects:
        if item["kind"] != "CustomResourceDefinition":
            assert len(item["metadata"]["name"]) <= 63, item["metadata"]["name"]
            assert item["metadata"]["name"].startswith(("a" * 49, "vv-" + "a" * 46))


def test_image_by_tag_digest_and_default() -> None:
    def image(values: Json) -> str:
        found: str = one(render({"image": values}), "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
        return found

    digest = "sha256:" + "0" * 64
    repository = "registry.example.com/videovector-operator"
    assert image({}) == f"{repository}:{yaml.safe_load((CHART / 'Chart.yaml').read_text())['appVersion']}"
    assert image({"tag": "1.2"}) == f"{repository}:1.2"
    assert image({"tag": "1.2", "digest": digest}) == f"{repository}@{digest}"


def test_missing_image_is_named() -> None:
    assert "image.repository is not set" in refusal({"image": {"repository": ""}})


def test_generated_catalog_secret_joins_operator_and_server() -> None:
    objects = render()
    secret = one(objects, "Secret")
    match = DSN.fullmatch(secret["stringData"]["dsn"])
    assert match is not None
    assert match[1] == secret["stringData"]["password"]
    service = one(objects, "Service")
    assert service["metadata"] | {"labels": None} == {
        "name": "vv-videovector-operator-postgresql",
        "namespace": NAMESPACE,
        "labels": None,
    }
    pod = one(objects, "StatefulSet")["spec"]["template"]["spec"]
    assert [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume] == [
        secret["metadata"]["name"]
    ]
    assert _dsn_sources(objects) == {(secret["metadata"]["name"], "dsn")}


def test_catalog_secret_of_ones_own_beside_the_charts_server() -> None:
    objects = render({"catalog": {"postgresql": {"existingSecret": "mine"}}})
    assert not of_kind(objects, "Secret")
    assert _dsn_sources(objects) == {("mine", "dsn")}


def test_own_database_brings_no_server_and_migrates_by_hook() -> None:
    objects = render(merge(OWN_DATABASE, {"catalog": {"existingSecret": {"key": "uri"}}}))
    assert not {"StatefulSet", "Secret", "Service", "ConfigMap"} & {item["kind"] for item in objects}
    assert _dsn_sources(objects) == {("catalog-dsn", "uri")}
    job = one(objects, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "initContainers" not in one(objects, "Deployment")["spec"]["template"]["spec"]
    # The hook runs before the release's own service account exists.
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][0] == "migrate"


@pytest.mark.parametrize(
    ("database", "mode", "jobs", "init_containers"),
    [
        ({}, "auto", 0, 1),
        ({}, "initContainer", 0, 1),
        ({}, "none", 0, 0),
        (OWN_DATABASE, "auto", 1, 0),
        (OWN_DATABASE, "hook", 1, 0),
        (OWN_DATABASE, "initContainer", 0, 1),
        (OWN_DATABASE, "none", 0, 0),
    ],
)
def test_migration_runs_once_and_where_it_can(database: Json, mode: str, jobs: int, init_containers: int) -> None:
    objects = render(merge(database, {"catalog": {"migration": {"mode": mode}}}))
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    assert (jobs, init_containers) == (len(of_kind(objects, "Job")), len(pod.get("initContainers", [])))


def test_volume_of_the_catalog_is_kept_or_of_the_pod() -> None:
    kept = one(render(), "StatefulSet")["spec"]
    lost = one(render({"catalog": {"postgresql": {"persistence": {"enabled": False}}}}), "StatefulSet")["spec"]
    assert [claim["metadata"]["name"] for claim in kept["volumeClaimTemplates"]] == ["data"]
    assert "volumeClaimTemplates" not in lost
    assert {"name": "data", "emptyDir": {}} in lost["template"]["spec"]["volumes"]


def test_network_policies_let_in_what_is_needed() -> None:
    objects = render({"networkPolicy": {"enabled": True}, "catalog": {"postgresql": {"port": 15432}}})
    policies = {item["metadata"]["name"]: item["spec"] for item in of_kind(objects, "NetworkPolicy")}
    assert [port["port"] for port in policies["vv-videovector-operator"]["ingress"][0]["ports"]] == [8080]
    database = policies["vv-videovector-operator-postgresql"]["ingress"][0]
    assert [port["port"] for port in database["ports"]] == [15432]
    workers = [peer for peer in database["from"] if "namespaceSelector" in peer]
    assert workers[0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/managed-by": "videovector-operator"}


SERVED: Json = {"tlsSecretName": "api-tls", "host": "0.0.0.0", "service": {"enabled": True}}


def test_the_api_is_found_by_its_label_and_its_port() -> None:
    objects = render({"operatorApi": {"port": 18443}})
    template = one(objects, "Deployment")["spec"]["template"]
    assert template["metadata"]["labels"]["videovector.io/operator-api"] == "true"
    ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
    assert ports == {"http": 8080, "api": 18443}
    assert not [item for item in of_kind(objects, "Service") if item["metadata"]["name"].endswith("-api")]


def test_the_apis_service_leads_to_its_port_and_may_be_reached() -> None:
    objects = render({"operatorApi": SERVED, "networkPolicy": {"enabled": True}})
    service = one(objects, "Service", "vv-videovector-operator-api")["spec"]
    template = one(objects, "Deployment")["spec"]["template"]
    assert service["selector"].items() <= template["metadata"]["labels"].items()
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(8443, "api")]
    policy = one(objects, "NetworkPolicy", "vv-videovector-operator")["spec"]
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == [8080, 8443]
    (volume,) = [volume for volume in template["spec"]["volumes"] if volume["name"] == "api-tls"]
    assert volume["secret"]["secretName"] == "api-tls"


def test_every_mount_has_its_volume_and_every_reference_its_object() -> None:
    for values in ({}, OWN_DATABASE, {"operatorApi": SERVED}):
        objects = render(values)
        made = {(item["kind"], item["metadata"]["name"]) for item in objects}
        for owner in (item for item in objects if item["kind"] in ("Deployment", "StatefulSet", "Job")):
            pod = owner["spec"]["template"]["spec"]
            claims = [claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates", [])]
            volumes = {volume["name"] for volume in pod["volumes"]} | set(claims)
            for container in (*pod["containers"], *pod.get("initContainers", [])):
                assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            for volume in pod["volumes"]:
                if "configMap" in volume:
                    assert ("ConfigMap", volume["configMap"]["name"]) in made
            account = pod.get("serviceAccountName")
            assert account is None or ("ServiceAccount", account) in made


def _dsn_sources(objects: list[Json]) -> set[tuple[str, str]]:
    """Secret and key of every VIDEOVECTOR_CATALOG_DSN in the release."""
    found = set()
    for item in objects:
        if item["kind"] in ("Deployment", "Job"):
            pod = item["spec"]["template"]["spec"]
            for container in (*pod["containers"], *pod.get("initContainers", [])):
                source = {entry["name"]: entry for entry in container["env"]}["VIDEOVECTOR_CATALOG_DSN"]
                reference = source["valueFrom"]["secretKeyRef"]
                found.add((reference["name"], reference["key"]))
    return found


def test_password_is_no_constant() -> None:
    other = run_helm("template", "vv", str(CHART), "--kube-version", "1.34.0", values={"image": {"repository": "x"}})
    secrets = [d for d in yaml.safe_load_all(other.stdout) if d and d["kind"] == "Secret"]
    assert secrets[0]["stringData"]["password"] != one(render(), "Secret")["stringData"]["password"]

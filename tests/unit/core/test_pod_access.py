"""What of a Connector reaches the pods of its runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.samples import make_connector, make_import
from videovector_operator.core.children import WorkerTemplate, build_import_job
from videovector_operator.core.credentials import ALL_KEYS
from videovector_operator.core.pod_access import PodAccess, build_access, needed_objects

Json = dict[str, Any]
S3: Json = {}
GCS: Json = {"provider": "gcs", "s3": None, "gcs": {"bucket": "films", "projectId": "studio"}}
AZURE: Json = {"provider": "azure", "s3": None, "azure": {"storageAccount": "studio", "container": "films"}}
AZURE_LABEL = "azure.workload.identity/use"


def access_of(spec: Json, secret: str | None = "keys", **more: Any) -> PodAccess:
    return build_access(make_connector(secret=secret, **spec, **more).spec)


def pod_of(spec: Json, secret: str | None = "keys", **more: Any) -> Json:
    template = WorkerTemplate(image="x", service_account="settings")
    job = build_import_job(make_import(), make_connector(secret=secret, **spec, **more), template)
    pod: Json = job["spec"]["template"]
    return pod


def keys_of(access: PodAccess) -> dict[str, bool]:
    """Mounted keys, and whether the pod waits for them."""
    (volume,) = access.volumes
    return {
        item["key"]: not source["secret"].get("optional", False)
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }


MOUNTED: dict[str, tuple[Json, dict[str, bool]]] = {
    "S3": (S3, {"accessKeyId": True, "secretAccessKey": True, "sessionToken": False}),
    "Google": (GCS, {"credentials.json": True}),
    "Azure": (AZURE, {"clientSecret": False, "accountKey": False, "sasToken": False}),
}


@pytest.mark.parametrize("name", MOUNTED)
def test_only_what_is_read_is_mounted(name: str) -> None:
    spec, keys = MOUNTED[name]
    access = access_of(spec)
    assert keys_of(access) == keys
    assert set(keys) <= set(ALL_KEYS)
    assert all(source["secret"]["name"] == "keys" for source in access.volumes[0]["projected"]["sources"])
    assert [(mount["mountPath"], mount["readOnly"]) for mount in access.mounts] == [
        ("/var/run/videovector/credentials", True)
    ]
    assert {entry["name"]: entry["value"] for entry in access.env} == {
        "VIDEOVECTOR_CREDENTIALS_DIRECTORY": "/var/run/videovector/credentials",
        "VIDEOVECTOR_CREDENTIALS_SECRET": "keys",
    }


@pytest.mark.parametrize(
    ("kind", "field", "name"), [("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")]
)
def test_a_ca_bundle_is_one_file(kind: str, field: str, name: str) -> None:
    access = access_of(S3, secret=None, caBundleRef={"kind": kind, "name": "ca", "key": "root.pem"})
    (volume,) = access.volumes
    assert volume[field][name] == "ca"
    assert volume[field]["items"] == [{"key": "root.pem", "path": "ca.crt"}]
    assert access.mounts == [{"name": "ca", "mountPath": "/var/run/videovector/ca", "readOnly": True}]
    assert access.env == [{"name": "VIDEOVECTOR_CA_BUNDLE_FILE", "value": "/var/run/videovector/ca/ca.crt"}]


def test_the_ambient_identity_needs_nothing() -> None:
    assert access_of(S3, secret=None) == PodAccess(volumes=[], mounts=[], env=[])
    assert pod_of(S3, secret=None)["spec"]["serviceAccountName"] == "settings"


def test_a_service_account_is_the_pods() -> None:
    pod = pod_of(GCS, secret=None, serviceAccountName="importer")["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("importer", False)


@pytest.mark.parametrize(
    ("spec", "secret", "is_labelled"),
    [(AZURE, None, True), (AZURE, "keys", False), (S3, None, False), (GCS, None, False)],
)
def test_azures_webhook_is_told_by_a_label(spec: Json, secret: str | None, is_labelled: bool) -> None:
    assert (pod_of(spec, secret)["metadata"]["labels"].get(AZURE_LABEL) == "true") is is_labelled


SETTINGS = ("ServiceAccount", "settings")
WAITED_FOR: dict[str, tuple[Json, set[tuple[str, str]]]] = {
    "S3": (pod_of(S3), {SETTINGS, ("Secret", "keys")}),
    "Azure": (pod_of(AZURE), {SETTINGS}),
    "a bundle": (pod_of(S3, caBundleRef={"name": "ca"}), {SETTINGS, ("Secret", "keys"), ("ConfigMap", "ca")}),
    "a bundle in a Secret": (pod_of(AZURE, caBundleRef={"kind": "Secret", "name": "ca"}), {SETTINGS, ("Secret", "ca")}),
    "an identity": (pod_of(GCS, secret=None, serviceAccountName="importer"), {("ServiceAccount", "importer")}),
    "the account that every namespace has": ({"spec": {"serviceAccountName": "default"}}, set()),
    "nothing": ({"spec": {}}, set()),
}


@pytest.mark.parametrize("name", WAITED_FOR)
def test_what_a_pod_waits_for_is_known(name: str) -> None:
    pod, expected = WAITED_FOR[name]
    assert set(needed_objects(pod["spec"], are_made=False)) == expected


@pytest.mark.parametrize("name", WAITED_FOR)
def test_pods_that_are_made_need_their_service_account_no_more(name: str) -> None:
    pod, expected = WAITED_FOR[name]
    assert set(needed_objects(pod["spec"], are_made=True)) == {each for each in expected if each[0] != "ServiceAccount"}

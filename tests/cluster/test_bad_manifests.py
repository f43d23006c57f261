"""Bad manifests are refused at ``kubectl apply`` with a message that names the field and the fix."""

from __future__ import annotations

import json

import pytest

from tests.support.world import World
from tools.devcluster.errors import DevClusterError

S3 = {"bucket": "media", "region": "us-east-1"}
CONNECTOR = {"provider": "s3", "s3": S3}
GCS = {"bucket": "films", "projectId": "studio"}
AZURE = {"storageAccount": "studio", "container": "films"}
RELATIVE, PLAIN = "must be a relative path", "must not begin with a drive letter"
BASE_PATHS = {
    "an escape at its end": ("exports/..", RELATIVE),
    "a segment for the directory itself": ("exports/./a", RELATIVE),
    "an empty segment": ("exports//a", RELATIVE),
    "another host": ("//host/share", RELATIVE),
    "backslashes": ("exports\\..\\a", RELATIVE),
    "a drive": ("C:/exports", PLAIN),
    "NUL": ("exports\0/a", PLAIN),
    "a line feed": ("exports\n", PLAIN),
    "encoded dots": ("exports/%2e%2E/a", PLAIN),
    "an encoded slash": ("exports%2fa", PLAIN),
    "twice encoded dots": ("exports/%252e%252e", PLAIN),
    "an encoded line feed": ("exports%0d%0a", PLAIN),
    "600 characters": ("a/" * 300, "512"),
}
IMPORT = {"connectorRef": {"name": "c"}, "indexRef": {"name": "i"}}

REFUSED = {
    "an unknown provider": ("Connector", {**CONNECTOR, "provider": "ftp"}, ["spec.provider", '"s3"']),
    "no provider": ("Connector", {"s3": S3}, ["spec.provider", "Required"]),
    "no provider block": ("Connector", {"provider": "s3"}, ["exactly one provider block", "spec.s3"]),
    "a second provider block": ("Connector", {**CONNECTOR, "gcs": GCS}, ["exactly one provider block", "spec.gcs"]),
    "another provider's block": ("Connector", {"provider": "gcs", "s3": S3}, ["spec.provider is gcs", "spec.gcs"]),
    "a provider without its block": ("Connector", {"provider": "azure", "gcs": GCS}, ["spec.provider is azure"]),
    "a Google bucket without its project": (
        "Connector",
        {"provider": "gcs", "gcs": {"bucket": "films"}},
        ["spec.gcs.projectId", "Required"],
    ),
    "a storage account given as a URL": (
        "Connector",
        {"provider": "azure", "azure": {**AZURE, "storageAccount": "https://studio.blob.core.windows.net"}},
        ["spec.azure.storageAccount"],
    ),
    "a container with capitals": (
        "Connector",
        {"provider": "azure", "azure": {**AZURE, "container": "Films"}},
        ["spec.azure.container"],
    ),
    "a SAS in the endpoint": (
        "Connector",
        {"provider": "azure", "azure": {**AZURE, "endpoint": "https://h/c?sv=1&sig=2"}},
        ["spec.azure.endpoint"],
    ),
    "a tenant that is none": (
        "Connector",
        {"provider": "azure", "azure": {**AZURE, "tenantId": "../../common"}},
        ["spec.azure.tenantId"],
    ),
    "a Secret and a service account": (
        "Connector",
        {**CONNECTOR, "credentialsSecretRef": {"name": "a"}, "serviceAccountName": "b"},
        ["exclude each other"],
    ),
    "a service account that cannot be one": (
        "Connector",
        {**CONNECTOR, "serviceAccountName": "Importer!"},
        ["spec.serviceAccountName"],
    ),
    "a CA bundle of another kind": (
        "Connector",
        {**CONNECTOR, "caBundleRef": {"kind": "Pod", "name": "ca"}},
        ["spec.caBundleRef.kind", '"ConfigMap"'],
    ),
    "a CA bundle without a name": ("Connector", {**CONNECTOR, "caBundleRef": {"kind": "Secret"}}, ["caBundleRef.name"]),
    "a key of a CA bundle that is a path": (
        "Connector",
        {**CONNECTOR, "caBundleRef": {"name": "ca", "key": "../ca.crt"}},
        ["spec.caBundleRef.key"],
    ),
    "no run at all": ("Connector", {**CONNECTOR, "maxConcurrentRuns": 0}, ["spec.maxConcurrentRuns"]),
    "no request at all": ("Connector", {**CONNECTOR, "maxRequestsPerSecond": 0}, ["spec.maxRequestsPerSecond"]),
    "an empty bucket": ("Connector", {**CONNECTOR, "s3": {**S3, "bucket": ""}}, ["spec.s3.bucket"]),
    "a bucket given as a URL": ("Connector", {**CONNECTOR, "s3": {**S3, "bucket": "s3://media"}}, ["spec.s3.bucket"]),
    "no region": ("Connector", {**CONNECTOR, "s3": {"bucket": "media"}}, ["spec.s3.region", "Required"]),
    "an endpoint without a scheme": (
        "Connector",
        {**CONNECTOR, "s3": {**S3, "endpoint": "minio.example.com:9000"}},
        ["spec.s3.endpoint"],
    ),
    "credentials in the endpoint": (
        "Connector",
        {**CONNECTOR, "s3": {**S3, "endpoint": "http://key:secret@minio"}},
        ["must not hold credentials", "credentialsSecretRef"],
    ),
    "an unknown scope": ("Connector", {**CONNECTOR, "scopes": ["read"]}, ["spec.scopes[0]", '"import"']),
    "no scope at all": ("Connector", {**CONNECTOR, "scopes": []}, ["spec.scopes"]),
    "a scope twice": ("Connector", {**CONNECTOR, "scopes": ["import", "import"]}, ["spec.scopes[1]", "Duplicate"]),
    "an unknown import mode": ("Connector", {**CONNECTOR, "importMode": "newest"}, ["spec.importMode", '"new_only"']),
    "an escape in exportBasePath": (
        "Connector",
        {**CONNECTOR, "exportBasePath": "exports/../../etc"},
        ["spec.exportBasePath", "without empty, '.' or '..' segments"],
    ),
    "an absolute exportBasePath": ("Connector", {**CONNECTOR, "exportBasePath": "/exports"}, ["spec.exportBasePath"]),
    **{
        f"a base path with {name}": ("Connector", {**CONNECTOR, "exportBasePath": path}, ["spec.exportBasePath", words])
        for name, (path, words) in BASE_PATHS.items()
    },
    "an interval that is no duration": (
        "Connector",
        {**CONNECTOR, "validationInterval": "ten minutes"},
        ["spec.validationInterval"],
    ),
    "an interval that is too short": (
        "Connector",
        {**CONNECTOR, "validationInterval": "1s"},
        ["validationInterval must lie between 10s and 168h"],
    ),
    "an unknown deletion policy": ("Index", {"deletionPolicy": "Keep"}, ["spec.deletionPolicy", '"Retain"']),
    "a display name that is too long": ("Index", {"displayName": "x" * 256}, ["spec.displayName", "255"]),
    "no connector reference": ("ImportJob", {"indexRef": {"name": "i"}}, ["spec.connectorRef", "Required"]),
    "an empty index reference": ("ImportJob", {**IMPORT, "indexRef": {"name": ""}}, ["spec.indexRef.name"]),
    "no worker at all": ("ImportJob", {**IMPORT, "parallelism": 0}, ["spec.parallelism"]),
    "a pattern that is too long": ("ImportJob", {**IMPORT, "filePattern": "x" * 513}, ["spec.filePattern", "512"]),
    "an empty pattern": ("ImportJob", {**IMPORT, "filePattern": ""}, ["spec.filePattern"]),
    "a threshold over 100 %": ("ImportJob", {**IMPORT, "failureThreshold": "101%"}, ["spec.failureThreshold", "10%"]),
    "a negative threshold": ("ImportJob", {**IMPORT, "failureThreshold": -1}, ["spec.failureThreshold"]),
    "a misspelt field": ("ImportJob", {**IMPORT, "filepattern": "*"}, ["spec.filepattern"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_at_apply_with_the_fields_name(case: str, world: World) -> None:
    kind, spec, expected = REFUSED[case]
    manifest = {
        "apiVersion": "videovector.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "bad", "namespace": world.namespace},
        "spec": spec,
    }

    with pytest.raises(DevClusterError) as refused:
        world.cluster.run_kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    for words in expected:
        assert words in str(refused.value)


IMMUTABLE = {
    "connectorRef": {"name": "other"},
    "indexRef": {"name": "other"},
    "sourcePrefix": "b/",
    "filePattern": "*.mov",
    "recursive": False,
    "parallelism": 2,
    "importMode": "new_only",
    "failureThreshold": 3,
}


def test_a_run_cannot_be_changed_but_for_cancel_and_ttl(world: World) -> None:
    world.create("ImportJob", "run", IMPORT)

    for field, value in IMMUTABLE.items():
        status, text = world.patch("ImportJob", "run", {"spec": {field: value}})
        assert status == 422, field
        assert f"spec.{field} cannot be changed" in text
        assert "create an ImportJob with another name" in text
    assert world.patch("ImportJob", "run", {"spec": {"ttlSecondsAfterFinished": 5, "cancel": True}})[0] == 200
    status, text = world.patch("ImportJob", "run", {"spec": {"cancel": False}})
    assert status == 422
    assert "spec.cancel cannot be taken back" in text


def test_defaults_and_the_status_that_kstatus_waits_for(world: World) -> None:
    created = world.create("ImportJob", "run", IMPORT)

    assert created["status"] == {"observedGeneration": -1}
    assert created["spec"] == {
        **IMPORT,
        "sourcePrefix": "",
        "filePattern": "*",
        "recursive": True,
        "parallelism": 1,
        "cancel": False,
        "ttlSecondsAfterFinished": 86400,
    }


def test_kubectl_finds_runs_by_reference_and_by_category(world: World) -> None:
    world.create("ImportJob", "one", IMPORT)
    world.create("ImportJob", "two", {**IMPORT, "connectorRef": {"name": "other"}})
    kubectl = world.cluster.run_kubectl

    chosen = kubectl("-n", world.namespace, "get", "ij", "--field-selector=spec.connectorRef.name=other", "-o", "name")
    everything = kubectl("-n", world.namespace, "get", "videovector", "-o", "name")

    assert chosen.split() == ["importjob.videovector.io/two"]
    assert len(everything.split()) == 2

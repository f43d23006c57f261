"""Bad manifests are refused at ``kubectl apply`` with a message that names the field and the fix, and tells no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.world import World
from tools.devcluster.errors import DevClusterError
from videovector_operator.control.process import parse_resource

S3 = {"bucket": "media", "region": "us-east-1"}
GCS = {"bucket": "films", "projectId": "studio"}
AZURE = {"storageAccount": "studio", "container": "films"}
CONNECTOR = {"provider": "s3", "s3": S3}
IMPORT = {"connectorRef": {"name": "c"}, "indexRef": {"name": "i"}}

Json = dict[str, Any]
Case = tuple[str, Json, str, list[str]]
"""Kind, spec, the field that is named, words of the fix."""


def of_s3(field: str, value: object) -> Json:
    return {"provider": "s3", "s3": {**S3, field: value}}


def of_gcs(field: str, value: object) -> Json:
    return {"provider": "gcs", "gcs": {**GCS, field: value}}


def of_azure(field: str, value: object) -> Json:
    return {"provider": "azure", "azure": {**AZURE, field: value}}


def at_top(field: str, value: object) -> Json:
    return {**CONNECTOR, field: value}


def of_bundle(field: str, value: object) -> Json:
    return {**CONNECTOR, "caBundleRef": {"name": "ca", field: value}}


RELATIVE = ["must be a relative path", "without empty, '.' or '..' segments", "for instance exports/team-a/"]
PLAIN = ["must not begin with a drive letter", "write the names plainly"]
BASE_PATHS = {
    "an escape": ("exports/../../etc", RELATIVE),
    "an escape at its end": ("exports/..", RELATIVE),
    "a slash before it": ("/exports", RELATIVE),
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
    "600 characters": ("a/" * 300, ["may not be more than 512"]),
}

S3_BUCKET = ["s3.bucket must be the bucket's name alone", "without s3://", "for instance media-archive"]
GCS_BUCKET = ["gcs.bucket must be the bucket's name alone", "without gs://", "for instance media-archive"]
REGION = ["s3.region must be the region's code alone", "without spaces", "for instance eu-central-1"]
PROJECT = ["gcs.projectId must be the project's id, not its display name", "for instance studio-media"]
ACCOUNT = ["azure.storageAccount must be the account's name alone", "without https://", "for instance studio"]
CONTAINER = ["azure.container must be the container's name alone", "lowercase", "for instance media-archive"]
TENANT = ["azure.tenantId must be the tenant's id or domain alone", "without braces", "or studio.onmicrosoft.com"]
CLIENT = ["azure.clientId must be the application's (client) id alone", "for instance 11111111-2222-"]
ACCOUNT_NAME = ["serviceAccountName must be the service account's name alone", "for instance media-import"]
BUNDLE_KEY = ["caBundleRef.key must be the name of one key", "for instance ca.crt"]
URL = ["endpoint must be http:// or https://, a host", "for instance https://"]
NO_USER = ["must not hold credentials", "put them into a Secret and name it in spec.credentialsSecretRef"]
NO_QUERY = ["must not hold a query", "the server's address alone", "name a Secret", "in spec.credentialsSecretRef"]
NO_SAS = ["must not hold a query", "put a shared access signature into a Secret as sasToken and name it in spec.cred"]
DURATION = ["validationInterval must be a duration", "the units h, m, s or ms", "for instance 10m or 1h30m"]
RANGE = ["validationInterval must lie between 10s and 168h", "for instance 10m"]
SOME_ID = "11111111-2222-3333-4444-555555555555"

# What a text must look like: field → how a spec comes by it, values, words of the fix.
TEXTS: dict[str, tuple[Callable[[str, object], Json], list[str], list[str]]] = {
    "s3.bucket": (of_s3, ["", "ab", "s3://media", "media/archive", "media-", "a" * 64], S3_BUCKET),
    "s3.region": (of_s3, ["", "eu-central-1 ", "EU", "eu_central_1", "a" * 64], REGION),
    "s3.endpoint": (
        of_s3,
        [
            "",
            "minio:9000",
            "minio.example.com",
            "s3://minio",
            "https://",
            "https://a b",
            "https://a\u00a0b",
            "https://a#b",
        ],
        URL,
    ),
    "gcs.bucket": (of_gcs, ["gs://films", "Films", "films/2024", "a" * 223], GCS_BUCKET),
    "gcs.projectId": (of_gcs, ["", "My Studio", "projects/studio"], PROJECT),
    "gcs.endpoint": (of_gcs, ["storage.example.com", "gs://storage", "https://" + "a" * 512], URL),
    "azure.storageAccount": (
        of_azure,
        ["https://studio.blob.core.windows.net", "studio.blob.core.windows.net", "Studio", "st", "a" * 25],
        ACCOUNT,
    ),
    "azure.container": (of_azure, ["Films", "a--b", "films/2024", "$logs", "a" * 64], CONTAINER),
    "azure.endpoint": (of_azure, ["studio.blob.core.windows.net", "//studio.blob.core.windows.net"], URL),
    "azure.tenantId": (of_azure, ["../../common", f"{{{SOME_ID}}}", f"{SOME_ID} ", ""], TENANT),
    "azure.clientId": (of_azure, ["../x", f"{{{SOME_ID}}}", f" {SOME_ID}", "a.b"], CLIENT),
    "serviceAccountName": (at_top, ["Importer!", "system:serviceaccount:a:b", "a/b", ""], ACCOUNT_NAME),
    "caBundleRef.key": (of_bundle, ["../ca.crt", "ca crt", ""], BUNDLE_KEY),
    "validationInterval": (at_top, ["ten minutes", "10", "10 m", "1d", "", "-10m"], DURATION),
}


def text_cases() -> dict[str, Case]:
    return {
        f"{field} {value[:60]!a}": ("Connector", build(field.rsplit(".", 1)[-1], value), f"spec.{field}", fix)
        for field, (build, values, fix) in TEXTS.items()
        for value in values
    }


REFUSED: dict[str, Case] = {
    "an unknown provider": ("Connector", at_top("provider", "ftp"), "spec.provider", ['"s3", "gcs", "azure"']),
    "no provider": ("Connector", {"s3": S3}, "spec.provider", ["Required value"]),
    "no provider block": ("Connector", {"provider": "s3"}, "spec.s3", ["exactly one provider block", "must be set"]),
    "a second provider block": (
        "Connector",
        at_top("gcs", GCS),
        "spec.gcs",
        ["exactly one provider block must be set"],
    ),
    "another provider's block": (
        "Connector",
        {"provider": "gcs", "s3": S3},
        "spec.gcs",
        ["spec.provider is gcs, so spec.gcs {bucket, projectId} must be set"],
    ),
    "a provider without its block": (
        "Connector",
        {"provider": "azure", "gcs": GCS},
        "spec.azure",
        ["spec.provider is azure, so spec.azure {storageAccount, container} must be set"],
    ),
    "no region": ("Connector", {"provider": "s3", "s3": {"bucket": "media"}}, "spec.s3.region", ["Required value"]),
    "a Google bucket without its project": (
        "Connector",
        {"provider": "gcs", "gcs": {"bucket": "films"}},
        "spec.gcs.projectId",
        ["Required value"],
    ),
    "a Secret and a service account": (
        "Connector",
        {**CONNECTOR, "credentialsSecretRef": {"name": "a"}, "serviceAccountName": "b"},
        "spec.credentialsSecretRef and spec.serviceAccountName",
        ["exclude each other", "remove one"],
    ),
    "a CA bundle of another kind": ("Connector", of_bundle("kind", "Pod"), "spec.caBundleRef.kind", ['"ConfigMap"']),
    "a CA bundle without a name": (
        "Connector",
        at_top("caBundleRef", {"kind": "Secret"}),
        "spec.caBundleRef.name",
        ["Required value"],
    ),
    "no run at all": ("Connector", at_top("maxConcurrentRuns", 0), "spec.maxConcurrentRuns", ["or equal to 1"]),
    "no request at all": (
        "Connector",
        at_top("maxRequestsPerSecond", 0),
        "spec.maxRequestsPerSecond",
        ["or equal to 1"],
    ),
    "an unknown scope": ("Connector", at_top("scopes", ["read"]), "spec.scopes[0]", ['"import", "export"']),
    "no scope at all": ("Connector", at_top("scopes", []), "spec.scopes", ["at least 1 items"]),
    "a scope twice": ("Connector", at_top("scopes", ["import", "import"]), "spec.scopes[1]", ["Duplicate"]),
    "an unknown import mode": ("Connector", at_top("importMode", "newest"), "spec.importMode", ['"new_only"']),
    "an interval that is too short": (
        "Connector",
        at_top("validationInterval", "1s"),
        "spec.validationInterval",
        RANGE,
    ),
    "an interval that is too long": (
        "Connector",
        at_top("validationInterval", "169h"),
        "spec.validationInterval",
        RANGE,
    ),
    "an interval of ages": ("Connector", at_top("validationInterval", "9" * 20 + "h"), "validationInterval", RANGE[:1]),
    **text_cases(),
    **{
        f"a base path with {name}": ("Connector", at_top("exportBasePath", path), "spec.exportBasePath", words)
        for name, (path, words) in BASE_PATHS.items()
    },
    "an unknown deletion policy": ("Index", {"deletionPolicy": "Keep"}, "spec.deletionPolicy", ['"Retain", "Delete"']),
    "a display name that is too long": ("Index", {"displayName": "x" * 256}, "spec.displayName", ["more than 255"]),
    "an empty display name": ("Index", {"displayName": ""}, "spec.displayName", ["at least 1 chars"]),
    "no connector reference": ("ImportJob", {"indexRef": {"name": "i"}}, "spec.connectorRef", ["Required value"]),
    "an empty index reference": (
        "ImportJob",
        {**IMPORT, "indexRef": {"name": ""}},
        "spec.indexRef.name",
        ["at least 1 chars"],
    ),
    "no worker at all": ("ImportJob", {**IMPORT, "parallelism": 0}, "spec.parallelism", ["or equal to 1"]),
    "too many workers": ("ImportJob", {**IMPORT, "parallelism": 65}, "spec.parallelism", ["or equal to 64"]),
    "a pattern that is too long": ("ImportJob", {**IMPORT, "filePattern": "x" * 513}, "spec.filePattern", ["than 512"]),
    "an empty pattern": ("ImportJob", {**IMPORT, "filePattern": ""}, "spec.filePattern", ["at least 1 chars"]),
    "a threshold over 100 %": ("ImportJob", {**IMPORT, "failureThreshold": "101%"}, "spec.failureThreshold", ["10%"]),
    "a negative threshold": ("ImportJob", {**IMPORT, "failureThreshold": -1}, "spec.failureThreshold", ["0 or more"]),
    "a misspelt field": ("ImportJob", {**IMPORT, "filepattern": "*"}, "spec.filepattern", ["unknown field"]),
}


def apply(world: World, kind: str, spec: Json, *flags: str) -> str:
    """Apply a manifest that is refused; answers what kubectl says."""
    manifest = {
        "apiVersion": "videovector.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "bad", "namespace": world.namespace},
        "spec": spec,
    }
    with pytest.raises(DevClusterError) as refused:
        world.cluster.run_kubectl("apply", "-f", "-", *flags, stdin=json.dumps(manifest))
    return str(refused.value)


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_at_apply_with_the_field_and_the_fix(case: str, world: World) -> None:
    kind, spec, field, fix = REFUSED[case]

    said = apply(world, kind, spec)

    for words in (field, *fix):
        assert words in said
    assert "should match" not in said


SIGNATURE = "5w8Wn0tAT3stS1gnatureX2gM"
SIGNED = f"https://studio.blob.core.windows.net/films?sv=2024-11-04&sp=rl&sig={SIGNATURE}%3D"
SECRET_KEY = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
WITH_USER = f"https://AKIAIOSFODNN7EXAMPLE:{SECRET_KEY}@minio.example.com:9000"
PASTED = {
    "a signed URL": SIGNED,
    "a long signed URL": SIGNED + "&skoid=" + "0123456789" * 60,
    "an endless signed URL": SIGNED + "&skoid=" + "0123456789" * 900,
    "a signature alone": SIGNED.split("?", 1)[1],
    "user and password": WITH_USER,
    "user and password without a scheme": WITH_USER.removeprefix("https://"),
    "a connection string": f"DefaultEndpointsProtocol=https;AccountName=studio;AccountKey={SECRET_KEY}==;",
}
SECRETS = (SIGNATURE, SECRET_KEY, "AKIAIOSFODNN7EXAMPLE", "sig=", "sp=rl")


@pytest.mark.parametrize("pasted", PASTED)
def test_a_secret_pasted_into_any_text_is_not_echoed(pasted: str, world: World) -> None:
    """Terminals, logs of pipelines and conditions of GitOps show the refusal; the API's own answer is what they begin with."""
    for field, (build, _, _) in TEXTS.items():
        body = {
            "apiVersion": "videovector.io/v1alpha1",
            "kind": "Connector",
            "metadata": {"name": "bad"},
            "spec": build(field.rsplit(".", 1)[-1], PASTED[pasted]),
        }

        status, said = world.api.request("POST", world.path("Connector"), body)

        assert (status, json.loads(said)["reason"]) == (422, "Invalid"), field
        assert f"spec.{field}" in said
        assert [secret for secret in SECRETS if secret in said] == [], field


ENDPOINTS = {
    "s3 with a query": ("spec.s3.endpoint", of_s3("endpoint", SIGNED), NO_QUERY),
    "s3 with a password": ("spec.s3.endpoint", of_s3("endpoint", WITH_USER), NO_USER),
    "gcs with a query": ("spec.gcs.endpoint", of_gcs("endpoint", SIGNED), NO_QUERY),
    "gcs with a password": ("spec.gcs.endpoint", of_gcs("endpoint", WITH_USER), NO_USER),
    "azure with a signature": ("spec.azure.endpoint", of_azure("endpoint", SIGNED), NO_SAS),
    "azure with a password": ("spec.azure.endpoint", of_azure("endpoint", WITH_USER), NO_USER),
    "a base path that is a signed URL": ("spec.exportBasePath", at_top("exportBasePath", SIGNED), RELATIVE),
}


@pytest.mark.parametrize("case", ENDPOINTS)
def test_a_secret_in_an_endpoint_is_not_echoed_by_kubectl_either(case: str, world: World) -> None:
    """Not when the Connector is new, and not when it is changed: kubectl has the whole patch in hand then."""
    field, spec, fix = ENDPOINTS[case]
    first = apply(world, "Connector", spec)
    world.create("Connector", "bad", CONNECTOR)

    for said in (
        first,
        apply(world, "Connector", spec),
        apply(world, "Connector", spec, "--server-side", "--force-conflicts"),
    ):
        assert [words for words in (field, *fix) if words not in said] == []
        assert [secret for secret in SECRETS if secret in said] == []


ACCEPTED = {
    "a bucket with dots and capitals": of_s3("bucket", "Media.Archive_1"),
    "an address with a port": of_s3("endpoint", "http://10.0.0.7:9000"),
    "an address with a path": of_s3("endpoint", "https://[fd00::1]:9000/s3/"),
    "a project of a domain": of_gcs("projectId", "example.com:studio"),
    "the root container": of_azure("container", "$root"),
    "a tenant by its id": of_azure("tenantId", SOME_ID),
    "a tenant by its domain": of_azure("tenantId", "Studio.onmicrosoft.com"),
    "an application": of_azure("clientId", SOME_ID),
    "a service account with dots": at_top("serviceAccountName", "media.import-1"),
    "the shortest interval": at_top("validationInterval", "10s"),
    "the longest interval": at_top("validationInterval", "167h59m59.5s500ms"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_is_as_it_should_be_is_taken_and_read(case: str, world: World) -> None:
    provider = ACCEPTED[case]["provider"]

    created = world.create("Connector", "good", ACCEPTED[case])

    assert created["spec"][provider].items() >= ACCEPTED[case][provider].items()
    assert parse_resource("Connector", created).metadata.name == "good"


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

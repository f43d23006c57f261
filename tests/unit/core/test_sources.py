"""Where media lie: from the Connector's words, to the run's and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.samples import make_connector
from videovector_operator.core.sources import (
    AzureAccountKey,
    AzureClientSecret,
    AzureSasToken,
    AzureSource,
    GcsServiceAccount,
    GcsSource,
    S3Source,
    Source,
    StaticCredentials,
    build_source,
    location_of_source,
    parse_source,
    source_to_json,
)
from videovector_operator.errors import Stalled

Json = dict[str, Any]
GCS: Json = {"provider": "gcs", "s3": None, "gcs": {"bucket": "films", "projectId": "studio"}}
AZURE: Json = {"provider": "azure", "s3": None, "azure": {"storageAccount": "studio", "container": "films"}}
SPECS: dict[str, tuple[Json, Source, str]] = {
    "Amazon S3": ({}, S3Source("footage", "eu-central-1"), "s3://footage"),
    "an S3-compatible server": (
        {"s3": {"bucket": "b3b", "region": "x", "endpoint": "http://h:9/base/", "forcePathStyle": True}},
        S3Source("b3b", "x", "http://h:9/base/", force_path_style=True),
        "s3://b3b@h:9/base",
    ),
    "Google Cloud Storage": (GCS, GcsSource("films", "studio"), "gs://films"),
    "a server that speaks Google's protocol": (
        {**GCS, "gcs": {**GCS["gcs"], "endpoint": "https://gcs.local"}},
        GcsSource("films", "studio", "https://gcs.local"),
        "gs://films@gcs.local",
    ),
    "Azure Blob Storage": (AZURE, AzureSource("studio", "films"), "azure://studio/films"),
    "an Azure application at an endpoint": (
        {**AZURE, "azure": {**AZURE["azure"], "endpoint": "https://blob.local", "tenantId": "t", "clientId": "c"}},
        AzureSource("studio", "films", "https://blob.local", "t", "c"),
        "azure://studio/films@blob.local",
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_connector_names_a_source(name: str) -> None:
    spec, source, location = SPECS[name]
    assert build_source(make_connector(**spec).spec) == source
    assert location_of_source(source) == location


@pytest.mark.parametrize("name", SPECS)
def test_what_a_run_keeps_can_be_read_again(name: str) -> None:
    source = SPECS[name][1]
    assert parse_source(json.loads(json.dumps(source_to_json(source)))) == source


WITH_SECRETS: list[Source] = [
    S3Source("b", "r", credentials=StaticCredentials("hidden-id", "hidden-key", "hidden-token"), ca_bundle="hidden-ca"),
    GcsSource("b", "p", credentials=GcsServiceAccount("a@b", "hidden-id", "hidden-key"), ca_bundle="hidden-ca"),
    *(
        AzureSource("a", "c", credentials=each, ca_bundle="hidden-ca")
        for each in (AzureClientSecret("hidden"), AzureAccountKey("hidden"), AzureSasToken("hidden"))
    ),
]


@pytest.mark.parametrize("source", WITH_SECRETS, ids=lambda source: type(source.credentials).__name__)
def test_credentials_are_not_printed_and_do_not_reach_a_run(source: Source) -> None:
    assert "hidden" not in repr(source)
    assert "hidden" not in str(source_to_json(source))


WRITTEN_BEFORE: dict[str, tuple[Json, Source]] = {
    "by the first version": (
        {"provider": "s3", "bucket": "b", "region": "r", "endpoint": "http://h:9", "forcePathStyle": True},
        S3Source("b", "r", "http://h:9", force_path_style=True),
    ),
    "without an endpoint": (
        {"provider": "s3", "bucket": "b", "region": "r", "endpoint": None, "forcePathStyle": False},
        S3Source("b", "r"),
    ),
    "without a provider": ({"bucket": "b", "region": "r"}, S3Source("b", "r")),
    "with fields of a later version": ({"provider": "s3", "bucket": "b", "region": "r", "new": 1}, S3Source("b", "r")),
    "with an empty endpoint": (
        {"provider": "gcs", "bucket": "b", "projectId": "p", "endpoint": ""},
        GcsSource("b", "p"),
    ),
}


@pytest.mark.parametrize("name", WRITTEN_BEFORE)
def test_runs_of_other_versions_are_read(name: str) -> None:
    written, source = WRITTEN_BEFORE[name]
    assert parse_source(written) == source


@pytest.mark.parametrize(
    "written",
    [
        {"provider": "tape", "bucket": "b"},
        {"provider": "s3", "bucket": 5, "region": "r"},
        {"provider": "s3", "region": "r"},
        {"provider": "gcs", "bucket": "b"},
        {"provider": "azure", "storageAccount": "a", "container": ""},
        {"provider": None},
        {},
    ],
)
def test_what_is_no_source_is_none(written: Json) -> None:
    assert parse_source(written) is None


@pytest.mark.parametrize("provider", ["s3", "gcs", "azure"])
def test_a_connector_without_its_block_names_nothing(provider: str) -> None:
    """An older CRD let it in."""
    with pytest.raises(Stalled, match=f"spec.provider is {provider}, so spec.{provider} must be set") as caught:
        build_source(make_connector(provider=provider, s3=None).spec)
    assert caught.value.reason == "InvalidSpec"

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.samples import (
    as_seen,
    connector_manifest,
    import_manifest,
    index_manifest,
    make_connector,
    make_import,
    make_index,
)
from videovector_operator.api.kinds import BY_KIND, KINDS
from videovector_operator.api.v1alpha1.common import Condition, Status
from videovector_operator.control.process import parse_resource

Json = dict[str, Any]
SAMPLES = {
    "Connector": connector_manifest(
        scopes=["import", "export"],
        importMode="new_only",
        exportBasePath="exports/a",
        validationInterval="1h30m",
        s3={"bucket": "footage", "region": "eu", "endpoint": "https://minio:9000", "forcePathStyle": True},
    ),
    "Index": index_manifest(displayName="Films", description="all", deletionPolicy="Delete"),
    "ImportJob": import_manifest(
        sourcePrefix="in/",
        filePattern="*.{mp4,mov}",
        recursive=False,
        importMode="all",
        parallelism=3,
        failureThreshold="10%",
        cancel=True,
        ttlSecondsAfterFinished=0,
    ),
}


def test_every_kind_has_a_sample() -> None:
    assert set(SAMPLES) == set(BY_KIND) == {info.kind for info in KINDS}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_full_spec_comes_back_as_it_was_written(kind: str) -> None:
    resource = parse_resource(kind, as_seen(SAMPLES[kind]))
    assert resource.spec.model_dump(mode="json", by_alias=True, exclude_none=True) == SAMPLES[kind]["spec"]
    assert type(resource).model_validate(resource.model_dump(mode="json", by_alias=True)) == resource


@pytest.mark.parametrize("kind", SAMPLES)
def test_fields_of_a_newer_crd_are_ignored(kind: str) -> None:
    body = as_seen({**SAMPLES[kind], "spec": {**SAMPLES[kind]["spec"], "ofTheFuture": {"a": 1}}}, managedFields=[{}])
    body["status"]["ofTheFuture"] = True
    assert parse_resource(kind, body).spec == parse_resource(kind, as_seen(SAMPLES[kind])).spec


@pytest.mark.parametrize("kind", SAMPLES)
def test_objects_are_immutable(kind: str) -> None:
    resource = parse_resource(kind, as_seen(SAMPLES[kind]))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(resource, "spec", None)  # noqa: B010 - a plain assignment is what the types refuse already


def test_absent_fields_have_the_documented_defaults() -> None:
    spec = make_import().spec
    assert (spec.source_prefix, spec.file_pattern, spec.recursive, spec.parallelism) == ("", "*", True, 1)
    assert (spec.import_mode, spec.failure_threshold, spec.cancel, spec.ttl_seconds_after_finished) == (
        None,
        None,
        False,
        86_400,
    )
    connector = make_connector().spec
    assert (connector.scopes, connector.import_mode, connector.validation_interval) == (("import",), "all", "10m")
    assert make_index().spec.deletion_policy == "Retain"


def test_an_object_without_a_status_reads_as_never_seen() -> None:
    body = as_seen(SAMPLES["Index"])
    del body["status"]
    assert parse_resource("Index", body).status.observed_generation == -1


@pytest.mark.parametrize("threshold", [0, 5, "10%"])
def test_a_failure_threshold_is_a_number_or_a_percentage(threshold: int | str) -> None:
    assert make_import(failureThreshold=threshold).spec.failure_threshold == threshold


REFUSED: dict[str, tuple[str, Json, str]] = {
    "a provider that nobody knows": ("Connector", {"provider": "ftp"}, "provider"),
    "a bucket with a slash": (
        "Connector",
        {"provider": "s3", "s3": {"bucket": "a/b", "region": "x"}},
        "bucket",
    ),
    "an endpoint without a scheme": (
        "Connector",
        {"provider": "s3", "s3": {"bucket": "abc", "region": "x", "endpoint": "minio:9000"}},
        "endpoint",
    ),
    "an interval without a unit": ("Connector", {"provider": "s3", "validationInterval": "10"}, "validationInterval"),
    "an unknown policy": ("Index", {"deletionPolicy": "Burn"}, "deletionPolicy"),
    "no Connector": ("ImportJob", {"indexRef": {"name": "x"}}, "connectorRef"),
    "too many pods": (
        "ImportJob",
        {"connectorRef": {"name": "x"}, "indexRef": {"name": "x"}, "parallelism": 65},
        "parallelism",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_field_is_named_that_makes_no_sense(name: str) -> None:
    kind, spec, field = REFUSED[name]
    with pytest.raises(ValidationError) as caught:
        parse_resource(kind, as_seen({**SAMPLES[kind], "spec": spec}))
    assert field in {part for error in caught.value.errors() for part in error["loc"]}


def test_times_are_utc_with_whole_seconds_on_the_wire() -> None:
    moment = datetime(2026, 5, 1, 14, 0, 0, 999, tzinfo=timezone(timedelta(hours=2)))
    condition = Condition(type="Ready", status="True", reason="X", last_transition_time=moment)
    wire = condition.model_dump(mode="json", by_alias=True)
    assert wire["lastTransitionTime"] == "2026-05-01T12:00:00Z"
    assert Condition.model_validate(wire).last_transition_time == datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_wire_names_are_camel_case() -> None:
    assert set(Status().model_dump(by_alias=True)) == {"observedGeneration", "conditions", "id", "lastHandledRequest"}


@pytest.mark.parametrize(
    ("annotations", "paused", "token"),
    [
        ({}, False, None),
        ({"videovector.io/paused": "true"}, True, None),
        ({"videovector.io/paused": " TRUE "}, True, None),
        ({"videovector.io/paused": "false"}, False, None),
        ({"videovector.io/paused": ""}, False, None),
        ({"videovector.io/requestedAt": "now"}, False, "now"),
        ({"videovector.io/requestedAt": ""}, False, None),
        ({"videovector.io/requestedAt": "x" * 300}, False, "x" * 256),
    ],
)
def test_what_annotations_ask_for(annotations: dict[str, str], paused: bool, token: str | None) -> None:
    resource = make_index(meta={"annotations": annotations})
    assert (resource.is_paused, resource.request_token) == (paused, token)


def test_an_object_with_a_deletion_timestamp_is_being_deleted() -> None:
    assert make_index(meta={"deletionTimestamp": "2026-05-01T00:00:00Z"}).is_deleting
    assert not make_index().is_deleting

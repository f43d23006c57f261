"""Connector: where media lie and with which credentials they may be read or written. It moves nothing itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from videovector_operator.api.v1alpha1.common import (
    ApiModel,
    Duration,
    LocalReference,
    Resource,
    Status,
    Timestamp,
    rules,
)

Scope = Literal["import", "export"]
ImportMode = Literal["all", "new_only"]


class S3Block(ApiModel):
    """An Amazon S3 bucket, or one on an S3-compatible server."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.endpoint) || !self.endpoint.contains('@')",
                "s3.endpoint must not hold credentials; put them into a Secret and name it in spec.credentialsSecretRef",
            ),
        ),
    )

    bucket: Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]$")]
    """Bucket name, without "s3://"."""
    region: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9-]+$")]
    """AWS region of the bucket, for instance eu-central-1. S3-compatible servers usually take us-east-1."""
    endpoint: Annotated[str | None, Field(max_length=512, pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")] = None
    """URL of an S3-compatible server, for instance https://minio.example.com:9000. Absent = Amazon S3."""
    force_path_style: bool = False
    """Address the bucket as endpoint/bucket instead of bucket.endpoint. Most S3-compatible servers need true."""


class ConnectorSpec(ApiModel):
    """Storage location, credentials and what they may be used for."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.s3)].filter(set, set).size() == 1",
                "exactly one provider block must be set: spec.s3",
            ),
            (
                "self.provider != 's3' || has(self.s3)",
                "spec.provider is s3, so spec.s3 {bucket, region} must be set",
            ),
        ),
    )

    provider: Literal["s3"]
    """Kind of object storage; the block of the same name says where."""
    s3: S3Block | None = None
    """Location for provider s3."""
    credentials_secret_ref: LocalReference | None = None
    """Secret with the keys accessKeyId and secretAccessKey (and, optionally, sessionToken). Absent = the identity of the
    operator's and the workers' environment (workload identity)."""
    scopes: Annotated[
        tuple[Scope, ...], Field(min_length=1, max_length=2, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = ("import",)
    """What this Connector may be used for: import needs list and read, export needs write."""
    import_mode: ImportMode = "all"
    """Default of the ImportJobs that use this Connector: all = every matching file; new_only = only files that the index
    does not hold yet in their present version."""
    export_base_path: Annotated[
        str | None,
        Field(
            max_length=512,
            json_schema_extra=rules(
                (
                    "!self.startsWith('/') && !self.contains('//') && !self.contains('\\\\') && "
                    "!self.split('/').exists(part, part == '..' || part == '.')",
                    "exportBasePath must be a relative path without empty, '.' or '..' segments and without backslashes, "
                    "for instance exports/team-a/",
                ),
            ),
        ),
    ] = None
    """Prefix below which every export must stay."""
    validation_interval: Annotated[
        Duration,
        Field(
            json_schema_extra=rules(
                (
                    "duration(self) >= duration('10s') && duration(self) <= duration('168h')",
                    "validationInterval must lie between 10s and 168h",
                ),
            ),
        ),
    ] = "10m"
    """How often the connection is tested again."""


class PermissionStatus(ApiModel):
    """Outcome of testing one action."""

    action: Literal["list", "read", "write"]
    """The tested action."""
    result: Literal["allowed", "denied", "unknown"]
    """unknown = it could not be tried."""
    code: Annotated[str | None, Field(max_length=128)] = None
    """The provider's error code."""
    message: Annotated[str | None, Field(max_length=1024)] = None
    """What the provider said, and what to do."""


class SampleObject(ApiModel):
    """One object seen at the last test."""

    path: Annotated[str, Field(max_length=1024)]
    """Full key."""
    size_bytes: int
    """Size in bytes."""
    last_modified: Timestamp
    """Time of the last change, as the store says."""


class ConnectorStatus(Status):
    """What the last connection test found."""

    location: Annotated[str | None, Field(max_length=600)] = None
    """The tested location, for instance s3://bucket."""
    last_tested_at: Timestamp | None = None
    """When the connection was last tested."""
    last_test_result: Literal["passed", "failed"] | None = None
    """Outcome of the last test."""
    last_test_error: Annotated[str | None, Field(max_length=2048)] = None
    """Why the last test failed."""
    next_test_at: Timestamp | None = None
    """When the connection will be tested next."""
    consecutive_failures: Annotated[int, Field(ge=0)] = 0
    """Failed tests since the last that passed."""
    observed_credentials: Annotated[str | None, Field(max_length=256)] = None
    """Version of the Secret that the last test used (its uid and resourceVersion; never its content)."""
    permissions: Annotated[
        tuple[PermissionStatus, ...],
        Field(
            max_length=3,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["action"]},
        ),
    ] = ()
    """Tested actions and their outcomes."""
    sample: Annotated[tuple[SampleObject, ...], Field(max_length=10)] = ()
    """The first objects of the bucket, as a glance at the source."""


class Connector(Resource[ConnectorSpec, ConnectorStatus]):
    """Access to one bucket or container: where media are imported from and results are exported to."""

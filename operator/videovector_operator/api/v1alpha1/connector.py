"""Connector: where media lie and with which credentials they may be read or written. It moves nothing itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from videovector_operator.api.v1alpha1.cel import Rule, rules
from videovector_operator.api.v1alpha1.common import ApiModel, LocalReference, Resource, Status, Timestamp
from videovector_operator.api.v1alpha1.connector_texts import (
    DURATION,
    AzureAccount,
    AzureClient,
    AzureContainer,
    AzureEndpoint,
    AzureTenant,
    CABundleKey,
    GcsBucket,
    GcsEndpoint,
    GcsProject,
    S3Bucket,
    S3Endpoint,
    S3Region,
    ServiceAccountName,
    ValidationInterval,
)

Scope = Literal["import", "export"]
ImportMode = Literal["all", "new_only"]


class S3Block(ApiModel):
    """An Amazon S3 bucket, or one on an S3-compatible server."""

    bucket: S3Bucket
    """Bucket name, without "s3://"."""
    region: S3Region
    """AWS region of the bucket, for instance eu-central-1. S3-compatible servers usually take us-east-1."""
    endpoint: S3Endpoint | None = None
    """URL of an S3-compatible server, for instance https://minio.example.com:9000. Absent = Amazon S3."""
    force_path_style: bool = False
    """Address the bucket as endpoint/bucket instead of bucket.endpoint. Most S3-compatible servers need true."""


class GcsBlock(ApiModel):
    """A Google Cloud Storage bucket."""

    bucket: GcsBucket
    """Bucket name, without "gs://"."""
    project_id: GcsProject
    """Google Cloud project of the bucket."""
    endpoint: GcsEndpoint | None = None
    """URL of another server that speaks the Cloud Storage JSON API, or of a private endpoint. Absent = Google's own."""


class AzureBlock(ApiModel):
    """A container of Azure Blob Storage."""

    storage_account: AzureAccount
    """Name of the storage account."""
    container: AzureContainer
    """Name of the container."""
    endpoint: AzureEndpoint | None = None
    """URL of the account's blob service, for sovereign clouds, private endpoints and emulators.
    Absent = https://ACCOUNT.blob.core.windows.net."""
    tenant_id: AzureTenant | None = None
    """Entra ID tenant of the application whose clientSecret is in the Secret."""
    client_id: AzureClient | None = None
    """Application (client) id: the one whose clientSecret is in the Secret, or the workload identity to use."""


class CABundleReference(ApiModel):
    """Certificates to trust, in a ConfigMap or Secret of the same namespace."""

    kind: Literal["ConfigMap", "Secret"] = "ConfigMap"
    """Kind of the object."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object."""
    key: CABundleKey = "ca.crt"
    """Key that holds the PEM certificates."""


def _needs_block(provider: str, fields: str) -> Rule:
    return Rule(
        f"self.provider != '{provider}' || has(self.{provider})",
        f"spec.provider is {provider}, so spec.{provider} {{{fields}}} must be set",
        provider,
        "FieldValueRequired",
    )


class ConnectorSpec(ApiModel):
    """Storage location, credentials and what they may be used for."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "[has(self.s3), has(self.gcs), has(self.azure)].filter(set, set).size() == 1",
                "exactly one provider block must be set: spec.s3, spec.gcs or spec.azure",
            ),
            _needs_block("s3", "bucket, region"),
            _needs_block("gcs", "bucket, projectId"),
            _needs_block("azure", "storageAccount, container"),
            Rule(
                "!(has(self.credentialsSecretRef) && has(self.serviceAccountName))",
                "spec.credentialsSecretRef and spec.serviceAccountName exclude each other: credentials come from a Secret "
                "or from the workload identity of a service account; remove one",
            ),
            Rule(
                f"!self.validationInterval.matches(r'{DURATION}') || "
                "(duration(self.validationInterval) >= duration('10s') && duration(self.validationInterval) <= duration('168h'))",
                "validationInterval must lie between 10s and 168h, for instance 10m",
                "validationInterval",
            ),
        ),
    )

    provider: Literal["s3", "gcs", "azure"]
    """Kind of object storage; the block of the same name says where."""
    s3: S3Block | None = None
    """Location for provider s3."""
    gcs: GcsBlock | None = None
    """Location for provider gcs."""
    azure: AzureBlock | None = None
    """Location for provider azure."""
    credentials_secret_ref: LocalReference | None = None
    """Secret with the credentials. s3: accessKeyId and secretAccessKey (and, optionally, sessionToken). gcs: credentials.json, a
    service account's key file. azure: one of clientSecret, accountKey, sasToken. Absent = the identity of the operator's and
    the workers' environment (workload identity)."""
    service_account_name: ServiceAccountName | None = None
    """Service account, in the same namespace, that the worker pods of this Connector's runs have, for workload identity.
    Absent = the service account that the operator's settings say."""
    ca_bundle_ref: CABundleReference | None = None
    """Certificate authorities to trust instead of the system's, for endpoints with certificates of your own."""
    scopes: Annotated[
        tuple[Scope, ...], Field(min_length=1, max_length=2, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = ("import",)
    """What this Connector may be used for: import needs list and read, export needs write and delete."""
    import_mode: ImportMode = "all"
    """Default of the ImportJobs that use this Connector: all = every matching file; new_only = only files that the index
    does not hold yet in their present version."""
    export_base_path: Annotated[
        str | None,
        Field(
            max_length=512,
            json_schema_extra=rules(
                Rule(
                    "!self.startsWith('/') && !self.contains('//') && !self.contains('\\\\') && "
                    "!self.split('/').exists(part, part == '..' || part == '.')",
                    "exportBasePath must be a relative path without empty, '.' or '..' segments and without backslashes, "
                    "for instance exports/team-a/",
                ),
                Rule(
                    r"!self.matches(r'[\x00-\x1f\x7f]|^[A-Za-z]:|%(25)*(2[eEfF]|5[cC]|[01][0-9A-Fa-f]|7[fF])')",
                    "exportBasePath must not begin with a drive letter, and must not hold control characters or "
                    "percent-encoded dots, slashes or control characters; write the names plainly",
                ),
            ),
        ),
    ] = None
    """Prefix below which every export must stay, and where a connection test of scope export writes and deletes a small object.
    Absent = anywhere in the bucket."""
    validation_interval: ValidationInterval = "10m"
    """How often the connection is tested again."""
    max_concurrent_runs: Annotated[int | None, Field(ge=1, le=1000)] = None
    """Runs of this Connector that may be active together; others wait in a first-come queue. Absent = no limit."""
    max_requests_per_second: Annotated[int | None, Field(ge=1, le=100_000)] = None
    """Storage requests a second that all worker pods of this Connector may make together. Less is made while the provider
    throttles. Absent = no limit."""


class PermissionStatus(ApiModel):
    """Outcome of testing one action."""

    action: Literal["list", "read", "write", "delete"]
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

    location: Annotated[str | None, Field(max_length=800)] = None
    """The tested location, for instance s3://bucket."""
    export_base_path: Annotated[str | None, Field(max_length=512)] = None
    """spec.exportBasePath as it is used: in Unicode normal form C, without a slash at the end."""
    last_tested_at: Timestamp | None = None
    """When the connection was last tested."""
    last_test_result: Literal["passed", "failed", "unknown"] | None = None
    """Outcome of the last test; unknown = only worker pods have the identity, so that nothing could be tried."""
    last_test_error: Annotated[str | None, Field(max_length=2048)] = None
    """Why the last test failed. Ready stays True while a connection that was proven has failed fewer than three times in a row."""
    next_test_at: Timestamp | None = None
    """When the connection will be tested next."""
    consecutive_failures: Annotated[int, Field(ge=0)] = 0
    """Failed tests since the last that passed."""
    observed_credentials: Annotated[str | None, Field(max_length=256)] = None
    """Version of the Secret that the last test used (its uid and resourceVersion; never its content)."""
    observed_ca_bundle: Annotated[str | None, Field(max_length=256)] = None
    """Version of the object that caBundleRef names at the last test (its uid and resourceVersion)."""
    permissions: Annotated[
        tuple[PermissionStatus, ...],
        Field(
            max_length=4,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["action"]},
        ),
    ] = ()
    """Tested actions and their outcomes."""
    sample: Annotated[tuple[SampleObject, ...], Field(max_length=10)] = ()
    """The first objects of the bucket, as a glance at the source."""
    active_runs: Annotated[int | None, Field(ge=0)] = None
    """Runs of this Connector that are active."""
    queued_runs: Annotated[int | None, Field(ge=0)] = None
    """Runs of this Connector that wait because of maxConcurrentRuns."""


class Connector(Resource[ConnectorSpec, ConnectorStatus]):
    """Access to one bucket or container: where media are imported from and results are exported to."""

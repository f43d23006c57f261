"""Where media lie and as whom they are read or written: one source for each provider, as plain values. Pure.

A source without credentials means the ambient identity of the process. Credentials come in by `core.credentials`; they are
never printed and never leave by `source_to_json`. No SDK and no I/O may enter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from videovector_operator.api.v1alpha1.connector import ConnectorSpec
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import names
from videovector_operator.core.records import JsonValue
from videovector_operator.errors import Stalled


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Keys of an S3 user, from a Secret. Never printed: they are left out of ``repr``."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class GcsServiceAccount:
    """A Google service account's key. ``private_key`` is PEM text."""

    client_email: str
    private_key_id: str = field(repr=False)
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AzureClientSecret:
    """Secret of an Entra ID application; its tenant and client are in the source."""

    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AzureAccountKey:
    """Key of a storage account (base64)."""

    account_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AzureSasToken:
    """Shared access signature: a query without "?"."""

    sas_token: str = field(repr=False)


AzureCredentials = AzureClientSecret | AzureAccountKey | AzureSasToken


@dataclass(frozen=True, slots=True)
class S3Source:
    """Where an S3 (or compatible) bucket is. ``ca_bundle`` (PEM) is trusted instead of the system's authorities."""

    bucket: str
    region: str
    endpoint: str | None = None
    force_path_style: bool = False
    credentials: StaticCredentials | None = None
    ca_bundle: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class GcsSource:
    """Where a Google Cloud Storage bucket is."""

    bucket: str
    project_id: str
    endpoint: str | None = None
    credentials: GcsServiceAccount | None = None
    ca_bundle: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AzureSource:
    """Where an Azure Blob Storage container is. ``endpoint`` is the URL of the account's blob service."""

    storage_account: str
    container: str
    endpoint: str | None = None
    tenant_id: str | None = None
    client_id: str | None = None
    credentials: AzureCredentials | None = None
    ca_bundle: str | None = field(default=None, repr=False)


Source = S3Source | GcsSource | AzureSource


def build_source(spec: ConnectorSpec) -> Source:
    """Build the source that a Connector names, without credentials and CA bundle. Raises Stalled (InvalidSpec)."""
    match spec.provider:
        case "s3" if spec.s3 is not None:
            block = spec.s3
            return S3Source(block.bucket, block.region, block.endpoint, block.force_path_style)
        case "gcs" if spec.gcs is not None:
            return GcsSource(spec.gcs.bucket, spec.gcs.project_id, spec.gcs.endpoint)
        case "azure" if spec.azure is not None:
            azure = spec.azure
            return AzureSource(azure.storage_account, azure.container, azure.endpoint, azure.tenant_id, azure.client_id)
        case _:
            raise Stalled(Reason.INVALID_SPEC, f"spec.provider is {spec.provider}, so spec.{spec.provider} must be set")


def location_of_source(source: Source) -> str:
    """Identity of the storage location, for instance ``s3://bucket``."""
    match source:
        case S3Source():
            return names.s3_location(source.bucket, source.endpoint)
        case GcsSource():
            return names.gcs_location(source.bucket, source.endpoint)
        case AzureSource():
            return names.azure_location(source.storage_account, source.container, source.endpoint)
        case _:
            assert_never(source)


def source_to_json(source: Source) -> dict[str, JsonValue]:
    """Write the source for a run's spec: the Connector's words, without credentials and CA bundle."""
    match source:
        case S3Source():
            return {
                "provider": "s3",
                "bucket": source.bucket,
                "region": source.region,
                "endpoint": source.endpoint,
                "forcePathStyle": source.force_path_style,
            }
        case GcsSource():
            return {
                "provider": "gcs",
                "bucket": source.bucket,
                "projectId": source.project_id,
                "endpoint": source.endpoint,
            }
        case AzureSource():
            return {
                "provider": "azure",
                "storageAccount": source.storage_account,
                "container": source.container,
                "endpoint": source.endpoint,
                "tenantId": source.tenant_id,
                "clientId": source.client_id,
            }
        case _:
            assert_never(source)


def parse_source(spec: Mapping[str, JsonValue]) -> Source | None:
    """Read what `source_to_json` wrote; None = written by another version, whose provider is not known here."""
    try:
        match spec.get("provider", "s3"):
            case "s3":
                return S3Source(
                    _text(spec, "bucket"),
                    _text(spec, "region"),
                    _optional(spec, "endpoint"),
                    spec.get("forcePathStyle") is True,
                )
            case "gcs":
                return GcsSource(_text(spec, "bucket"), _text(spec, "projectId"), _optional(spec, "endpoint"))
            case "azure":
                return AzureSource(
                    _text(spec, "storageAccount"),
                    _text(spec, "container"),
                    _optional(spec, "endpoint"),
                    _optional(spec, "tenantId"),
                    _optional(spec, "clientId"),
                )
            case _:
                return None
    except LookupError:
        return None


def _text(spec: Mapping[str, JsonValue], name: str) -> str:
    value = spec.get(name)
    if not isinstance(value, str) or not value:
        raise LookupError(name)
    return value


def _optional(spec: Mapping[str, JsonValue], name: str) -> str | None:
    value = spec.get(name)
    return value if isinstance(value, str) and value else None

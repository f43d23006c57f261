"""Settings of all commands, from the environment (VIDEOVECTOR_…): one frozen model, in the order of the chart's values.

Read by `app` only. Secrets among them are never printed.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Every option of the operator and its workers."""

    model_config = SettingsConfigDict(env_prefix="VIDEOVECTOR_", frozen=True, extra="ignore")

    # operator
    namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    """Watched namespaces, separated by commas; none = all."""
    pod_namespace: str = "default"
    """Where the operator itself runs: home of its Lease."""
    pod_name: str = ""
    """Name of the operator's pod; the Lease's identity starts with it."""
    lease_name: str = "videovector-operator"
    """Name of the Lease."""
    lease_duration_seconds: Annotated[int, Field(ge=4)] = 15
    """A standby takes over this long after the leader's last sign of life."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Objects that are looked at together."""
    api_writes_per_second: Annotated[float, Field(gt=0)] = 200.0
    """Upper limit of writes to the Kubernetes API."""
    api_write_burst: Annotated[int, Field(ge=1)] = 400
    """Writes that may come at once."""
    resync_seconds: Annotated[float, Field(ge=1)] = 600.0
    """Time between two full lists."""
    http_host: str = "0.0.0.0"  # noqa: S104 - probes come from the kubelet
    """Address of /healthz, /readyz and /metrics."""
    http_port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """Port of /healthz, /readyz and /metrics."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    log_format: str = "json"
    """json or console."""
    storage_timeout_seconds: Annotated[float, Field(gt=0)] = 15.0
    """Total time of one request to object storage in a connection test."""
    allow_loopback_endpoints: bool = False
    """Let Connectors' endpoints lead to loopback addresses: for storage servers on the nodes themselves. Workers too."""
    lists_command: str = "kubectl videovector files {name} -n {namespace}"
    """The command that prints a run's full lists; {name} and {namespace} of the ImportJob and the id of its {run} are
    filled in."""

    # the operator's own API
    api_host: str = "127.0.0.1"
    """Address of the API for people's tools; a port-forward reaches the pod's own loopback."""
    api_port: Annotated[int, Field(ge=0, le=65535)] = 8443
    """Port of that API; 0 = it is not served."""
    api_client_certificates: bool = True
    """Accept client certificates of the cluster's client CA, beside bearer tokens."""
    api_tls_directory: str | None = None
    """Where tls.crt and tls.key of that API lie; absent = a certificate made at start."""

    # catalog
    catalog_dsn: SecretStr = SecretStr("")
    """PostgreSQL connection string."""
    catalog_worker_dsn: SecretStr | None = None
    """Connection string that workers get; absent = the same."""
    catalog_pool_size: Annotated[int, Field(ge=1, le=64)] = 4
    """Connections of one process to PostgreSQL, at most."""

    # worker pods
    worker_image: str = ""
    """Image of worker pods."""
    worker_image_pull_policy: str = "IfNotPresent"
    """Pull policy of that image."""
    worker_image_pull_secrets: Annotated[tuple[str, ...], NoDecode] = ()
    """Names of pull secrets, separated by commas; they must exist in the namespaces of the ImportJobs."""
    worker_service_account: str = "default"
    """Service account of worker pods (for workload identity); its token is not mounted."""
    worker_env: dict[str, str] = Field(default_factory=dict)
    """More environment of worker pods (JSON)."""
    worker_resources: dict[str, Any] = Field(default_factory=dict)
    """Resources of worker pods (JSON)."""
    worker_backoff_limit: Annotated[int, Field(ge=0)] = 10
    """Failed pods after which a run fails."""
    worker_active_deadline_seconds: int | None = None
    """Longest duration of a run; absent = none."""
    worker_pod_template: dict[str, Any] = Field(default_factory=dict)
    """A partial pod template that is laid over the built one (JSON)."""

    # inside a worker pod
    worker_name: str = ""
    """Name of the worker: owner of its leases."""
    credentials_directory: str | None = None
    """Where the Connector's Secret is mounted; absent = the ambient identity."""
    credentials_secret: str = ""
    """Name of that Secret, for messages."""
    ca_bundle_file: str | None = None
    """The certificates to trust, mounted; absent = the system's."""

    @field_validator("namespaces", "worker_image_pull_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

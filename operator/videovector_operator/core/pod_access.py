"""How a Connector's access reaches the pods of its runs: service account, mounted Secret and CA bundle. Pure.

Of a Secret only the keys that are read are mounted. A key that a run cannot do without keeps its pods waiting while it is
missing; the kubelet starts them when it is there. Of Azure's keys any one will do, so that none of them can be required.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from videovector_operator.api.v1alpha1.connector import CABundleReference, ConnectorSpec
from videovector_operator.core.credentials import AZURE_KEYS, GCS_KEY, S3_KEYS, S3_OPTIONAL

CREDENTIALS_DIRECTORY = "/var/run/videovector/credentials"
CA_DIRECTORY = "/var/run/videovector/ca"

_CA_FILE = "ca.crt"
_AZURE_IDENTITY = {"azure.workload.identity/use": "true"}
"""Label by which Azure's admission webhook gives a pod the identity of its service account."""
_MODE = 0o440
_DEFAULT_ACCOUNT = "default"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PodAccess:
    """What a pod template must hold. ``service_account`` None = as the operator's settings say."""

    service_account: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: Sequence[Json] = ()
    mounts: Sequence[Json] = ()
    env: Sequence[Json] = ()


def build_access(spec: ConnectorSpec) -> PodAccess:
    """Build what the pods of a Connector's runs need to read as it says."""
    parts = []
    reference = spec.credentials_secret_ref
    if reference is not None:
        env = {
            "VIDEOVECTOR_CREDENTIALS_DIRECTORY": CREDENTIALS_DIRECTORY,
            "VIDEOVECTOR_CREDENTIALS_SECRET": reference.name,
        }
        sources = [_build_source(reference.name, names, optional=is_optional) for names, is_optional in _keys_of(spec)]
        volume = {"name": "credentials", "projected": {"defaultMode": _MODE, "sources": sources}}
        parts.append((volume, CREDENTIALS_DIRECTORY, env))
    if spec.ca_bundle_ref is not None:
        env = {"VIDEOVECTOR_CA_BUNDLE_FILE": f"{CA_DIRECTORY}/{_CA_FILE}"}
        parts.append((_build_ca_volume(spec.ca_bundle_ref), CA_DIRECTORY, env))
    return PodAccess(
        service_account=spec.service_account_name,
        labels=_AZURE_IDENTITY if spec.provider == "azure" and reference is None else {},
        volumes=[volume for volume, _, _ in parts],
        mounts=[{"name": volume["name"], "mountPath": path, "readOnly": True} for volume, path, _ in parts],
        env=[{"name": name, "value": value} for _, _, env in parts for name, value in env.items()],
    )


def _keys_of(spec: ConnectorSpec) -> Iterable[tuple[Sequence[str], bool]]:
    """The keys to mount, and whether they may be missing."""
    match spec.provider:
        case "s3":
            return ((S3_KEYS, False), (S3_OPTIONAL, True))
        case "gcs":
            return (((GCS_KEY,), False),)
        case "azure":
            return ((AZURE_KEYS, True),)


def _build_source(secret: str, keys: Sequence[str], *, optional: bool) -> Json:
    source: Json = {"name": secret, "items": [{"key": key, "path": key} for key in keys]}
    return {"secret": {**source, "optional": True} if optional else source}


def _build_ca_volume(reference: CABundleReference) -> Json:
    items = {"defaultMode": _MODE, "items": [{"key": reference.key, "path": _CA_FILE}]}
    if reference.kind == "Secret":
        return {"name": "ca", "secret": {"secretName": reference.name, **items}}
    return {"name": "ca", "configMap": {"name": reference.name, **items}}


def needed_objects(pod: Mapping[str, Any], *, are_made: bool) -> Iterable[tuple[str, str]]:
    """Kinds and names of the objects that pods cannot start without: what they mount, and until they are made their service account.

    Kubernetes makes the service account ``default`` of each namespace, and makes it again.
    """
    account = pod.get("serviceAccountName") or _DEFAULT_ACCOUNT
    if account != _DEFAULT_ACCOUNT and not are_made:
        yield "ServiceAccount", account
    for volume in pod.get("volumes") or ():
        parts = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        for part in parts:
            secret, config_map = part.get("secret") or {}, part.get("configMap") or {}
            secret_name = secret.get("secretName") or secret.get("name")
            if secret_name and not secret.get("optional"):
                yield "Secret", secret_name
            if config_map.get("name") and not config_map.get("optional"):
                yield "ConfigMap", config_map["name"]

"""Observe the storage that a Connector names, with its credentials: read the Secret and the CA bundle, build the source.

Whoever opens a Connector's storage by the Kubernetes API goes this way: the connection test and people's browsing. Workers,
who have no Kubernetes credentials, read the same from mounted files. No storage request is made here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.cluster.port import Cluster
from videovector_operator.core.certificates import read_ca_bundle
from videovector_operator.core.credentials import ALL_KEYS, add_credentials, wanted_keys
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.sources import Source, build_source
from videovector_operator.errors import Stalled


async def observe_source(cluster: Cluster, connector: Connector) -> Source:
    """Read where the Connector's storage is and as whom it is used.

    Raises Stalled with what is missing or malformed, naming keys and never values, or ConnectionNotTested for the identity of
    another service account, which the operator does not have; ClusterError.
    """
    source = await _observe_place(cluster, connector)
    key = secret_key(connector)
    if key is None:
        _refuse_foreign_identity(connector)
        return source
    body = await cluster.get(key)
    if body is None:
        message = (
            f"spec.credentialsSecretRef.name: there is no Secret {key.name!r} in namespace {key.namespace!r}; "
            f"create it with {wanted_keys(source)}"
        )
        raise Stalled(Reason.SECRET_NOT_FOUND, message)
    return add_credentials(source, _decode_values(key, body.get("data") or {}), secret=key.name)


async def observe_worker_source(cluster: Cluster, connector: Connector) -> Source:
    """Read where the storage is of a Connector whose workers have an identity of their own; it has no credentials.

    Raises Stalled (InvalidSpec, CABundleNotFound, CABundleInvalid, ServiceAccountNotFound) or ClusterError.
    """
    source = await _observe_place(cluster, connector)
    name, namespace = connector.spec.service_account_name, connector.metadata.namespace
    if name is not None and await cluster.get(ObjectKey("ServiceAccount", namespace, name)) is None:
        message = (
            f"spec.serviceAccountName: there is no ServiceAccount {name!r} in namespace {namespace!r}; create it, with what "
            "your cloud's workload identity needs, or correct the name"
        )
        raise Stalled(Reason.SERVICE_ACCOUNT_NOT_FOUND, message)
    return source


def secret_key(connector: Connector) -> ObjectKey | None:
    """The Secret that holds the Connector's credentials; None = an ambient identity is used."""
    reference = connector.spec.credentials_secret_ref
    return None if reference is None else ObjectKey("Secret", connector.metadata.namespace, reference.name)


def ca_bundle_key(connector: Connector) -> ObjectKey | None:
    """The ConfigMap or Secret that holds the certificates to trust; None = the system's are trusted."""
    reference = connector.spec.ca_bundle_ref
    return None if reference is None else ObjectKey(reference.kind, connector.metadata.namespace, reference.name)


async def _observe_place(cluster: Cluster, connector: Connector) -> Source:
    """The source as nobody in particular: where it is and whose certificates are trusted."""
    source = build_source(connector.spec)
    bundle = await _observe_ca_bundle(cluster, connector)
    return source if bundle is None else replace(source, ca_bundle=bundle)


def _refuse_foreign_identity(connector: Connector) -> None:
    """The operator's own identity must not stand in for another one."""
    name = connector.spec.service_account_name
    if name is not None:
        message = (
            f"spec.serviceAccountName: only worker pods have the identity of the service account {name!r}; the operator "
            "cannot use this storage itself"
        )
        raise Stalled(Reason.CONNECTION_NOT_TESTED, message)


def _decode_values(key: ObjectKey, data: Mapping[str, str]) -> dict[str, bytes]:
    """Decode the keys that credentials may have; others are left alone."""
    values = {}
    for name in ALL_KEYS:
        if name in data:
            try:
                values[name] = base64.b64decode(data[name], validate=True)
            except (binascii.Error, ValueError):
                message = f"Secret {key.name!r}: the key {name} is not base64; write the key again"
                raise Stalled(Reason.SECRET_INVALID, message) from None
    return values


async def _observe_ca_bundle(cluster: Cluster, connector: Connector) -> str | None:
    reference, key = connector.spec.ca_bundle_ref, ca_bundle_key(connector)
    if reference is None or key is None:
        return None
    body = await cluster.get(key)
    where = f"{key.kind} {key.name!r} in namespace {key.namespace!r}"
    if body is None:
        message = f"spec.caBundleRef.name: there is no {where}; create it with the PEM certificates to trust"
        raise Stalled(Reason.CA_BUNDLE_NOT_FOUND, message)
    data = body.get("data") or {}
    if reference.key not in data:
        message = f"spec.caBundleRef.key: {where} has no key {reference.key!r}; put the PEM certificates to trust there"
        raise Stalled(Reason.CA_BUNDLE_NOT_FOUND, message)
    text = _decode_secret_text(data[reference.key]) if key.kind == "Secret" else str(data[reference.key])
    return read_ca_bundle(text, where=f"spec.caBundleRef: the key {reference.key!r} of {key.kind} {key.name!r}")


def _decode_secret_text(encoded: str) -> str:
    """A Secret's value as text; what is not base64 or not text holds no certificate, and is refused as that."""
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8", errors="replace")
    except (binascii.Error, ValueError):
        return ""

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
from videovector_operator.core.credentials import ALL_KEYS, add_credentials, wanted_keys
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.sources import Source, build_source
from videovector_operator.errors import Stalled


async def observe_source(cluster: Cluster, connector: Connector) -> Source:
    """Read where the Connector's storage is and as whom it is used.

    Raises Stalled with what is missing or malformed, naming keys and never values; ClusterError.
    """
    source = build_source(connector.spec)
    bundle = await _observe_ca_bundle(cluster, connector)
    if bundle is not None:
        source = replace(source, ca_bundle=bundle)
    key = secret_key(connector)
    if key is None:
        return source
    body = await cluster.get(key)
    if body is None:
        message = (
            f"spec.credentialsSecretRef.name: there is no Secret {key.name!r} in namespace {key.namespace!r}; "
            f"create it with {wanted_keys(source)}"
        )
        raise Stalled(Reason.SECRET_NOT_FOUND, message)
    return add_credentials(source, _decode_values(key, body.get("data") or {}), secret=key.name)


def secret_key(connector: Connector) -> ObjectKey | None:
    """The Secret that holds the Connector's credentials; None = the ambient identity is used."""
    reference = connector.spec.credentials_secret_ref
    return None if reference is None else ObjectKey("Secret", connector.metadata.namespace, reference.name)


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
    reference = connector.spec.ca_bundle_ref
    if reference is None:
        return None
    body = await cluster.get(ObjectKey(reference.kind, connector.metadata.namespace, reference.name))
    where = f"{reference.kind} {reference.name!r} in namespace {connector.metadata.namespace!r}"
    if body is None:
        message = f"spec.caBundleRef.name: there is no {where}; create it with the PEM certificates to trust"
        raise Stalled(Reason.CA_BUNDLE_NOT_FOUND, message)
    data = body.get("data") or {}
    if reference.key not in data:
        message = f"spec.caBundleRef.key: {where} has no key {reference.key!r}; put the PEM certificates to trust there"
        raise Stalled(Reason.CA_BUNDLE_NOT_FOUND, message)
    text: str = data[reference.key]
    if reference.kind == "ConfigMap":
        return text
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        message = f"spec.caBundleRef: the key {reference.key!r} of Secret {reference.name!r} is not PEM text"
        raise Stalled(Reason.CA_BUNDLE_INVALID, message) from None

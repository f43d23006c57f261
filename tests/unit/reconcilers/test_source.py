"""Which source a Connector's spec, Secret and CA bundle make; what is missing is named, never shown."""

from __future__ import annotations

import pytest

from tests.support.certificates import make_certificate
from tests.support.samples import NAMESPACE, Json, make_connector
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.errors import Stalled
from videovector_operator.reconcilers.source import observe_source, observe_worker_source

PEM = make_certificate()


def with_data(kind: str, name: str, data: Json, field: str = "data") -> Json:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, field: data}


async def test_credentials_come_from_the_secret_and_are_not_printed() -> None:
    cluster = FakeCluster()
    keys = {"accessKeyId": "AKIA", "secretAccessKey": "top-secret", "unrelated": "x"}
    cluster.apply(with_data("Secret", "keys", keys, "stringData"))

    source = await observe_source(cluster, make_connector())

    assert source.credentials is not None
    assert "top-secret" not in repr(source)


async def test_without_a_secret_nothing_is_read() -> None:
    cluster = FakeCluster()
    assert (await observe_source(cluster, make_connector(secret=None))).credentials is None
    assert cluster.calls == []


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
async def test_a_ca_bundle_is_read_from_either_kind(kind: str) -> None:
    cluster = FakeCluster()
    cluster.apply(with_data(kind, "ca", {"root.pem": PEM}, "stringData" if kind == "Secret" else "data"))
    connector = make_connector(secret=None, caBundleRef={"kind": kind, "name": "ca", "key": "root.pem"})
    assert (await observe_source(cluster, connector)).ca_bundle == PEM


BUNDLES: dict[str, tuple[Json | None, Json, str, str]] = {
    "there is none": (None, {"name": "ca"}, "CABundleNotFound", "there is no ConfigMap 'ca'"),
    "another key": (
        with_data("ConfigMap", "ca", {"x": PEM}),
        {"name": "ca"},
        "CABundleNotFound",
        "has no key 'ca.crt'",
    ),
    "not text": (
        with_data("Secret", "ca", {"ca.crt": "////"}),
        {"kind": "Secret", "name": "ca"},
        "CABundleInvalid",
        "holds no PEM certificate",
    ),
    "not base64": (
        with_data("Secret", "ca", {"ca.crt": "?"}),
        {"kind": "Secret", "name": "ca"},
        "CABundleInvalid",
        "the key 'ca.crt' of Secret 'ca' holds no PEM certificate",
    ),
    "cut off": (
        with_data("ConfigMap", "ca", {"ca.crt": PEM[:300]}),
        {"name": "ca"},
        "CABundleInvalid",
        "the key 'ca.crt' of ConfigMap 'ca' cannot be used",
    ),
}


@pytest.mark.parametrize("name", BUNDLES)
async def test_a_ca_bundle_that_does_not_do_is_named(name: str) -> None:
    body, reference, reason, words = BUNDLES[name]
    cluster = FakeCluster()
    if body is not None:
        cluster.apply(body)
    with pytest.raises(Stalled, match=words) as caught:
        await observe_source(cluster, make_connector(secret=None, caBundleRef=reference))
    assert caught.value.reason == reason


async def test_the_operators_identity_does_not_stand_in_for_another() -> None:
    with pytest.raises(Stalled, match="only worker pods have the identity of the service account 'importer'") as caught:
        await observe_source(FakeCluster(), make_connector(secret=None, serviceAccountName="importer"))
    assert caught.value.reason == "ConnectionNotTested"


async def test_a_worker_identity_is_looked_up() -> None:
    cluster = FakeCluster()
    connector = make_connector(secret=None, serviceAccountName="importer", caBundleRef={"name": "ca"})
    with pytest.raises(Stalled) as caught:
        await observe_worker_source(cluster, connector)
    assert caught.value.reason == "CABundleNotFound"
    cluster.apply(with_data("ConfigMap", "ca", {"ca.crt": PEM}))
    with pytest.raises(Stalled, match="there is no ServiceAccount 'importer' in namespace 'media'") as caught:
        await observe_worker_source(cluster, connector)
    assert caught.value.reason == "ServiceAccountNotFound"
    cluster.apply(with_data("ServiceAccount", "importer", {}))
    source = await observe_worker_source(cluster, connector)
    assert (source.ca_bundle, source.credentials) == (PEM, None)

"""The quickstart's manifests as the demo adapts them: the examples themselves, on other storage."""

from __future__ import annotations

from tools.demo import quickstart
from tools.demo.gcs import GcsPlace
from tools.demo.storage import Storage

STORAGE = Storage("http://127.0.0.1:7", "access", "secret")
ARCHIVE = GcsPlace("http://127.0.0.1:8", "p", "{key}")


def test_the_example_is_one_connector_one_index_one_import() -> None:
    kinds = [manifest["kind"] for manifest in quickstart.load_manifests()]
    assert sorted(kinds) == ["Connector", "ImportJob", "Index"]


def test_only_the_connectors_place_changes() -> None:
    before = quickstart.load_manifests()
    after = quickstart.adapt(before, STORAGE, namespace="demo", bucket="media-here")
    assert {manifest["metadata"]["namespace"] for manifest in after} == {"demo"}
    specs = {manifest["kind"]: manifest["spec"] for manifest in after if manifest["kind"] != "Secret"}
    for manifest in before:
        spec = specs[manifest["kind"]]
        if manifest["kind"] == "Connector":
            place = {"bucket": "media-here", "endpoint": STORAGE.endpoint, "forcePathStyle": True}
            assert spec["s3"].items() >= place.items()
            spec = {**spec, "s3": manifest["spec"]["s3"]}
        assert spec == manifest["spec"]


def test_every_named_secret_is_there_with_the_servers_keys() -> None:
    after = quickstart.adapt(quickstart.load_manifests(), STORAGE, namespace="demo", bucket="b")
    secrets = {
        manifest["metadata"]["name"]: manifest["stringData"] for manifest in after if manifest["kind"] == "Secret"
    }
    named = {m["spec"]["credentialsSecretRef"]["name"] for m in after if m["kind"] == "Connector"}
    assert secrets == {name: {"accessKeyId": "access", "secretAccessKey": "secret"} for name in named}


def test_a_connector_without_a_secret_gets_one() -> None:
    bare = {"apiVersion": "videovector.io/v1alpha1", "kind": "Connector", "metadata": {"name": "c"}}
    bare["spec"] = {"provider": "s3"}
    _, connector = quickstart.adapt([bare], STORAGE, namespace="demo", bucket="b")
    assert connector["spec"]["credentialsSecretRef"] == {"name": "c-credentials"}


def test_each_connector_goes_to_the_place_of_its_provider() -> None:
    manifests = [*quickstart.load_manifests(), *quickstart.load_manifests(quickstart.TWO_CLOUDS)]
    after = quickstart.adapt(manifests, STORAGE, ARCHIVE, namespace="demo", bucket="b")
    specs = {m["metadata"]["name"]: m["spec"] for m in after if m["kind"] == "Connector"}
    assert specs["media"]["s3"]["endpoint"] == STORAGE.endpoint
    assert specs["archive"]["gcs"] == {"bucket": "b", "projectId": "p", "endpoint": ARCHIVE.endpoint}
    secrets = {m["metadata"]["name"]: m["stringData"] for m in after if m["kind"] == "Secret"}
    assert secrets[specs["archive"]["credentialsSecretRef"]["name"]] == {"credentials.json": "{key}"}


def test_secrets_never_show() -> None:
    assert "secret'" not in repr(STORAGE)
    assert "access'" not in repr(STORAGE)
    assert "key}" not in repr(ARCHIVE)

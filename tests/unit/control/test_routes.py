from __future__ import annotations

from typing import Any

import pytest

from tests.support.samples import connector_manifest, import_manifest, index_manifest, make_connector, make_import
from tests.support.watching import watch
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.control.routes import keys_to_look_at
from videovector_operator.core.children import WorkerTemplate, build_import_job

Json = dict[str, Any]


@pytest.fixture
def cache() -> CachedCluster:
    fake = FakeCluster()
    cluster = watch(fake)
    fake.apply(connector_manifest())
    fake.apply(connector_manifest("archive", secret="other"))
    fake.apply(index_manifest())
    fake.apply(import_manifest("one"))
    fake.apply(import_manifest("two", connectorRef={"name": "archive"}))
    return cluster


def secret(name: str, namespace: str = "media") -> Json:
    return {"metadata": {"name": name, "namespace": namespace}}


JOB = build_import_job(make_import(), make_connector(), WorkerTemplate(image="x"))
FOREIGN = {**JOB, "metadata": {**JOB["metadata"], "labels": {"app": "x"}}}
UNLABELLED = {**JOB, "metadata": {k: v for k, v in JOB["metadata"].items() if k != "labels"}}
OTHERS_CHILD = {
    **JOB,
    "metadata": {**JOB["metadata"], "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "x"}]},
}

ROUTES: dict[str, tuple[str, Json, list[str]]] = {
    "a Secret concerns the Connectors that name it": ("Secret", secret("keys"), ["Connector media/footage"]),
    "a Secret of that name elsewhere concerns nobody": ("Secret", secret("keys", "elsewhere"), []),
    "a Secret that nobody names concerns nobody": ("Secret", secret("nobody"), []),
    "a Connector concerns itself and its imports": (
        "Connector",
        connector_manifest(),
        ["Connector media/footage", "ImportJob media/one"],
    ),
    "an Index concerns itself and its imports": (
        "Index",
        index_manifest(),
        ["ImportJob media/one", "ImportJob media/two", "Index media/films"],
    ),
    "an ImportJob concerns itself": ("ImportJob", import_manifest("one"), ["ImportJob media/one"]),
    "our Job concerns its ImportJob": ("Job", JOB, ["ImportJob media/first"]),
    "somebody else's Job concerns nobody": ("Job", FOREIGN, []),
    "a Job without labels concerns nobody": ("Job", UNLABELLED, []),
    "a Job that something else owns concerns nobody": ("Job", OTHERS_CHILD, []),
    "other kinds concern nobody": ("Pod", secret("p"), []),
}


@pytest.mark.parametrize("name", ROUTES)
def test_whom_a_change_concerns(cache: CachedCluster, name: str) -> None:
    kind, body, expected = ROUTES[name]
    assert sorted(str(key) for key in keys_to_look_at(kind, body, cache)) == expected

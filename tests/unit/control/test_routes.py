from __future__ import annotations

from typing import Any

import pytest

from tests.support.samples import (
    as_seen,
    connector_manifest,
    import_manifest,
    index_manifest,
    make_connector,
    make_import,
    ready_status,
)
from tests.support.watching import watch
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.control.routes import dependents, face_of, key_of
from videovector_operator.core.children import WorkerTemplate, build_import_job

Json = dict[str, Any]


@pytest.fixture
def cache() -> CachedCluster:
    fake = FakeCluster()
    cluster = watch(fake)
    fake.apply(connector_manifest())
    fake.apply(connector_manifest("archive", secret="other", caBundleRef={"kind": "Secret", "name": "authorities"}))
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
    "so does one with the authorities to trust": ("Secret", secret("authorities"), ["Connector media/archive"]),
    "a Secret of that name elsewhere concerns nobody": ("Secret", secret("keys", "elsewhere"), []),
    "a Secret that nobody names concerns nobody": ("Secret", secret("nobody"), []),
    "a Connector concerns its imports": ("Connector", connector_manifest(), ["ImportJob media/one"]),
    "an Index concerns its imports": ("Index", index_manifest(), ["ImportJob media/one", "ImportJob media/two"]),
    "an ImportJob concerns nobody else": ("ImportJob", import_manifest("one"), []),
    "our Job concerns its ImportJob": ("Job", JOB, ["ImportJob media/first"]),
    "somebody else's Job concerns nobody": ("Job", FOREIGN, []),
    "a Job without labels concerns nobody": ("Job", UNLABELLED, []),
    "a Job that something else owns concerns nobody": ("Job", OTHERS_CHILD, []),
    "other kinds concern nobody": ("Pod", secret("p"), []),
}


@pytest.mark.parametrize("name", ROUTES)
def test_whom_a_change_concerns(cache: CachedCluster, name: str) -> None:
    kind, body, expected = ROUTES[name]
    assert sorted(str(found) for found in dependents(key_of(kind, body), body, cache)) == expected


SAID = ready_status()
FACES: dict[str, tuple[Json, Json, bool]] = {
    "a Connector's counts": (SAID, {**SAID, "activeRuns": 3, "queuedRuns": 40}, False),
    "a Connector's test that found the same": (SAID, {**SAID, "lastTestedAt": "2026-05-01T00:00:00Z"}, False),
    "a Connector's first test": ({}, SAID, True),
    "a Connector's readiness": (SAID, ready_status(status="False"), True),
    "the reason that its imports repeat": (SAID, ready_status(reason="ConnectionNotTested"), True),
    "the generation that was tested": (SAID, ready_status(2), True),
}


@pytest.mark.parametrize("name", FACES)
def test_imports_are_woken_by_what_they_read_of_a_connector(name: str) -> None:
    before, after, expected = FACES[name]
    faces = [face_of("Connector", as_seen(connector_manifest(), status=status)) for status in (before, after)]
    assert (faces[0] != faces[1]) is expected


def test_imports_read_of_an_index_only_whether_it_is_there() -> None:
    seen = as_seen(index_manifest(), status={"media": {"total": 1}})
    assert face_of("Index", seen) == face_of("Index", as_seen(index_manifest(), generation=2, status=SAID))
    assert face_of("Index", seen) != face_of(
        "Index", as_seen(index_manifest(), deletionTimestamp="2026-05-01T00:00:00Z")
    )
    assert face_of("Index", seen) != face_of("Index", as_seen(index_manifest(), uid="another"))

"""The examples and the manifests in the documentation as a real API server takes them: every field, however deep, is one that it knows.

Nothing is stored: each file is applied with dry run on the server, and what it names (a Secret, a bucket) need not be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.pages import EXAMPLES, of, written_manifests
from tests.support.world import PLURALS, World
from tools.devcluster.errors import DevClusterError


def texts() -> Iterator[Any]:
    for path in sorted(EXAMPLES.rglob("*.yaml")):
        yield pytest.param(path.read_text(encoding="utf-8"), id=of(path))
    for name, text, _ in written_manifests():
        yield pytest.param(text, id=name)


def apply(world: World, text: str) -> str:
    """Apply as a user would who wants every mistake told; answers what kubectl says. Raises DevClusterError."""
    flags = ("--dry-run=server", "--validate=strict")
    return world.cluster.run_kubectl("-n", world.namespace, "apply", *flags, "-f", "-", stdin=text)


@pytest.mark.parametrize("text", list(texts()))
def test_every_manifest_is_taken_as_it_is_written(text: str, world: World) -> None:
    said = apply(world, text).splitlines()

    assert said
    assert all(line.endswith(" created (server dry run)") for line in said)
    assert [world.list(kind) for kind in PLURALS] == [[], [], []]


MISTAKES = {
    "s3/compatible-server.yaml": ("forcePathStyle: ", "forcepathStyle: ", 'unknown field "spec.s3.forcepathStyle"'),
    "gcs/other-server.yaml": ("    name: storage-", "    nam: storage-", 'unknown field "spec.caBundleRef.nam"'),
    "azure/application.yaml": ("    tenantId: ", "    tenantID: ", 'unknown field "spec.azure.tenantID"'),
    "quickstart/importjob.yaml": ("    name: library", "    name: library\n    kind: Index", '"spec.indexRef.kind"'),
    "few-at-a-time/connector.yaml": ("maxConcurrentRuns: 2", 'maxConcurrentRuns: "2"', "must be of type integer"),
    "workload-identity/eks.yaml": ("  annotations:", "  anotations:", 'unknown field "metadata.anotations"'),
}


@pytest.mark.parametrize("path", MISTAKES)
def test_a_mistake_in_one_would_be_found(path: str, world: World) -> None:
    right, wrong, told = MISTAKES[path]
    text = (EXAMPLES / path).read_text(encoding="utf-8")
    assert text.count(right) == 1

    with pytest.raises(DevClusterError) as refused:
        apply(world, text.replace(right, wrong))

    assert told in str(refused.value)

"""The manifests of examples/quickstart, adapted to a storage server, and the import that they start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import yaml

from tools.demo.errors import DemoError
from tools.demo.programs import Json, Kube
from tools.demo.storage import Place
from tools.devcluster.layout import REPOSITORY

QUICKSTART = REPOSITORY / "examples" / "quickstart"
TWO_CLOUDS = REPOSITORY / "examples" / "two-clouds"
_GROUP = "videovector.io/"
_POLL_SECONDS = 0.3


def load_manifests(directory: Path = QUICKSTART) -> list[Json]:
    """Every manifest of a folder, in the order of its files, ImportJobs last: one that is there before its Index says so."""
    files = sorted(directory.glob("*.yaml"))
    found = [document for file in files for document in yaml.safe_load_all(file.read_text()) if document]
    ours = [document for document in found if not document["apiVersion"].startswith("kustomize")]
    return sorted(ours, key=lambda document: document["kind"] == "ImportJob")


def adapt(manifests: Iterable[Json], *places: Place, namespace: str, bucket: str) -> list[Json]:
    """Put the manifests into a namespace, and their Connectors on the bucket of their provider's place, with a Secret each."""
    by_provider = {place.provider: place for place in places}
    adapted: list[Json] = []
    for manifest in manifests:
        if manifest["kind"] in {"Namespace", "Secret"}:
            continue
        copy = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
        if copy["kind"] == "Connector":
            place = by_provider[copy["spec"]["provider"]]
            reference = {"name": f"{copy['metadata']['name']}-credentials"}
            block = {**copy["spec"].get(place.provider, {}), **place.block(bucket)}
            spec = {"credentialsSecretRef": reference, **copy["spec"], place.provider: block}
            copy["spec"] = spec
            adapted.append(build_credentials(place, namespace, spec["credentialsSecretRef"]["name"]))
        adapted.append(copy)
    return adapted


def build_credentials(place: Place, namespace: str, name: str) -> Json:
    """Build the Secret that a Connector on this server names."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": place.secret()}


def start(kube: Kube, manifests: Sequence[Json]) -> list[tuple[str, str]]:
    """Apply them, the import anew: an ImportJob runs once. Answers (namespace, name) of the ImportJobs."""
    jobs = [m["metadata"] for m in manifests if m["kind"] == "ImportJob" and m["apiVersion"].startswith(_GROUP)]
    for job in jobs:
        kube.run("delete", "importjob", job["name"], "-n", job["namespace"], "--ignore-not-found", "--wait")
    kube.apply(*manifests)
    return [(job["namespace"], job["name"]) for job in jobs]


def wait_for_import(
    kube: Kube, namespace: str, name: str, *, seconds: float, seen: Callable[[Json], None] = lambda _: None
) -> Json:
    """Wait until the ImportJob is Ready, telling ``seen`` of every status. Raises DemoError when it is Stalled or late."""
    deadline = time.monotonic() + seconds
    while True:
        job = kube.get("importjob", name, namespace)
        seen(job["status"])
        ready, stalled = condition_of(job, "Ready"), condition_of(job, "Stalled")
        if ready is not None and ready["status"] == "True":
            return job
        if stalled is not None and stalled["status"] == "True":
            raise DemoError(f"importjob/{name} is Stalled, {stalled['reason']}: {stalled['message']}")
        if time.monotonic() > deadline:
            words = f"{ready['reason']}: {ready['message']}" if ready else "the operator has not looked at it"
            raise DemoError(f"importjob/{name} is not Ready after {seconds:.0f} s; {words}")
        time.sleep(_POLL_SECONDS)


def condition_of(obj: Json, kind: str) -> Json | None:
    """One condition of an object's status, if it is there."""
    conditions: list[Json] = (obj.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), None)

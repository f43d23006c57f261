"""Install the project's chart as a release of its own. Where the image comes from is none of this file's business."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.demo.errors import DemoError
from tools.demo.programs import Json, Kube
from tools.devcluster.layout import REPOSITORY

CHART = REPOSITORY / "charts" / "videovector-operator"
CRDS = REPOSITORY / "crds"
CRD_NAMES = ("connectors.videovector.io", "indexes.videovector.io", "importjobs.videovector.io")
CATALOG_SECRET = "videovector-catalog"
INSTALL_SECONDS = 300
_OWNER = "meta.helm.sh/release-"


@dataclass(frozen=True, slots=True)
class Release:
    """One installation. ``dsn`` None = the chart brings its own PostgreSQL; ``watch`` () = all namespaces."""

    name: str
    namespace: str
    image: str
    watch: Sequence[str] = ()
    dsn: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


def install(kube: Kube, release: Release) -> None:
    """Install or upgrade and wait until the operator is Ready. Raises DemoError with what stands in the way."""
    for namespace in (release.namespace, *release.watch):
        kube.ensure_namespace(namespace)
    if release.dsn is not None:
        kube.apply(_catalog_secret(release.namespace, release.dsn))
    values = build_values(release, with_crds=_prepare_crds(kube, release))
    _clear_interrupted(kube, release)
    options = ["--namespace", release.namespace, "--wait", "--timeout", f"{INSTALL_SECONDS}s", "--values", "-"]
    try:
        kube.run_helm("upgrade", "--install", release.name, str(CHART), *options, stdin=json.dumps(values))
    except DemoError as error:
        raise DemoError(f"{error}\n{_explain(kube, release)}") from None


def uninstall(kube: Kube, release: Release) -> None:
    """Remove the release; its namespaces and the CRDs stay."""
    kube.run_helm("uninstall", release.name, "--namespace", release.namespace, "--ignore-not-found", "--wait")


def build_values(release: Release, *, with_crds: bool) -> Json:
    """Build the chart's values; what the release says goes over the rest."""
    repository, _, tag = release.image.rpartition(":")
    catalog: Json = {}
    if release.dsn is not None:
        catalog = {"existingSecret": {"name": CATALOG_SECRET}, "postgresql": {"enabled": False}}
    values: Json = {
        "image": {"repository": repository, "tag": tag},
        "watchNamespaces": list(release.watch),
        "crds": {"install": with_crds},
        "catalog": catalog,
    }
    return _merge(values, release.values)


def _merge(base: Json, over: Mapping[str, Any]) -> Json:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def _catalog_secret(namespace: str, dsn: str) -> Json:
    metadata = {"name": CATALOG_SECRET, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"dsn": dsn}}


def _prepare_crds(kube: Kube, release: Release) -> bool:
    """Whether the chart shall install the CRDs: helm refuses those of another release, which are applied instead."""
    found = kube.run("get", "crd", *CRD_NAMES, "--ignore-not-found", "-o", "json")
    crds: list[Json] = json.loads(found).get("items", []) if found.strip() else []
    owners = [crd["metadata"].get("annotations", {}) for crd in crds]
    ours = {f"{_OWNER}name": release.name, f"{_OWNER}namespace": release.namespace}
    if all(ours.items() <= owner.items() for owner in owners):
        return True
    kube.run("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    return False


def _clear_interrupted(kube: Kube, release: Release) -> None:
    """A helm that was interrupted leaves a release that refuses every upgrade."""
    listed = kube.run_helm("list", "--namespace", release.namespace, "--pending", "--short")
    if release.name in listed.split():
        uninstall(kube, release)


def _explain(kube: Kube, release: Release) -> str:
    """What the namespace's pods and their last words say."""
    words = [kube.run("get", "pods", "-n", release.namespace, "-o", "wide")]
    for pod in kube.items("pods", release.namespace):
        name = pod["metadata"]["name"]
        try:
            words.append(f"{name}:\n{kube.run('logs', '-n', release.namespace, name, '--all-containers', '--tail=15')}")
        except DemoError as error:
            words.append(str(error))
    return "\n".join(words)

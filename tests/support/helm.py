"""The chart as helm renders it: text in, parsed objects out. Starts nothing and knows no cluster."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tools.devcluster import build

CHART = Path(__file__).resolve().parents[2] / "charts" / "videovector-operator"
RELEASE = "vv"
NAMESPACE = "media-system"
IMAGE = {"image": {"repository": "registry.example.com/videovector-operator"}}
OWN_DATABASE = {"catalog": {"postgresql": {"enabled": False}, "existingSecret": {"name": "catalog-dsn"}}}

Json = dict[str, Any]


def run_helm(*arguments: str, values: Json | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm; ``values`` reach it as a values file on stdin. Never raises for what helm says."""
    build.ensure(build.HELM)
    more = ("--values", "-") if values is not None else ()
    return subprocess.run(
        [build.program("helm"), *arguments, *more],
        input=json.dumps(values or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def render(values: Json | None = None) -> list[Json]:
    """Every object of the chart with these values laid over a working minimum."""
    # Callers may change what they get.
    parsed: list[Json] = json.loads(_render(json.dumps(merge(IMAGE, values or {}), sort_keys=True)))
    return parsed


@functools.cache
def _render(values: str) -> str:
    done = run_helm(
        "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.34.0", values=json.loads(values)
    )
    if done.returncode != 0:
        raise AssertionError(f"helm refused the values {values}: {done.stderr}")
    # The parser in C: the CRDs are long.
    return json.dumps([document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document])


def refusal(values: Json) -> str:
    """What helm says to values that it must refuse."""
    merged = merge(IMAGE, values)
    done = run_helm("template", RELEASE, str(CHART), "--kube-version", "1.34.0", values=merged)
    assert done.returncode != 0, f"helm took {merged}"
    return done.stderr


def one(objects: list[Json], kind: str, name: str | None = None) -> Json:
    """The only object of a kind, or the one of a name."""
    found = [item for item in objects if item["kind"] == kind and name in (None, item["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} objects {kind} {name or ''}"
    return found[0]


def of_kind(objects: list[Json], kind: str) -> list[Json]:
    return [item for item in objects if item["kind"] == kind]


def operator_env(objects: list[Json]) -> dict[str, Json]:
    """The operator container's environment: name → entry."""
    containers = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry for entry in containers[0]["env"]}


def merge(base: Json, patch: Json) -> Json:
    """Lay ``patch`` over ``base`` as helm lays values."""
    result = dict(base)
    for key, value in patch.items():
        old = result.get(key)
        result[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result

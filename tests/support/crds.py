"""The CRDs on a test's API server, from the models themselves."""

from __future__ import annotations

import time

import yaml

from tools.devcluster.cluster import Cluster
from videovector_operator.api.crd_files import render_crds

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def ensure_crds(cluster: Cluster, seconds: float = 20.0) -> None:
    """Apply all CRDs and wait until the API server serves them."""
    names = []
    for text in render_crds().values():
        crd = yaml.safe_load(text)
        names.append(crd["metadata"]["name"])
        cluster.api.apply(f"{_DEFINITIONS}/{names[-1]}", crd)
    deadline = time.monotonic() + seconds
    while not all(_is_established(cluster, name) for name in names):
        if time.monotonic() > deadline:
            raise AssertionError(f"the CRDs are not served after {seconds:.0f} s")
        time.sleep(0.05)


def _is_established(cluster: Cluster, name: str) -> bool:
    body = cluster.api.get(f"{_DEFINITIONS}/{name}") or {}
    conditions = (body.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

"""The CRDs on a test's API server, from the models themselves."""

from __future__ import annotations

import http
import time
from typing import Any

import yaml

from tools.devcluster.cluster import Cluster
from videovector_operator.api.crd_files import render_crds

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def ensure_crds(cluster: Cluster, seconds: float = 60.0) -> None:
    """Apply all CRDs and wait until the API server serves them."""
    crds = [yaml.safe_load(text) for text in render_crds().values()]
    for crd in crds:
        cluster.api.apply(f"{_DEFINITIONS}/{crd['metadata']['name']}", crd)
    deadline = time.monotonic() + seconds
    while not all(_is_established(cluster, crd["metadata"]["name"]) and _is_listed(cluster, crd) for crd in crds):
        if time.monotonic() > deadline:
            raise AssertionError(f"the CRDs are not served after {seconds:.0f} s")
        time.sleep(0.05)


def _is_established(cluster: Cluster, name: str) -> bool:
    body = cluster.api.get(f"{_DEFINITIONS}/{name}") or {}
    conditions = (body.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _is_listed(cluster: Cluster, crd: Any) -> bool:
    """The first requests for a new kind are answered with 429 until the API server has filled its cache of it."""
    path = f"/apis/{crd['spec']['group']}/{crd['spec']['versions'][0]['name']}/{crd['spec']['names']['plural']}"
    return cluster.api.request("GET", f"{path}?limit=1")[0] == http.HTTPStatus.OK

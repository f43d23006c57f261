"""A run whose pods cannot even be created says why, and goes on when they can."""

from __future__ import annotations

import time

import pytest

from tests.support.imports import fill_folder, run_spec
from tests.support.local_kubelet import LocalKubelet
from tests.support.operator_process import OperatorProcess
from tests.support.world import StateRecorder, World, condition, is_ready

_QUOTAS = "resourcequotas"


@pytest.fixture
def catalogued(world: World, operator: OperatorProcess, s3) -> World:
    fill_folder(s3, f"{world.namespace}/")
    world.create("Index", "films", {})
    return world


def _says(words: str):
    def is_said(body: dict) -> bool:
        ready = condition(body, "Ready")
        return (ready.get("status"), ready.get("reason")) == ("Unknown", "WorkerNotStarting") and words in ready[
            "message"
        ]

    return is_said


def _wait_until_it_binds(world: World, quota: str) -> None:
    """Admission goes by the status, which the quota controller writes."""
    deadline = time.monotonic() + 60
    while not ((world.api.get(quota) or {}).get("status") or {}).get("hard"):
        assert time.monotonic() < deadline, "the quota controller does not work"
        time.sleep(0.1)


def test_a_quota_that_allows_no_pod_is_told_and_goes(catalogued: World, connector_spec, credentials) -> None:
    quotas = f"/api/v1/namespaces/{catalogued.namespace}/{_QUOTAS}"
    catalogued.api.create(
        quotas,
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "none-today"},
            "spec": {"hard": {"pods": "0"}},
        },
    )
    _wait_until_it_binds(catalogued, f"{quotas}/none-today")
    catalogued.create("Connector", "archive", connector_spec)
    with StateRecorder(catalogued) as recorder:
        catalogued.create("ImportJob", "first", run_spec(f"{catalogued.namespace}/"))
        body = catalogued.wait(
            "ImportJob", "first", _says("no worker is running: the namespace refuses its pods: pods")
        )
        message = condition(body, "Ready")["message"]
        assert "quota: none-today" in message
        assert "Ask who administers it to allow them" in message
        catalogued.api.delete(f"{quotas}/none-today")
        with LocalKubelet(catalogued):
            catalogued.wait("ImportJob", "first", is_ready, 150)
    assert recorder.violations() == []


def test_a_service_account_that_has_gone_is_named(catalogued: World, connector_spec) -> None:
    """The Connector was tested while it was there."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "importer"}}
    catalogued.api.create(catalogued.path("ServiceAccount"), account)
    spec = {name: value for name, value in connector_spec.items() if name != "credentialsSecretRef"}
    catalogued.create("Connector", "archive", {**spec, "serviceAccountName": "importer"})
    catalogued.wait("Connector", "archive", is_ready)
    catalogued.api.delete(catalogued.path("ServiceAccount", "importer"))

    catalogued.create("ImportJob", "first", run_spec(f"{catalogued.namespace}/"))
    catalogued.wait("ImportJob", "first", _says("ServiceAccount 'importer', which the pods need, is not there"))
    catalogued.api.create(catalogued.path("ServiceAccount"), account)
    catalogued.wait("ImportJob", "first", lambda b: condition(b, "Ready").get("reason") == "Pending", 60)

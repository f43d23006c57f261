"""What becomes of runs when what they use goes away: their Connector, its Secret, their Job; and when a Job is not theirs."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest

from tests.support.imports import fill_folder, run_spec
from tests.support.local_kubelet import LocalKubelet
from tests.support.operator_process import OperatorProcess
from tests.support.world import StateRecorder, World, condition, is_ready, is_stalled
from videovector_operator.core.names import import_job_name


@pytest.fixture
def prefix(s3, namespace: str) -> str:
    fill_folder(s3, f"{namespace}/")
    return f"{namespace}/"


@pytest.fixture
def catalogued(world: World, operator: OperatorProcess, connector_spec, credentials) -> World:
    world.create("Connector", "archive", {**connector_spec, "maxConcurrentRuns": 1})
    world.create("Index", "films", {})
    return world


@pytest.fixture
def begun(catalogued: World, prefix: str) -> World:
    """An import whose Job is there and whose pods have not started, and one behind it."""
    catalogued.create("ImportJob", "first", run_spec(prefix))
    catalogued.wait("ImportJob", "first", lambda b: bool((b.get("status") or {}).get("jobName")))
    catalogued.create("ImportJob", "second", run_spec(prefix))
    catalogued.wait("ImportJob", "second", lambda b: _reason(b) == "Queued")
    return catalogued


def _reason(body: dict) -> str:
    return str(condition(body, "Ready").get("reason"))


def _message(body: dict) -> str:
    return str(condition(body, "Ready").get("message"))


def _events(world: World, kind: str, reason: str) -> list[dict]:
    return [
        event
        for event in world.list("Event")
        if event["involvedObject"]["kind"] == kind and event["reason"] == reason and event["type"] == "Warning"
    ]


def _wait_for_event(world: World, kind: str, reason: str) -> dict:
    deadline = time.monotonic() + 60
    while not (found := _events(world, kind, reason)):
        assert time.monotonic() < deadline, f"no Event {reason}"
        time.sleep(0.1)
    return found[0]


def test_a_run_outlives_its_connector_and_the_queue_waits_for_another(begun: World, connector_spec) -> None:
    with StateRecorder(begun) as recorder:
        begun.api.delete(begun.path("Connector", "archive"))
        body = begun.wait("ImportJob", "first", lambda b: "Connector 'archive' is gone" in _message(b))
        assert (_reason(body), condition(body, "Ready")["status"]) == ("Pending", "Unknown")
        begun.wait("ImportJob", "second", lambda b: is_stalled(b) and _reason(b) == "ConnectorNotFound")
        event = _wait_for_event(begun, "ImportJob", "ConnectorDeleted")
        with LocalKubelet(begun):
            begun.wait("ImportJob", "first", is_ready, 60)
            begun.create("Connector", "archive", {**connector_spec, "maxConcurrentRuns": 1})
            begun.wait("ImportJob", "second", is_ready, 60)

    assert event["involvedObject"]["name"] == "first"
    assert _wait_for_event(begun, "ImportJob", "ConnectorDeleted")["count"] == 1
    assert recorder.violations() == []


def test_a_run_whose_job_goes_with_the_connector_ends(begun: World) -> None:
    job = (begun.get("ImportJob", "first") or {})["status"]["jobName"]
    begun.api.delete(begun.path("Connector", "archive"))
    begun.wait("ImportJob", "first", lambda b: "is gone" in _message(b))
    begun.api.request("DELETE", begun.path("Job", job) + "?propagationPolicy=Background")
    body = begun.wait("ImportJob", "first", is_stalled)

    assert (body["status"]["phase"], _reason(body)) == ("Failed", "ConnectorDeleted")
    assert "its worker Job must be made again" in _message(body)
    assert [j for j in begun.list("Job") if not j["metadata"].get("deletionTimestamp")] == []


def test_a_connector_that_somebody_holds_says_which_runs_use_it(begun: World) -> None:
    begun.patch("Connector", "archive", {"metadata": {"finalizers": ["example.com/hold"]}})
    begun.api.delete(begun.path("Connector", "archive"))
    body = begun.wait("Connector", "archive", lambda b: _reason(b) == "ConnectorDeleted")
    assert "1 run uses it still" in _message(body)
    assert "first" in _message(body)
    assert "first" in _wait_for_event(begun, "Connector", "ConnectorDeleted")["message"]
    begun.wait("ImportJob", "second", lambda b: is_stalled(b) and _reason(b) == "ConnectorNotFound")

    with LocalKubelet(begun):
        begun.wait("ImportJob", "first", is_ready, 60)
    begun.wait("Connector", "archive", lambda b: _message(b) == "being deleted; no run uses it any more")
    begun.patch("Connector", "archive", {"metadata": {"finalizers": []}})
    deadline = time.monotonic() + 60
    while begun.get("Connector", "archive") is not None:
        assert time.monotonic() < deadline, "the operator holds the Connector"
        time.sleep(0.1)


def test_pods_without_their_secret_are_explained_and_go_on_when_it_is_back(begun: World, gateway) -> None:
    begun.api.delete(begun.path("Secret", "creds"))
    body = begun.wait("ImportJob", "first", lambda b: _reason(b) == "WorkerNotStarting")
    assert "Secret 'creds', which the pods need, is not there; create it again" in _message(body)

    begun.create_secret("creds", accessKeyId=gateway.access_key, secretAccessKey=gateway.secret_key)
    begun.wait("ImportJob", "first", lambda b: _reason(b) == "Pending")
    with LocalKubelet(begun):
        begun.wait("ImportJob", "first", is_ready, 60)


@pytest.fixture
def bereft(begun: World) -> World:
    """Connector and Secret were deleted together, as `kubectl delete -f` or `helm uninstall` does."""
    for kind, name in (("Connector", "archive"), ("Secret", "creds")):
        begun.api.delete(begun.path(kind, name))
    body = begun.wait("ImportJob", "first", lambda b: "only if Secret 'creds' is there again by" in _message(b))
    assert (_reason(body), condition(body, "Ready")["status"]) == ("WorkerNotStarting", "False")
    assert condition(body, "Reconciling")["status"] == "True"
    return begun


def _let_pass(world: World, name: str, span: timedelta) -> None:
    """Make the conditions of an ImportJob older."""
    found = (world.get("ImportJob", name) or {})["status"]["conditions"]
    older = [{**c, "lastTransitionTime": _shift(c["lastTransitionTime"], span)} for c in found]
    path = world.path("ImportJob", name) + "/status"
    patch = {"status": {"conditions": older}}
    status, text = world.api.request("PATCH", path, patch, kind="application/merge-patch+json")
    assert status == 200, text


def _shift(moment: str, span: timedelta) -> str:
    return (datetime.fromisoformat(moment) - span).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_run_whose_connector_and_secret_are_gone_for_minutes_ends(bereft: World) -> None:
    with StateRecorder(bereft) as recorder:
        assert _wait_for_event(bereft, "ImportJob", "ConnectorDeleted")["involvedObject"]["name"] == "first"
        before = _message(bereft.get("ImportJob", "first") or {})
        _let_pass(bereft, "first", timedelta(minutes=4))
        body = bereft.wait("ImportJob", "first", lambda b: _message(b) != before)
        assert "only if Secret 'creds' is there again by" in _message(body)
        _let_pass(bereft, "first", timedelta(minutes=1))
        body = bereft.wait("ImportJob", "first", is_stalled)
        bereft.wait("Job", body["status"]["jobName"], lambda b: condition(b, "Failed").get("status") == "True")

    assert (body["status"]["phase"], _reason(body)) == ("Failed", "ConnectorDeleted")
    assert "Secret 'creds', which the pods need, has not been there for 5 minutes" in _message(body)
    assert recorder.violations() == []


def test_a_secret_that_comes_back_in_time_lets_the_run_go_on(bereft: World, gateway) -> None:
    _let_pass(bereft, "first", timedelta(minutes=4))
    bereft.create_secret("creds", accessKeyId=gateway.access_key, secretAccessKey=gateway.secret_key)
    body = bereft.wait("ImportJob", "first", lambda b: _reason(b) == "Pending")
    assert _message(body).endswith("is gone: the run goes on with the access it began with")
    with LocalKubelet(bereft):
        bereft.wait("ImportJob", "first", is_ready, 60)


def test_a_job_of_somebody_else_under_our_name_is_named_and_waited_for(catalogued: World, prefix: str) -> None:
    world = catalogued
    created = world.create("ImportJob", "late", run_spec(prefix), annotations={"videovector.io/paused": "true"})
    name = import_job_name(created["metadata"]["uid"], 1)
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "x"}]}}
    world.api.create(world.path("Job"), {"metadata": {"name": name}, "spec": {"suspend": True, "template": pod}})
    world.annotate("ImportJob", "late", "videovector.io/paused", None)
    body = world.wait("ImportJob", "late", lambda b: _reason(b) == "WorkerNotStarting")
    assert f"kubectl -n {world.namespace} delete job {name}" in _message(body)
    world.create("ImportJob", "later", run_spec(prefix))
    world.wait("ImportJob", "later", lambda b: bool((b.get("status") or {}).get("jobName")))

    world.api.request("DELETE", world.path("Job", name) + "?propagationPolicy=Background")
    with LocalKubelet(world):
        for job in ("later", "late"):
            world.wait("ImportJob", job, is_ready, 60)

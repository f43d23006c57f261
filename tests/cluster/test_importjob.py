"""ImportJobs against a real API server, Job controller, S3 server and catalog; pods run as local processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.imports import GOOD, assert_imported_once, fill_folder, run_spec
from tests.support.local_kubelet import LocalKubelet
from tests.support.operator_process import ROOT, OperatorProcess
from tests.support.world import StateRecorder, World, condition, is_ready, is_stalled
from videovector_operator.core.import_start import GRACE_SECONDS


@pytest.fixture
def kubelet(world: World) -> Iterator[LocalKubelet]:
    with LocalKubelet(world) as running:
        yield running


@pytest.fixture
def prefix(s3, namespace: str) -> str:
    fill_folder(s3, f"{namespace}/")
    return f"{namespace}/"


@pytest.fixture
def catalogued(world: World, operator: OperatorProcess, connector_spec, credentials) -> World:
    world.create("Connector", "archive", connector_spec)
    world.create("Index", "films", {"displayName": "Films"})
    return world


def test_an_import_brings_its_files_in_and_says_what_it_left_out(
    catalogued: World, kubelet: LocalKubelet, prefix: str, dsn: str
) -> None:
    world = catalogued
    with StateRecorder(world) as recorder:
        world.create("ImportJob", "first", run_spec(prefix))
        body = world.wait("ImportJob", "first", is_ready, 60)
        index = world.wait("Index", "films", lambda b: (b["status"].get("lastImport") or {}).get("name") == "first")

    assert_imported_once(world, dsn, body)
    assert condition(body, "Ready")["reason"] == "CompletedWithFailures"
    assert condition(body, "Succeeded")["status"] == "True"
    assert body["status"]["phase"] == "Completed"
    assert index["status"]["media"]["total"] == GOOD
    assert recorder.violations() == []
    _wait_for_events(world, "JobCreated", "CompletedWithFailures")
    world.cluster.run_kubectl(
        "-n", world.namespace, "wait", "--for=condition=Ready", "importjob/first", "--timeout=60s"
    )
    table = world.cluster.run_kubectl("-n", world.namespace, "get", "importjobs")
    assert [word for word in ("films", "Completed", "CompletedWithFailures") if word not in table] == []


def _wait_for_events(world: World, *reasons: str) -> None:
    """Events are written after the status that they tell of."""
    deadline = time.monotonic() + 60
    while missing := set(reasons) - _event_reasons(world):
        assert time.monotonic() < deadline, missing
        time.sleep(0.1)


def _event_reasons(world: World) -> set[str]:
    return {event["reason"] for event in world.list("Event") if event["involvedObject"]["kind"] == "ImportJob"}


def test_new_only_skips_what_the_index_holds(catalogued: World, kubelet: LocalKubelet, prefix: str) -> None:
    world = catalogued
    world.create("ImportJob", "first", run_spec(prefix, filePattern="*.wav"))
    world.wait("ImportJob", "first", is_ready, 60)
    world.create("ImportJob", "second", run_spec(prefix, filePattern="*.wav", importMode="new_only"))
    body = world.wait("ImportJob", "second", is_ready, 60)

    assert body["status"]["progress"]["imported"] == 0
    reasons = [f["reason"] for f in body["status"]["skippedFiles"]]
    assert reasons.count("AlreadyImported") == GOOD


def test_no_match_is_a_success_that_says_so(catalogued: World, kubelet: LocalKubelet, prefix: str) -> None:
    catalogued.create("ImportJob", "none", run_spec(prefix, filePattern="*.mov"))
    body = catalogued.wait("ImportJob", "none", is_ready, 60)

    assert condition(body, "Ready")["reason"] == "NoMatchingFiles"
    assert body["status"]["progress"]["totalFiles"] == 0


def test_more_failures_than_tolerated_stall_the_run(catalogued: World, kubelet: LocalKubelet, prefix: str) -> None:
    with StateRecorder(catalogued) as recorder:
        catalogued.create("ImportJob", "strict", run_spec(prefix, failureThreshold=0))
        body = catalogued.wait("ImportJob", "strict", is_stalled, 60)

    assert condition(body, "Stalled")["reason"] == "FailureThresholdExceeded"
    assert condition(body, "Succeeded")["status"] == "False"
    assert body["status"]["phase"] == "Failed"
    assert recorder.violations() == []
    seen = [s for s in recorder.states if s["kind"] == "ImportJob"]
    assert not any(condition(state, "Ready").get("status") == "True" for state in seen)


STALLED: dict[str, tuple[dict, str, str]] = {
    "an unknown Connector": ({"connectorRef": {"name": "nowhere"}}, "ConnectorNotFound", "'nowhere'"),
    "an unknown Index": ({"indexRef": {"name": "nowhere"}}, "IndexNotFound", "'nowhere'"),
    "a pattern that cannot be read": ({"filePattern": "{" * 300}, "InvalidPattern", "spec.filePattern"),
    "a Connector without the scope import": ({"connectorRef": {"name": "exporter"}}, "ScopeNotAllowed", "scopes"),
}


def test_what_cannot_start_is_stalled_with_the_fix_and_starts_once_it_can(
    catalogued: World, kubelet: LocalKubelet, prefix: str, connector_spec
) -> None:
    world = catalogued
    world.create("Connector", "exporter", {**connector_spec, "scopes": ["export"]})
    for number, (change, _, _) in enumerate(STALLED.values()):
        world.create("ImportJob", f"bad-{number}", {**run_spec(prefix), **change})
    for number, (_, reason, word) in enumerate(STALLED.values()):
        body = world.wait("ImportJob", f"bad-{number}", is_stalled)
        assert condition(body, "Stalled")["reason"] == reason
        assert word in condition(body, "Stalled")["message"]
    assert world.list("Job") == []

    world.create("Connector", "nowhere", connector_spec)
    world.wait("ImportJob", "bad-0", is_ready, 60)
    assert world.patch("Connector", "exporter", {"spec": {"scopes": ["import", "export"]}})[0] == 200
    world.wait("ImportJob", "bad-3", is_ready, 60)


def test_an_import_may_be_applied_before_what_it_names(
    world: World, operator: OperatorProcess, kubelet: LocalKubelet, connector_spec, credentials, prefix: str
) -> None:
    with StateRecorder(world) as recorder:
        for attempt in range(3):
            name, connector, index = f"early-{attempt}", f"archive-{attempt}", f"films-{attempt}"
            named = {"connectorRef": {"name": connector}, "indexRef": {"name": index}}
            began = time.monotonic()
            world.create("ImportJob", name, {**run_spec(prefix), **named})
            body = world.wait("ImportJob", name, lambda b: condition(b, "Ready").get("reason") == "ConnectorNotFound")
            world.create("Connector", connector, connector_spec)
            world.create("Index", index, {})
            # A machine that stood still in between has used up the grace: once more.
            if time.monotonic() - began < GRACE_SECONDS - 3:
                break
        assert condition(body, "Ready")["status"] == "Unknown"
        world.wait("ImportJob", name, is_ready, 60)

    assert recorder.violations() == []
    assert not any(is_stalled(state) for state in recorder.states if state["metadata"]["name"] == name)
    about = [event for event in world.list("Event") if event["involvedObject"]["name"] == name]
    assert [event["reason"] for event in about if event["type"] == "Warning"] == []


def test_a_run_waits_for_its_connector_and_goes_on_by_itself(
    world: World, operator: OperatorProcess, kubelet: LocalKubelet, connector_spec, prefix: str, gateway
) -> None:
    world.create("Connector", "archive", connector_spec)
    world.create("Index", "films", {})
    world.create("ImportJob", "early", run_spec(prefix))
    body = world.wait("ImportJob", "early", lambda b: condition(b, "Ready").get("reason") == "ConnectorNotReady")
    assert "SecretNotFound" in condition(body, "Ready")["message"] or "archive" in condition(body, "Ready")["message"]

    world.create_secret("creds", accessKeyId=gateway.access_key, secretAccessKey=gateway.secret_key)
    world.wait("ImportJob", "early", is_ready, 60)


def test_cancel_before_a_worker_starts_ends_the_run(catalogued: World, prefix: str) -> None:
    catalogued.create("ImportJob", "unwanted", run_spec(prefix))
    catalogued.wait("ImportJob", "unwanted", lambda b: bool((b.get("status") or {}).get("jobName")))
    assert catalogued.patch("ImportJob", "unwanted", {"spec": {"cancel": True}})[0] == 200
    body = catalogued.wait("ImportJob", "unwanted", is_stalled)

    assert condition(body, "Stalled")["reason"] == "Cancelled"
    assert body["status"]["phase"] == "Cancelled"
    # The Job, whose pods never started, does not wait for them for ever.
    name = body["status"]["jobName"]
    catalogued.wait("Job", name, lambda b: any(c["type"] == "Failed" for c in b["status"].get("conditions") or ()))


def test_a_paused_run_rests_and_goes_on(catalogued: World, kubelet: LocalKubelet, prefix: str, dsn: str) -> None:
    world = catalogued
    world.create("ImportJob", "later", run_spec(prefix), annotations={"videovector.io/paused": "true"})
    world.wait("ImportJob", "later", lambda b: (b.get("status") or {}).get("phase") == "Paused")
    assert world.list("Job") == []

    world.annotate("ImportJob", "later", "videovector.io/paused", None)
    assert_imported_once(world, dsn, world.wait("ImportJob", "later", is_ready, 60))


def test_a_deleted_job_is_made_again_and_a_finished_run_is_not(catalogued: World, prefix: str, dsn: str) -> None:
    world = catalogued
    world.create("ImportJob", "robbed", run_spec(prefix))
    name = world.wait("ImportJob", "robbed", lambda b: bool((b.get("status") or {}).get("jobName")))["status"][
        "jobName"
    ]
    first = (world.get("Job", name) or {})["metadata"]["uid"]
    world.api.request("DELETE", world.path("Job", name) + "?propagationPolicy=Background")
    deadline = time.monotonic() + 60
    while (world.get("Job", name) or {"metadata": {"uid": first}})["metadata"]["uid"] == first:
        assert time.monotonic() < deadline, "the Job was not made again"
        time.sleep(0.1)

    with LocalKubelet(world):
        assert_imported_once(world, dsn, world.wait("ImportJob", "robbed", is_ready, 60))
    world.api.request("DELETE", world.path("Job", name) + "?propagationPolicy=Background")
    world.annotate("ImportJob", "robbed", "videovector.io/requestedAt", "again")
    body = world.wait("ImportJob", "robbed", lambda b: b["status"].get("lastHandledRequest") == "again")
    assert is_ready(body)
    assert [job for job in world.list("Job") if not job["metadata"].get("deletionTimestamp")] == []


def test_deleting_an_open_import_ends_its_run_and_its_job(catalogued: World, prefix: str, dsn: str) -> None:
    catalogued.create("ImportJob", "gone", run_spec(prefix))
    catalogued.wait("ImportJob", "gone", lambda b: bool((b.get("status") or {}).get("jobName")))
    catalogued.api.delete(catalogued.path("ImportJob", "gone"))

    deadline = time.monotonic() + 100
    while True:
        with psycopg.connect(dsn) as connection:
            states = connection.execute("SELECT state, message FROM runs").fetchall()
        if states == [("cancelled", "its ImportJob was deleted; what was imported stays")] and not catalogued.list(
            "Job"
        ):
            return
        assert time.monotonic() < deadline, (states, catalogued.list("Job"))
        time.sleep(0.2)


def test_the_full_lists_are_a_command_away(catalogued: World, kubelet: LocalKubelet, prefix: str, dsn: str) -> None:
    catalogued.create("ImportJob", "first", run_spec(prefix))
    run = catalogued.wait("ImportJob", "first", is_ready, 60)["status"]["id"]

    listed = subprocess.run(
        [sys.executable, "-m", "videovector_operator", "files", run, "--state", "skipped"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator"), "VIDEOVECTOR_CATALOG_DSN": dsn},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = [json.loads(line) for line in listed.splitlines()]
    assert [line["reason"] for line in lines] == ["ZeroBytes", "UnsupportedType"]

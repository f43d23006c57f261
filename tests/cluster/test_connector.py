"""Connectors against a real API server and a real S3 server."""

from __future__ import annotations

import time

import pytest

from tests.support.operator_process import OperatorProcess, free_port
from tests.support.world import StateRecorder, World, condition, is_ready, is_stalled
from tools.testservers import VersityGateway
from tools.testservers.clients import s3_client


def test_a_good_connector_is_ready_with_permissions_and_a_sample(
    world: World, operator: OperatorProcess, connector_spec, credentials, s3
) -> None:
    s3.put_object(Bucket="media", Key="odd keys/a+b %20ü.mp4", Body=b"x")
    with StateRecorder(world) as recorder:
        world.create("Connector", "archive", connector_spec)
        body = world.wait("Connector", "archive", is_ready)

    status = body["status"]
    assert {p["action"]: p["result"] for p in status["permissions"]} == {"list": "allowed", "read": "allowed"}
    assert "odd keys/a+b %20ü.mp4" in [item["path"] for item in status["sample"]]
    assert status["lastTestResult"] == "passed"
    assert status["id"].startswith("conn_")
    assert recorder.violations() == []


def test_kopf_and_the_operator_write_nothing_but_status(
    world: World, operator: OperatorProcess, connector_spec, credentials
) -> None:
    created = world.create("Connector", "archive", connector_spec)
    body = world.wait("Connector", "archive", is_ready)

    for field in ("annotations", "finalizers", "labels"):
        assert field not in body["metadata"]
    assert body["spec"] == created["spec"]
    assert body["metadata"]["generation"] == 1


Case = tuple[dict[str, str], dict[str, str] | None, str, list[str]]
RIGHT = {"right": "keys"}
STALLED: dict[str, Case] = {
    "the Secret is missing": ({}, None, "SecretNotFound", ["'creds'", "create it"]),
    "a key is missing": ({}, {"accessKeyId": "x"}, "SecretKeyMissing", ["secretAccessKey"]),
    "the key is unknown": (
        {},
        {"accessKeyId": "nobody", "secretAccessKey": "very-secret-value"},
        "InvalidCredentials",
        ["InvalidAccessKeyId"],
    ),
    "the secret key is wrong": (
        {},
        {"accessKeyId": "root-access", "secretAccessKey": "very-secret-value"},
        "InvalidCredentials",
        ["SignatureDoesNotMatch"],
    ),
    "the bucket is missing": ({"bucket": "no-such-bucket"}, RIGHT, "BucketNotFound", ["no-such-bucket"]),
}


@pytest.mark.parametrize("case", STALLED)
def test_what_only_the_user_can_fix_is_stalled_with_the_fix(
    case: str, world: World, operator: OperatorProcess, connector_spec, gateway: VersityGateway
) -> None:
    block, secret, reason, words = STALLED[case]
    if secret is RIGHT:
        secret = {"accessKeyId": gateway.access_key, "secretAccessKey": gateway.secret_key}
    if secret is not None:
        world.create_secret("creds", **secret)
    connector_spec["s3"].update(block)

    with StateRecorder(world) as recorder:
        world.create("Connector", "bad", connector_spec)
        body = world.wait("Connector", "bad", is_stalled)

    stalled = condition(body, "Stalled")
    assert stalled["reason"] == reason
    for text in words:
        assert text in stalled["message"]
    assert "very-secret-value" not in str(body) + operator.log.read_text(encoding="utf-8")
    assert recorder.violations() == []


def test_a_corrected_secret_heals_the_connector_within_two_seconds(
    world: World, operator: OperatorProcess, connector_spec, gateway: VersityGateway
) -> None:
    world.create_secret("creds", accessKeyId=gateway.access_key, secretAccessKey="wrong")
    world.create("Connector", "archive", connector_spec)
    world.wait("Connector", "archive", is_stalled)

    began = time.monotonic()
    assert world.patch("Secret", "creds", {"stringData": {"secretAccessKey": gateway.secret_key}})[0] == 200
    world.wait("Connector", "archive", is_ready)
    took = time.monotonic() - began

    # The promise is two seconds; a busy machine gets some more before the test calls it broken.
    assert took < 6


def test_an_unreachable_endpoint_is_retried_until_it_answers(
    world: World, operator: OperatorProcess, connector_spec, credentials, gateway: VersityGateway
) -> None:
    port = free_port()
    connector_spec["s3"]["endpoint"] = f"http://127.0.0.1:{port}"
    world.create("Connector", "late", connector_spec)
    body = world.wait(
        "Connector", "late", lambda b: condition(b, "Reconciling").get("reason") == "ProgressingWithRetry"
    )

    assert condition(body, "Ready")["reason"] == "StorageUnavailable"
    assert condition(body, "Stalled") == {}
    with VersityGateway("cluster-tests-late-s3", port) as late:
        s3_client(late).create_bucket(Bucket="media")
        world.wait("Connector", "late", is_ready, seconds=60)


def test_a_token_tests_again_and_is_echoed(
    world: World, operator: OperatorProcess, connector_spec, credentials
) -> None:
    world.create("Connector", "archive", connector_spec)
    first = world.wait("Connector", "archive", is_ready)["status"]["lastTestedAt"]
    time.sleep(1.1)  # lastTestedAt has whole seconds

    world.annotate("Connector", "archive", "videovector.io/requestedAt", "now-1")
    body = world.wait("Connector", "archive", lambda b: b["status"].get("lastHandledRequest") == "now-1")

    assert body["status"]["lastTestedAt"] > first


def test_a_paused_connector_is_not_tested(world: World, operator: OperatorProcess, connector_spec, credentials) -> None:
    world.create("Connector", "idle", connector_spec, annotations={"videovector.io/paused": "true"})
    body = world.wait("Connector", "idle", lambda b: condition(b, "Ready") != {})
    assert condition(body, "Ready")["reason"] == "Paused"
    assert "lastTestedAt" not in body["status"]

    world.annotate("Connector", "idle", "videovector.io/paused", None)
    world.wait("Connector", "idle", is_ready)

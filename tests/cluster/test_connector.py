"""Connectors against a real API server and a real S3 server."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.support.operator_process import OperatorProcess
from tests.support.promptness import Promptness
from tests.support.world import StateRecorder, World, condition, is_ready, is_stalled
from tools.testservers import VersityGateway
from tools.testservers.clients import s3_client
from tools.testservers.faultproxy import FaultProxy, refusing_s3


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
    # The promise is two seconds; a busy machine gets some more before the test calls it broken.
    prompt = Promptness(6.0)
    world.create_secret("creds", accessKeyId=gateway.access_key, secretAccessKey="wrong")
    world.create("Connector", "archive", connector_spec)
    for _ in range(3):
        world.wait("Connector", "archive", is_stalled)
        assert world.patch("Secret", "creds", {"stringData": {"secretAccessKey": gateway.secret_key}})[0] == 200
        prompt.wait(world, "Connector", "archive", is_ready)
        assert world.patch("Secret", "creds", {"stringData": {"secretAccessKey": "wrong"}})[0] == 200


def test_an_unreachable_endpoint_is_retried_until_it_answers(
    world: World, operator: OperatorProcess, connector_spec, credentials, gateway: VersityGateway
) -> None:
    with VersityGateway(f"cluster-tests-late-s3-{os.getpid()}") as late:
        s3_client(late).create_bucket(Bucket="media")
        late.stop()
        connector_spec["s3"]["endpoint"] = late.endpoint
        world.create("Connector", "late", connector_spec)
        body = world.wait(
            "Connector", "late", lambda b: condition(b, "Reconciling").get("reason") == "ProgressingWithRetry"
        )
        assert condition(body, "Ready")["reason"] == "StorageUnavailable"
        assert condition(body, "Stalled") == {}
        late.start()
        world.wait("Connector", "late", is_ready, seconds=120)


def test_an_export_connector_is_tested_by_an_object_that_is_removed_again(
    world: World, operator: OperatorProcess, connector_spec, credentials, s3
) -> None:
    s3.put_object(Bucket=connector_spec["s3"]["bucket"], Key=f"{world.namespace}/a.mp4", Body=b"something to read")
    spec = {**connector_spec, "scopes": ["import", "export"], "exportBasePath": f"exports/{world.namespace}/"}
    world.create("Connector", "both", spec)
    status = world.wait("Connector", "both", is_ready)["status"]

    assert [(p["action"], p["result"]) for p in status["permissions"]] == [
        (action, "allowed") for action in ("list", "read", "write", "delete")
    ]
    assert status["exportBasePath"] == f"exports/{world.namespace}"
    assert "Contents" not in s3.list_objects_v2(
        Bucket=connector_spec["s3"]["bucket"], Prefix=f"exports/{world.namespace}"
    )


def test_an_export_that_may_not_be_written_is_stalled_and_heals(
    world: World, operator: OperatorProcess, connector_spec, gateway: VersityGateway, s3
) -> None:
    user, bucket = f"reader-{world.namespace}", f"b-{world.namespace}"
    s3.create_bucket(Bucket=bucket)
    gateway.create_user(user, "readers-secret")
    allow(s3, bucket, user, "s3:ListBucket", "s3:GetObject")
    world.create_secret("creds", accessKeyId=user, secretAccessKey="readers-secret")
    connector_spec["s3"]["bucket"] = bucket
    world.create("Connector", "export", {**connector_spec, "scopes": ["export"], "exportBasePath": "exports"})
    body = world.wait("Connector", "export", is_stalled)
    assert condition(body, "Ready")["reason"] == "AccessDenied"
    assert "write is denied" in condition(body, "Ready")["message"]
    assert {p["action"]: p["result"] for p in body["status"]["permissions"]}["write"] == "denied"

    allow(s3, bucket, user, "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject")
    world.annotate("Connector", "export", "videovector.io/requestedAt", "allowed-now")
    assert world.wait("Connector", "export", is_ready)["status"]["lastHandledRequest"] == "allowed-now"


def allow(s3, bucket: str, user: str, *actions: str) -> None:
    """Let a user do this, and nothing else."""
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    rules = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": [user]},
            "Action": action,
            "Resource": resources[action != "s3:ListBucket"],
        }
        for action in actions
    ]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": rules}))


LOOKS_HARMLESS = {
    "full-width dots": "exports/\uff0e\uff0e/etc",
    "dots and a space": "exports/.. /etc",
    "encoded digits of an encoded dot": "exports/%25%32%65%25%32%65/etc",
    "a writing direction": "exports/\u202egro.elpmaxe",
    "a name of 256 bytes": "ü" * 128,
}


def test_base_paths_that_only_the_operator_sees_through_are_stalled(
    world: World, operator: OperatorProcess, connector_spec, credentials
) -> None:
    for number, path in enumerate(LOOKS_HARMLESS.values()):
        world.create("Connector", f"sly-{number}", {**connector_spec, "scopes": ["export"], "exportBasePath": path})
    for number, case in enumerate(LOOKS_HARMLESS):
        stalled = condition(world.wait("Connector", f"sly-{number}", is_stalled), "Stalled")
        assert stalled["reason"] == "InvalidSpec", case
        assert stalled["message"].startswith("spec.exportBasePath has the segment"), case


def test_a_flapping_endpoint_does_not_flap_ready(
    world: World, operator: OperatorProcess, connector_spec, credentials, gateway: VersityGateway
) -> None:
    with FaultProxy(gateway.endpoint) as proxy, StateRecorder(world) as recorder:
        connector_spec["s3"]["endpoint"] = proxy.endpoint
        world.create("Connector", "flappy", {**connector_spec, "validationInterval": "10s"})
        world.wait("Connector", "flappy", is_ready)

        proxy.inject(refusing_s3(503, "ServiceUnavailable"), times=None)
        body = world.wait("Connector", "flappy", lambda b: b["status"].get("consecutiveFailures", 0) in (1, 2))
        assert is_ready(body)
        assert (body["status"]["lastTestResult"], condition(body, "Reconciling")) == ("failed", {})
        assert "ServiceUnavailable" in body["status"]["lastTestError"]
        proxy.clear()
        body = world.wait("Connector", "flappy", lambda b: b["status"]["lastTestResult"] == "passed")
        assert body["status"]["consecutiveFailures"] == 0
        truths = {condition(state, "Ready").get("status") for state in recorder.states}
        assert "False" not in truths

        proxy.inject(refusing_s3(503, "ServiceUnavailable"), times=None)
        body = world.wait("Connector", "flappy", lambda b: condition(b, "Ready")["status"] == "False", seconds=90)
        assert condition(body, "Ready")["reason"] == "StorageUnavailable"
        proxy.clear()
        world.wait("Connector", "flappy", is_ready, seconds=90)
    unready = [state["status"] for state in recorder.states if condition(state, "Ready").get("status") == "False"]
    assert min(status["consecutiveFailures"] for status in unready) == 3

    warnings = [
        event
        for event in world.list("Event")
        if event["involvedObject"]["name"] == "flappy" and event["type"] == "Warning"
    ]
    assert {event["reason"] for event in warnings} == {"StorageUnavailable"}
    assert recorder.violations() == []


def test_a_service_account_is_looked_for_and_its_access_is_not_guessed(
    world: World, operator: OperatorProcess, connector_spec
) -> None:
    del connector_spec["credentialsSecretRef"]
    spec = {**connector_spec, "serviceAccountName": "importer", "validationInterval": "10s"}
    world.create("Connector", "by-identity", spec)
    body = world.wait("Connector", "by-identity", is_stalled)
    assert condition(body, "Stalled")["reason"] == "ServiceAccountNotFound"

    world.api.create(world.path("ServiceAccount"), {"metadata": {"name": "importer"}})
    body = world.wait("Connector", "by-identity", is_ready)
    assert condition(body, "Ready")["reason"] == "ConnectionNotTested"
    assert {p["result"] for p in body["status"]["permissions"]} == {"unknown"}


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

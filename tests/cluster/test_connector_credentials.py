"""Wrong Secrets of every provider, on a real API server and real storage servers: told within seconds, and so is their repair."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.conftest import StartOperator
from tests.support.clouds import CA_BUNDLE, Cloud
from tests.support.leak_search import Needles, search_texts
from tests.support.operator_process import OperatorProcess
from tests.support.promptness import Promptness
from tests.support.running_clouds import RunningClouds, running_clouds
from tests.support.world import Json, StateRecorder, World, condition, is_ready, is_stalled
from tools.testservers import VersityGateway

CLOUDS = ("s3", "gcs", "azure-account-key", "azure-sas", "azure-client-secret")
BUCKET = "credentials-tests"
PROMPT = Promptness(5.0)
"""From a write of the Secret to what the Connector says of it."""


@pytest.fixture(scope="module")
def clouds(gateway: VersityGateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClouds]:
    folder: Path = tmp_path_factory.mktemp("clouds")
    (folder / "a.mp4").write_bytes(b"some bytes")
    with running_clouds(gateway) as servers:
        for cloud in servers.by_name.values():
            cloud.upload(BUCKET, folder, ["a.mp4"])
        yield servers


@pytest.fixture
def operator(start_operator: StartOperator, clouds: RunningClouds) -> OperatorProcess:
    """One that asks the stand-in for Entra ID."""
    return start_operator(**clouds.entra_environment(str(clouds.entra.authority.certificate))).wait_ready()


def replace_secret(world: World, name: str, data: Mapping[str, str]) -> None:
    """Let the Secret hold this and nothing else."""
    body = world.get("Secret", name)
    assert body is not None
    gone = dict.fromkeys(set(body.get("data") or {}) - set(data))
    assert world.patch("Secret", name, {"data": gone, "stringData": dict(data)})[0] == 200


def is_stalled_by(reason: str, body: Json) -> bool:
    """Whether it is Stalled for this reason."""
    return condition(body, "Stalled").get("reason") == reason


def trust(world: World, cloud: Cloud) -> None:
    """Bring the CA bundle that the cloud's server needs."""
    if cloud.ca_bundle is not None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CA_BUNDLE}}
        world.api.create(world.path("ConfigMap"), {**body, "data": {"ca.crt": cloud.ca_bundle}})


@pytest.mark.parametrize("name", CLOUDS)
def test_every_wrong_secret_is_told_and_cured_within_seconds(
    name: str, world: World, operator: OperatorProcess, clouds: RunningClouds
) -> None:
    cloud = clouds.by_name[name]
    right, wrongs = cloud.secret(), cloud.wrong_secrets()
    trust(world, cloud)
    world.create_secret("creds", **right)
    with StateRecorder(world) as recorder:
        world.create("Connector", name, {**cloud.place(BUCKET), "credentialsSecretRef": {"name": "creds"}})
        world.wait("Connector", name, is_ready)
        for wrong in wrongs:
            replace_secret(world, "creds", wrong.data)
            stalled = condition(PROMPT.wait(world, "Connector", name, is_stalled), "Stalled")
            assert stalled["reason"] == wrong.reason, wrong.case
            replace_secret(world, "creds", right)
            PROMPT.wait(world, "Connector", name, is_ready)
    assert recorder.violations() == []
    needles = Needles()
    for values in (right, *(wrong.data for wrong in wrongs)):
        for key, value in values.items():
            needles.add(key, value)
    states = json.dumps(recorder.states)
    places = {
        "a state": states,
        "an Event": json.dumps(world.list("Event")),
        "the log": operator.log.read_text("utf-8"),
    }
    assert search_texts(needles, places.items()) == []
    # The search that finds nothing there finds the Secret itself.
    assert search_texts(needles, [("the Secret", json.dumps(world.get("Secret", "creds")))])


def test_a_missing_or_broken_ca_bundle_is_told_and_cured(
    world: World, operator: OperatorProcess, clouds: RunningClouds
) -> None:
    cloud = clouds.by_name["azure-account-key"]
    assert cloud.ca_bundle is not None
    world.create_secret("creds", **cloud.secret())
    place = {**cloud.place(BUCKET), "caBundleRef": {"kind": "Secret", "name": "authority", "key": "root.pem"}}
    world.create("Connector", "trusting", {**place, "credentialsSecretRef": {"name": "creds"}})
    for data, reason in (
        (None, "CABundleNotFound"),
        ({"other": "x"}, "CABundleNotFound"),
        ({"root.pem": "trust me"}, "CABundleInvalid"),
        ({"root.pem": cloud.ca_bundle[:400]}, "CABundleInvalid"),
    ):
        if data is not None and world.get("Secret", "authority") is None:
            world.create_secret("authority", **data)
        elif data is not None:
            replace_secret(world, "authority", data)
        PROMPT.wait(world, "Connector", "trusting", partial(is_stalled_by, reason))
    replace_secret(world, "authority", {"root.pem": cloud.ca_bundle})
    body = PROMPT.wait(world, "Connector", "trusting", is_ready)
    assert body["status"]["observedCaBundle"]


def test_a_server_that_nobody_vouches_for_is_not_trusted(
    world: World, operator: OperatorProcess, clouds: RunningClouds
) -> None:
    cloud = clouds.by_name["azure-account-key"]
    world.create_secret("creds", **cloud.secret())
    place = {field: value for field, value in cloud.place(BUCKET).items() if field != "caBundleRef"}
    world.create("Connector", "doubtful", {**place, "credentialsSecretRef": {"name": "creds"}})
    stalled = condition(world.wait("Connector", "doubtful", is_stalled), "Stalled")
    assert stalled["reason"] == "InvalidEndpoint"
    assert "certificate is not trusted" in stalled["message"]
    assert "caBundleRef" in stalled["message"]

"""The operator's own API with a real API server behind it: who real users are, and what they may see."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.cluster_users import People, User
from tests.support.operator_process import OperatorProcess
from tests.support.world import World, is_ready, is_stalled
from tools.devcluster.fixtures import DevCluster
from tools.testservers import VersityGateway

Json = dict[str, Any]
Answer = tuple[int, Json]


@pytest.fixture
def people(api_cluster: DevCluster, namespace: str, tmp_path: Path) -> People:
    return People(api_cluster, namespace, tmp_path)


@pytest.fixture
def archive(world: World, operator: OperatorProcess, connector_spec, credentials, s3) -> World:
    for name in ("a.mp4", "b.MOV", "deep/c.mp4"):
        s3.put_object(Bucket="media", Key=f"{world.namespace}/{name}", Body=b"12345")
    world.create("Connector", "archive", connector_spec)
    world.wait("Connector", "archive", is_ready)
    return world


def ask(operator: OperatorProcess, user: User | None, path: str, **query: str) -> Answer:
    """Ask as somebody, by whatever they have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    headers = {}
    if user is not None and user.identity is not None:
        context.load_cert_chain(user.identity.certificate, user.identity.key)
    if user is not None and user.token is not None:
        headers["Authorization"] = f"Bearer {user.token}"
    connection = http.client.HTTPSConnection("127.0.0.1", operator.api_port, timeout=40, context=context)
    try:
        connection.request("GET", f"/apis/v1alpha1/namespaces/{path}?{urlencode(query)}", headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def browse(namespace: str, name: str = "archive") -> str:
    return f"{namespace}/connectors/{name}/browse"


def test_whoever_may_view_may_browse_by_token_and_by_certificate(
    archive: World, operator: OperatorProcess, people: People
) -> None:
    here = archive.namespace
    users = (
        people.by_token("reader", "view"),
        people.by_certificate("rita", (), "view"),
        people.by_certificate("carl", (f"crew-{here}", "others"), "view"),
    )
    for user in users:
        status, body = ask(operator, user, browse(here), prefix=f"{here}/", pattern="*.{mp4,MOV}")
        assert status == 200, (user.name, body)
        assert [item["path"] for item in body["items"]] == [
            f"{here}/{name}" for name in ("a.mp4", "b.MOV", "deep/c.mp4")
        ]
        assert body["items"][0]["size_bytes"] == 5
    status, body = ask(operator, users[0], browse(here), prefix=f"{here}/", recursive="false")
    assert body["prefixes"] == [f"{here}/deep/"]


def test_others_may_not(archive: World, operator: OperatorProcess, people: People) -> None:
    here = archive.namespace
    strangers = {
        "without rights": people.by_token("nobody"),
        "with a certificate, without rights": people.by_certificate("norbert", ("system:authenticated",)),
    }
    for what, user in strangers.items():
        status, body = ask(operator, user, browse(here))
        assert (status, body["error"]["code"]) == (403, "Forbidden"), what
        assert "connectors/browse" in body["error"]["message"]
        assert user.name in body["error"]["message"]
        # Whether a Connector is there is none of their business either.
        assert ask(operator, user, browse(here, "unknown"))[0] == 403


def test_a_right_ends_at_its_namespace(archive: World, operator: OperatorProcess, people: People) -> None:
    reader = people.by_token("reader", "view")
    assert ask(operator, reader, browse(archive.namespace))[0] == 200
    assert ask(operator, reader, browse("default"))[0] == 403
    admin = people.by_certificate("adam", ("system:masters",))
    status, body = ask(operator, admin, browse("default"))
    assert (status, body["error"]["message"]) == (404, 'this operator does not watch namespace "default"')


def test_who_is_not_known_is_sent_away(archive: World, operator: OperatorProcess, people: People) -> None:
    here = archive.namespace
    expired = people.authority.issue("rita", days=-1)
    assert ask(operator, None, browse(here))[0] == 401
    assert ask(operator, User("x", Path(), token="no-such-token"), browse(here))[0] == 401
    foreign = people.make_token("foreigner", "--audience=somewhere-else")
    assert ask(operator, User("x", Path(), token=foreign), browse(here))[0] == 401
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        ask(operator, User("rita", Path(), identity=expired), browse(here))


def test_a_token_that_is_taken_back_is_worth_nothing(archive: World, operator: OperatorProcess, people: People) -> None:
    reader = people.by_token("reader", "view")
    assert ask(operator, reader, browse(archive.namespace))[0] == 200
    archive.cluster.run_kubectl("-n", archive.namespace, "delete", "serviceaccount", "reader")
    deadline = time.monotonic() + 60
    while ask(operator, reader, browse(archive.namespace))[0] != 401:
        assert time.monotonic() < deadline, "the API server still vouches for a deleted account"
        time.sleep(0.2)


def test_a_connector_that_does_not_work_is_explained(
    archive: World, operator: OperatorProcess, people: People, connector_spec, gateway: VersityGateway
) -> None:
    reader = people.by_token("reader", "view")
    world = archive
    world.create_secret("wrong", accessKeyId=gateway.access_key, secretAccessKey="very-secret-value")
    cases: dict[str, tuple[Json, str]] = {
        "no-secret": ({"credentialsSecretRef": {"name": "not-there"}}, "SecretNotFound"),
        "wrong-keys": ({"credentialsSecretRef": {"name": "wrong"}}, "InvalidCredentials"),
        "no-bucket": ({"s3": {**connector_spec["s3"], "bucket": "no-such-bucket"}}, "BucketNotFound"),
    }
    for name, (changes, code) in cases.items():
        world.create("Connector", name, {**connector_spec, **changes})
        world.wait("Connector", name, is_stalled)
        status, body = ask(operator, reader, browse(world.namespace, name))
        assert (status, body["error"]["code"]) == (422, code), body
        assert "very-secret-value" not in str(body)
    status, body = ask(operator, reader, browse(world.namespace, "unknown"))
    assert (status, body["error"]["code"]) == (404, "NotFound")


def test_standby_and_leader_answer_alike_and_keep_secrets(
    archive: World, operator: OperatorProcess, people: People, start_operator, gateway: VersityGateway
) -> None:
    standby = start_operator().wait_ready()
    assert standby.metric("videovector_leader") == 0
    reader = people.by_token("reader", "view")
    for process in (operator, standby):
        status, body = ask(process, reader, browse(archive.namespace), prefix=f"{archive.namespace}/")
        assert (status, len(body["items"])) == (200, 3)
        assert process.metric('videovector_operator_api_requests_total{code="200"') == 1
        log = process.log.read_text(encoding="utf-8", errors="replace")
        assert "api request" in log
        for secret in (gateway.secret_key, reader.token):
            assert secret is not None
            assert secret not in log


def test_without_a_port_there_is_no_api(start_operator, world: World) -> None:
    process = start_operator(VIDEOVECTOR_API_PORT="0").wait_ready()
    with pytest.raises(ConnectionRefusedError):
        ask(process, None, browse(world.namespace))


def test_a_port_that_is_taken_ends_the_process_with_its_reason(start_operator, operator: OperatorProcess) -> None:
    second = start_operator(VIDEOVECTOR_API_PORT=str(operator.api_port))
    deadline = time.monotonic() + 60
    while second.returncode is None:
        assert time.monotonic() < deadline, "it runs without its API"
        time.sleep(0.1)
    assert second.returncode == 1
    assert "the operator's own API" in second.tail(60)
    assert "Address already in use" in second.tail(60)

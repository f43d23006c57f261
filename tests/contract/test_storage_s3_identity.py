"""AWS's identity services, STS and the agent of EKS Pod Identity, when they refuse, fail, or are not there at all."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.identity_process import run
from tools.testservers.ports import free_port

pytestmark = pytest.mark.contract

SOURCE = {"bucket": "media", "region": "us-east-1", "endpoint": "http://127.0.0.1:1"}
"""Nobody listens there: whoever has credentials cannot connect, and says so."""
NO_ANSWER = "Unavailable The environment's identity service does not answer. It is tried again"
GRANTED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>ASIAGRANTED</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/media/x</Arn>
<AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


@contextmanager
def identity_service(status: int, text: str) -> Iterator[int]:
    """A server on loopback that always answers this; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(environment: Mapping[str, str]) -> str:
    """What a test of the source says in this environment."""
    return run("s3", SOURCE, dict(environment), allow_loopback=True)


def refusal(code: str) -> str:
    return f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>said by STS</Message></Error></ErrorResponse>"


def web_identity(port: int, folder: Path) -> Mapping[str, str]:
    """What EKS gives a pod whose service account is annotated with a role; STS is at ``port``."""
    token = folder / "token"
    token.write_text("eyJhbGciOiJub25lIn0.eyJzdWIiOiJzeXN0ZW0ifQ.")
    return {
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/media",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def pod_identity(port: int) -> Mapping[str, str]:
    """What EKS gives a pod with a Pod Identity association; the node's agent is at ``port``."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{port}/v1/credentials",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


REFUSED = {
    "AccessDenied": (403, "does not let this service account in"),
    "InvalidIdentityToken": (400, "OIDC provider"),
    "ExpiredTokenException": (400, "clocks"),
    "ValidationError": (400, "eks.amazonaws.com/role-arn"),
    "SomethingNew": (400, "look the code up"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_role_that_is_refused_is_told_with_the_code_and_what_to_do(code: str, tmp_path: Path) -> None:
    status, remedy = REFUSED[code]
    with identity_service(status, refusal(code)) as port:
        said = ask(web_identity(port, tmp_path))
    assert said.startswith("InvalidCredentials AWS refuses the pods' own identity")
    assert remedy in said
    assert said.endswith(f"({code})")
    assert "eyJ" not in said
    assert "said by STS" not in said


@pytest.mark.parametrize(
    ("status", "code"), [(503, "ServiceUnavailable"), (400, "IDPCommunicationError"), (400, "Throttling"), (500, "")]
)
def test_sts_that_fails_is_not_the_credentials_fault(status: int, code: str, tmp_path: Path) -> None:
    with identity_service(status, refusal(code)) as port:
        assert ask(web_identity(port, tmp_path)) == NO_ANSWER


def test_sts_that_cannot_be_reached_is_not_the_credentials_fault(tmp_path: Path) -> None:
    assert ask(web_identity(free_port(), tmp_path)) == NO_ANSWER


def test_a_role_that_is_granted_is_used(tmp_path: Path) -> None:
    with identity_service(200, GRANTED) as port:
        said = ask(web_identity(port, tmp_path))
    assert said.startswith("Unavailable Cannot list objects in bucket 'media'"), said


@pytest.mark.parametrize(("status", "known"), [(400, False), (404, False), (429, True), (500, True), (503, True)])
def test_the_pod_identity_agent(status: int, known: bool) -> None:
    with identity_service(status, json.dumps({"message": "said by the agent"})) as port:
        said = ask(pod_identity(port))
    if known:
        assert said == NO_ANSWER
    else:
        assert said.startswith(
            f"InvalidCredentials The node's identity agent refuses the pods' service account (HTTP {status})"
        )
        assert "association" in said


def test_a_pod_identity_agent_that_is_not_there_yet() -> None:
    assert ask(pod_identity(free_port())) == NO_ANSWER

"""Ambient identities are found where the environment of the process says, and nowhere else: no value of a user's leads their
libraries (botocore, google-auth, azure-identity) anywhere, and what they find is not shown to just any server.

Each case runs in a process of its own, whose environment names one identity service; what users may write names another server.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.contract.identity_process import run

pytestmark = pytest.mark.contract

KEY_ID = "ASIAFROMTHEENVIRONMENT"
ANSWERS = {
    "/aws": {"AccessKeyId": KEY_ID, "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"},
    "/token": {"access_token": "the-token", "expires_in": 3599, "token_type": "Bearer"},
    "/azure": {"access_token": "the-token", "expires_on": "4070908800", "resource": "x", "token_type": "Bearer"},
}


@contextmanager
def recorder() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A server that answers as identity services do; gives its address, and the paths and Authorizations that came."""
    seen: list[tuple[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization", "")))
            answer = next((answer for name, answer in ANSWERS.items() if name in self.path), {"email": "pod@p.iam"})
            text = json.dumps(answer).encode()
            self.send_response(200)
            for name, value in (("Metadata-Flavor", "Google"), ("Content-Type", "application/json")):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def aws_environment(identity: str) -> dict[str, str]:
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{identity}/aws", "AWS_EC2_METADATA_DISABLED": "true"}


def google_environment(identity: str) -> dict[str, str]:
    named = dict.fromkeys(("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"), identity)
    return {**named, "GOOGLE_CLOUD_PROJECT": "p", "CLOUDSDK_CONFIG": "/nonexistent"}


def azure_environment(identity: str) -> dict[str, str]:
    return {"IDENTITY_ENDPOINT": f"http://{identity}/azure", "IDENTITY_HEADER": "x"}


def test_botocore_asks_the_environments_service_and_signs_for_the_users_server() -> None:
    with recorder() as (identity, asked), recorder() as (theirs, seen):
        fields = {"bucket": "media", "region": "us-east-1", "endpoint": f"http://{theirs}"}
        said = run("s3", fields, aws_environment(identity), allow_loopback=True)
    assert said.startswith("Invalid"), said
    assert {path for path, _ in asked} == {"/aws"}
    assert {path.split("?")[0] for path, _ in seen} == {"/media"}
    assert all(f"Credential={KEY_ID}/" in authorization for _, authorization in seen)


HOSTILE = {
    "s3, region": ("s3", {"bucket": "media", "region": "us-east-1@{}/"}),
    "s3, region that ends the host": ("s3", {"bucket": "media", "region": "x.{}/?"}),
    "s3, bucket": ("s3", {"bucket": "{}/", "region": "us-east-1"}),
    "s3, bucket with a user": ("s3", {"bucket": "a@{}", "region": "us-east-1"}),
    "s3, endpoint": ("s3", {"bucket": "media", "region": "us-east-1", "endpoint": "http://{}"}),
    "gcs, bucket": ("gcs", {"bucket": "@{}/", "project_id": "p"}),
    "gcs, project": ("gcs", {"bucket": "media", "project_id": "{}"}),
    "gcs, endpoint": ("gcs", {"bucket": "media", "project_id": "p", "endpoint": "http://{}"}),
    "gcs, a name that leads there": ("gcs", {"bucket": "media", "project_id": "p", "endpoint": "https://x.{}"}),
    "azure, account": ("azure", {"storage_account": "x@{}/", "container": "media"}),
    "azure, container": ("azure", {"storage_account": "acct", "container": "@{}"}),
    "azure, tenant": ("azure", {"storage_account": "acct", "container": "media", "tenant_id": "@{}/x"}),
    "azure, client": ("azure", {"storage_account": "acct", "container": "media", "client_id": "http://{}/"}),
    "azure, endpoint": ("azure", {"storage_account": "acct", "container": "media", "endpoint": "http://{}"}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_users_write_leads_no_identity_elsewhere(case: str) -> None:
    kind, fields = HOSTILE[case]
    with recorder() as (identity, asked), recorder() as (theirs, seen):
        environment = {**aws_environment(identity), **google_environment(identity), **azure_environment(identity)}
        written = {name: value.format(theirs) for name, value in fields.items()}
        said = run(kind, written, environment)
    assert said.split()[0] in ("Invalid", "InvalidCredentials", "Unavailable", "NotFound"), said
    assert "the-token" not in said
    assert seen == []
    own = {"s3": "/aws", "gcs": "/computeMetadata/", "azure": "/azure"}[kind]
    # google-auth also asks for "/" alone, to see whether a metadata server is there.
    assert all(path.startswith(own) or (kind, path) == ("gcs", "/") for path, _ in asked)


@pytest.mark.parametrize("kind", ["gcs", "azure"])
def test_a_token_is_not_shown_to_a_users_server(kind: str) -> None:
    """Who has a token may use it anywhere; a signature of S3's is worth nothing elsewhere."""
    fields = {
        "gcs": {"bucket": "media", "project_id": "p", "endpoint": "https://storage.example.com"},
        "azure": {"storage_account": "acct", "container": "media", "endpoint": "https://storage.example.com"},
    }[kind]
    with recorder() as (identity, _):
        said = run(kind, fields, {**google_environment(identity), **azure_environment(identity)})
    assert said.startswith("Invalid"), said
    assert "shown to it" in said

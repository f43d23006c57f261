"""The server that stands for Azure Blob Storage, its known gaps, and the stand-in for Entra ID beside it.

A gap is asserted, so that one which has been repaired is noticed.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, WorkloadIdentityCredential
from azure.storage.blob import BlobServiceClient, generate_container_sas

from tests.contract.raw_http import Reply, send
from tools.testservers import AzuriteServer
from tools.testservers.clients import azure_client
from tools.testservers.entra import Application

pytestmark = pytest.mark.contract

_NUMBERS = itertools.count(1)
SCOPE = "https://storage.azure.com/.default"
BLOB = {"x-ms-blob-type": "BlockBlob", "Content-Type": "video/mp4"}
WRONG_MD5 = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()


@dataclass(frozen=True)
class Container:
    """Plain requests to a fresh container, each with a SAS that may do everything."""

    server: AzuriteServer
    name: str

    def sas(self, permissions: str = "racwdl", lasts: timedelta = timedelta(hours=1)) -> str:
        until = datetime.now(UTC) + lasts
        return generate_container_sas(
            self.server.account,
            self.name,
            account_key=self.server.account_key,
            permission=permissions,
            start=until - timedelta(days=1),
            expiry=until,
        )

    def send(
        self,
        method: str,
        key: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        sas: str | None = None,
        **query: str,
    ) -> Reply:
        signed = self.sas() if sas is None else sas
        target = f"/{self.name}/{quote(key, safe='/')}".rstrip("/") + f"?{urlencode(query)}&{signed}"
        fields = {"x-ms-version": "2021-12-02", **(headers or {})}
        return send(self.server.endpoint, method, target, body, fields)

    def put(self, key: str, body: bytes = b"hello", headers: dict[str, str] | None = None) -> Reply:
        return self.send("PUT", key, body, {**BLOB, **(headers or {})})

    def list_page(self, sas: str | None = None, **query: str) -> Reply:
        return self.send("GET", "", None, None, sas, restype="container", comp="list", **query)

    def names(self, **query: str) -> list[str]:
        return re.findall(r"<Name>(.*?)</Name>", self.list_page(**query).body.decode())

    def url(self, key: str) -> str:
        return f"{self.server.endpoint}/{self.name}/{quote(key)}"


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.headers.get("x-ms-error-code", "")


@pytest.fixture(scope="module")
def azurite() -> Iterator[AzuriteServer]:
    with AzuriteServer(f"contract-azurite-{os.getpid()}") as running:
        yield running


@pytest.fixture
def container(azurite: AzuriteServer) -> Container:
    name = f"container-{next(_NUMBERS)}"
    azure_client(azurite).create_container(name)
    return Container(azurite, name)


def test_gap_nothing_is_written_from_a_url(container: Container) -> None:
    container.put("a")
    source = {"x-ms-copy-source": f"{container.url('a')}?{container.sas('r')}"}
    assert code(container.send("PUT", "b", b"", source, comp="block", blockid="AAAA")) == (501, "APINotImplemented")
    assert container.send("PUT", "b", b"", {**BLOB, **source}).status == 500
    foreign = {"x-ms-copy-source": "http://127.0.0.1:1/account/container/a"}
    assert code(container.send("PUT", "b", b"", foreign)) == (404, "CannotVerifyCopySource")


def test_gap_a_listing_begins_at_its_beginning(container: Container) -> None:
    for key in ("a", "b", "c"):
        container.put(key)
    assert container.names(startFrom="b") == ["a", "b", "c"]


def test_gap_a_range_behind_the_end_is_an_empty_part(container: Container) -> None:
    container.put("a", b"01234")
    reply = container.send("GET", "a", headers={"Range": "bytes=5-9"})
    assert (reply.status, reply.body, reply.headers["content-range"]) == (206, b"", "bytes 5-4/5")


def test_gap_checksums_are_refused_in_words_of_its_own(container: Container) -> None:
    assert code(container.put("a", headers={"Content-MD5": WRONG_MD5})) == (400, "InvalidOperation")
    crc64 = base64.b64encode(bytes(8)).decode()
    assert code(container.put("a", headers={"x-ms-content-crc64": crc64})) == (500, "FeatureNotSupported")
    assert container.names() == []


def test_gap_a_key_that_xml_cannot_hold_breaks_the_listing(container: Container) -> None:
    assert container.put("bell\x07").status == 201
    assert container.list_page().status == 500
    assert container.send("DELETE", "bell\x07").status == 202
    container.put("tab\tand\x7f")
    assert container.list_page().status == 200


def test_gap_refused_signatures_have_another_name(container: Container) -> None:
    wrong = f"{container.sas().partition('&sig=')[0]}&sig={'A' * 43}%3D"
    for sas in ("", wrong, container.sas(lasts=-timedelta(hours=1))):
        assert code(container.list_page(sas)) == (403, "AuthorizationFailure"), "AuthenticationFailed at Azure"


def test_permissions_of_a_sas_are_checked(container: Container) -> None:
    container.put("a")
    for permissions, allowed in (("r", "GET"), ("l", "LIST"), ("cw", "PUT"), ("d", "DELETE")):
        sas = container.sas(permissions)
        replies = {
            "GET": container.send("GET", "a", sas=sas),
            "LIST": container.list_page(sas),
            "PUT": container.send("PUT", "b", b"x", BLOB, sas=sas),
            "DELETE": container.send("DELETE", "a", sas=sas),
        }
        refused = {name for name, reply in replies.items() if code(reply) == (403, "AuthorizationPermissionMismatch")}
        assert refused == replies.keys() - {allowed}
        container.put("a")


def test_conditions(container: Container) -> None:
    tag = container.put("a", b"first").headers["etag"]
    assert code(container.put("a", b"second", {"If-None-Match": "*"})) == (409, "BlobAlreadyExists")
    assert code(container.send("GET", "a", headers={"If-Match": '"0x1"'})) == (412, "ConditionNotMet")
    assert container.send("GET", "a", headers={"If-Match": tag}).body == b"first"
    copy = {"x-ms-copy-source": container.url("a")}
    assert code(container.send("PUT", "b", b"", {**copy, "x-ms-source-if-match": '"0x1"'})) == (412, "ConditionNotMet")
    done = container.send("PUT", "b", b"", {**copy, "x-ms-source-if-match": tag, "If-None-Match": "*"})
    assert (done.status, done.headers["x-ms-copy-status"]) == (202, "success")
    assert code(container.send("PUT", "b", b"", {**copy, "If-None-Match": "*"})) == (409, "BlobAlreadyExists")


def test_pages_count_prefixes(container: Container) -> None:
    for key in ("a", "p/1", "p/2", "q/1", "z"):
        container.put(key)
    first = container.list_page(delimiter="/", maxresults="2").body.decode()
    marker = re.findall("<NextMarker>(.*?)</NextMarker>", first)[0]
    assert sorted(container.names(delimiter="/", maxresults="2")) == ["a", "p/"]
    assert sorted(container.names(delimiter="/", marker=marker)) == ["q/", "z"]


def test_a_restarted_server_has_its_data_and_a_rotated_key_is_refused(container: Container) -> None:
    container.put("a")
    old = container.sas()
    container.server.restart()
    assert container.list_page(old).status == 200
    container.server.rotate_key()
    assert container.list_page(old).status == 403
    assert container.names() == ["a"]


@pytest.fixture(scope="module")
def cloud() -> Iterator[AzuriteServer]:
    with AzuriteServer(f"contract-azurite-tls-{os.getpid()}", tls=True) as running:
        azure_client(running).create_container("media")
        yield running


@pytest.fixture
def application(cloud: AzuriteServer) -> Application:
    registered = Application(str(uuid.uuid4()), str(uuid.uuid4()), "a~client~secret")
    cloud.entra.register(registered)
    return registered


def credential_of(cloud: AzuriteServer, who: Application) -> ClientSecretCredential:
    return ClientSecretCredential(
        who.tenant_id,
        who.client_id,
        who.client_secret,
        authority=cloud.entra.endpoint,
        disable_instance_discovery=True,
        connection_verify=str(cloud.entra.authority.certificate),
        retry_total=0,
    )


def bearer(cloud: AzuriteServer, token: str) -> Reply:
    headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2021-12-02"}
    target = "/media?restype=container&comp=list"
    return send(cloud.endpoint, "GET", target, None, headers, trust=cloud.authority.certificate)


def test_microsofts_own_clients_get_in_with_a_client_secret(cloud: AzuriteServer, application: Application) -> None:
    credential = credential_of(cloud, application)
    verify: Any = str(cloud.authority.certificate)
    client = BlobServiceClient(cloud.endpoint, credential=credential, connection_verify=verify).get_container_client(
        "media"
    )
    client.upload_blob("a", b"data", overwrite=True)
    assert [blob.name for blob in client.list_blobs()] == ["a"]
    assert bearer(cloud, credential.get_token(SCOPE).token).status == 200


REFUSALS: dict[str, tuple[Callable[[Application], Application], str]] = {
    "wrong secret": (lambda who: replace(who, client_secret="other"), "AADSTS7000215"),
    "unknown application": (lambda who: replace(who, client_id=str(uuid.UUID(int=1))), "AADSTS700016"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_applications_are_refused_in_entras_words(cloud: AzuriteServer, application: Application, case: str) -> None:
    change, number = REFUSALS[case]
    with pytest.raises(ClientAuthenticationError, match=number):
        credential_of(cloud, change(application)).get_token(SCOPE)


def ask(cloud: AzuriteServer, who: Application, **changes: str) -> Reply:
    form = {
        "grant_type": "client_credentials",
        "client_id": who.client_id,
        "client_secret": who.client_secret,
        "scope": SCOPE,
        **changes,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    target = f"/{who.tenant_id}/oauth2/v2.0/token"
    body = urlencode(form).encode()
    return send(cloud.entra.endpoint, "POST", target, body, headers, trust=cloud.entra.authority.certificate)


def test_every_refusal_has_its_status_word_and_number(cloud: AzuriteServer, application: Application) -> None:
    other_tenant = replace(application, tenant_id=str(uuid.UUID(int=2)))
    expectations = [
        (ask(cloud, other_tenant), 400, "invalid_tenant", 90002),
        (ask(cloud, application, client_id="unknown"), 400, "unauthorized_client", 700016),
        (ask(cloud, application, client_secret="wrong"), 401, "invalid_client", 7000215),
        (ask(cloud, application, scope="https://example.com/.default"), 400, "invalid_scope", 70011),
        (ask(cloud, application, grant_type="password"), 400, "unsupported_grant_type", 70003),
    ]
    cloud.entra.register(application, expired_secrets=[application.client_secret])
    expectations.append((ask(cloud, application), 401, "invalid_client", 7000222))
    for reply, status, word, number in expectations:
        assert (reply.status, reply.json["error"], reply.json["error_codes"]) == (status, word, [number])
        assert reply.json["error_description"].startswith(f"AADSTS{number}: ")
    metadata = f"/{other_tenant.tenant_id}/v2.0/.well-known/openid-configuration"
    trust = cloud.entra.authority.certificate
    assert send(cloud.entra.endpoint, "GET", metadata, trust=trust).json["error_codes"] == [90002]


def test_tokens_run_out_and_applications_can_be_deleted(cloud: AzuriteServer, application: Application) -> None:
    cloud.entra.register(application, token_seconds=-5)
    short = ask(cloud, application).json["access_token"]
    assert bearer(cloud, short).status == 403
    cloud.entra.unregister(application.tenant_id, application.client_id)
    assert ask(cloud, application).json["error_codes"] == [700016]


def test_a_pods_own_identity_is_enough_where_it_is_federated(
    cloud: AzuriteServer, application: Application, tmp_path: Path
) -> None:
    subject = "system:serviceaccount:media:importer"
    file = tmp_path / "token"
    file.write_text(jwt.encode({"sub": subject, "exp": time.time() + 600}, "k" * 32))
    credential = WorkloadIdentityCredential(
        tenant_id=application.tenant_id,
        client_id=application.client_id,
        token_file_path=str(file),
        authority=cloud.entra.endpoint,
        disable_instance_discovery=True,
        connection_verify=str(cloud.entra.authority.certificate),
        retry_total=0,
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS700213"):
        credential.get_token(SCOPE)
    cloud.entra.federate(application.tenant_id, application.client_id, subject)
    assert bearer(cloud, credential.get_token(SCOPE).token).status == 200


def test_gap_tokens_are_believed(cloud: AzuriteServer) -> None:
    """Neither the signature nor what the application may do is checked: refusals of tokens need the fault proxy."""
    now = int(time.time())
    claims = {"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/any/", "iat": now, "nbf": now - 5}
    assert bearer(cloud, jwt.encode({**claims, "exp": now + 600}, "f" * 32)).status == 200
    for wrong in ({"exp": now - 5}, {"exp": now + 600, "aud": "x"}, {"exp": now + 600, "iss": "https://example.com/"}):
        assert bearer(cloud, jwt.encode({**claims, **wrong}, "f" * 32)).status == 403
    assert bearer(cloud, "nonsense").status == 403


def test_secrets_are_not_printed(cloud: AzuriteServer, application: Application) -> None:
    assert application.client_secret not in repr(application)
    assert cloud.account_key not in repr(cloud)

"""Azure, as an application of Entra ID or as the environment's own identity: over HTTPS, by tokens."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from tests.contract.storage_azure import AzureContainer, AzureServer, opened_as, opened_with, running_azurite, tokens_of
from tests.contract.storage_servers import fetch_url
from tests.contract.storage_suite import MIB, block, blocks, objects_of, stream
from tests.support.azure_identity import ask_environment
from tests.support.local_storage import LOCAL
from tests.support.stub_server import StubServer, answer
from tools.testservers.entra import Application
from tools.testservers.faultproxy import FaultProxy, refusing_azure
from videovector_operator.core.sources import AzureClientSecret
from videovector_operator.errors import (
    AccessDenied,
    Invalid,
    InvalidCredentials,
    Unavailable,
)
from videovector_operator.storage.azure import AzureStorage
from videovector_operator.storage.port import Action, Storage, Verdict

pytestmark = pytest.mark.contract

ALLOWED, DENIED, UNKNOWN = Verdict.ALLOWED, Verdict.DENIED, Verdict.UNKNOWN
MISMATCH = "AuthorizationPermissionMismatch"


@pytest.fixture
def place(azurite: AzureServer) -> AzureContainer:
    fresh = azurite.new_bucket()
    fresh.put("a.mp4", b"0123456789")
    return fresh


@pytest.fixture(scope="module")
def cloud() -> Iterator[AzureServer]:
    with running_azurite(tls=True) as server:
        yield server


@pytest.fixture
def office(cloud: AzureServer) -> AzureContainer:
    fresh = cloud.new_bucket()
    fresh.put("a.mp4", b"0123456789")
    return fresh


@pytest.fixture
def application(cloud: AzureServer) -> Application:
    registered = Application(str(uuid.uuid4()), str(uuid.uuid4()), "a~client~secret")
    cloud.azurite.entra.register(registered)
    return registered


async def test_an_application_may_do_all_that_its_roles_allow(office: AzureContainer, application: Application) -> None:
    async with opened_as(office, application) as storage:
        report = await storage.test_access(write_prefix="exports/")
        assert [each.verdict for each in report.permissions] == [ALLOWED] * 4
        await storage.write("big", blocks(17 * MIB), if_absent=True)
        await storage.copy("a.mp4", "b.mp4")
        assert [entry.key for entry in await objects_of(storage)] == ["a.mp4", "b.mp4", "big"]
        assert await storage.read_range("big", MIB, MIB) == block(1)


async def test_urls_are_made_with_a_lent_key(office: AzureContainer, application: Application) -> None:
    trust = ssl.create_default_context(cafile=str(office.server.azurite.authority.certificate))
    async with opened_as(office, application) as storage:
        for key in ("a.mp4", "ä b+%41.mp4"):
            office.put(key, b"for everybody")
            url = await storage.presign(key, expires=timedelta(days=6))
            assert "skoid=" in url
            assert "spr=https&" in url
            assert fetch_url(url, trust) == b"for everybody"
        with pytest.raises(PermissionError):
            fetch_url(url.replace("sp=r", "sp=rw"), trust)


@pytest.fixture(scope="module")
def proxy(cloud: AzureServer) -> Iterator[FaultProxy]:
    """Azurite believes every token: what a token may not do, only the proxy can say."""
    authority = cloud.azurite.authority
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.issue("proxy"))
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    with FaultProxy(cloud.endpoint, tls=tls, trust=trust) as running:
        yield running


ROLES: dict[Action, tuple[str, str, tuple[Verdict, ...]]] = {
    Action.LIST: ("GET", "comp=list", (DENIED, UNKNOWN, ALLOWED, ALLOWED)),
    Action.READ: ("GET|HEAD", r"/[^/?]+/a\.mp4", (ALLOWED, DENIED, ALLOWED, ALLOWED)),
    Action.WRITE: ("PUT", "", (ALLOWED, ALLOWED, DENIED, UNKNOWN)),
    Action.DELETE: ("DELETE", "", (ALLOWED, ALLOWED, ALLOWED, DENIED)),
}


@pytest.mark.parametrize("action", ROLES)
async def test_what_a_role_does_not_allow_is_told_apart(
    office: AzureContainer, application: Application, proxy: FaultProxy, action: Action
) -> None:
    methods, target, expected = ROLES[action]
    proxy.clear()
    proxy.inject(refusing_azure(403, MISMATCH), methods=methods, target=target, times=None)
    async with opened_with(office, tokens_of(office, application), endpoint=proxy.endpoint) as storage:
        report = await storage.test_access(write_prefix="exports/")
        assert tuple(each.verdict for each in report.permissions) == expected
        [denied] = [each for each in report.permissions if each.verdict is DENIED]
        assert (denied.action, denied.code) == (action, MISMATCH)
        for words in ("assign the role Storage Blob Data", office.name, proxy.endpoint):
            assert words in denied.message
        for call in calls_that_need(action, storage):
            proxy.forget()
            with pytest.raises(AccessDenied) as refused:
                await call
            assert refused.value.code == MISMATCH
            assert len(proxy.requests()) == 1, "a fresh token would be refused like the old one"
            assert "eyJ" not in refused.value.message
    left = [key for key in office.keys() if key != "a.mp4"]  # noqa: SIM118 - a method
    assert bool(left) is (action is Action.DELETE)


def calls_that_need(action: Action, storage: Storage) -> list[Awaitable[object]]:
    match action:
        case Action.LIST:
            return [objects_of(storage)]
        case Action.READ:
            return [storage.stat("a.mp4"), storage.read_range("a.mp4", 0, 1), storage.copy("a.mp4", "b.mp4")]
        case Action.WRITE:
            return [storage.write("b.mp4", stream(b"x")), storage.write("b.mp4", stream(b"x"), if_absent=True)]
        case Action.DELETE:
            return [storage.delete("a.mp4")]


APPLICATIONS: dict[str, tuple[Callable[[Application], Application], str, str]] = {
    "a wrong secret": (lambda who: replace(who, client_secret="other~secret"), "AADSTS7000215", "clientSecret"),
    "an unknown application": (lambda who: replace(who, client_id=str(uuid.uuid4())), "AADSTS700016", "clientId"),
    "an unknown tenant": (lambda who: replace(who, tenant_id=str(uuid.uuid4())), "AADSTS90002", "tenantId"),
}


@pytest.mark.parametrize("case", APPLICATIONS)
async def test_applications_that_are_refused(office: AzureContainer, application: Application, case: str) -> None:
    change, code, words = APPLICATIONS[case]
    wrong = change(application)
    async with opened_as(office, wrong) as storage:
        for call in (
            storage.test_access(),
            storage.stat("a.mp4"),
            storage.presign("a.mp4", expires=timedelta(hours=1)),
        ):
            with pytest.raises(InvalidCredentials, match=words) as refused:
                await call
            assert refused.value.code == code
            for secret in (wrong.client_secret, "Bearer", "eyJ", "Trace ID"):
                assert secret not in refused.value.message


async def test_an_expired_secret_and_its_repair(office: AzureContainer, application: Application) -> None:
    entra = office.server.azurite.entra
    entra.register(application, expired_secrets=[application.client_secret])
    async with opened_as(office, application) as storage:
        with pytest.raises(InvalidCredentials, match="expired") as refused:
            await storage.test_access()
        assert refused.value.code == "AADSTS7000222"
        entra.register(application)
        assert (await storage.test_access()).permissions[0].verdict is ALLOWED


async def test_a_token_that_ends_in_the_middle_is_renewed(office: AzureContainer, application: Application) -> None:
    # Whole seconds, rounded down: it must last until it is used.
    office.server.azurite.entra.register(application, token_seconds=6)
    tokens = tokens_of(office, application)
    async with opened_with(office, tokens) as storage:
        assert await storage.read_range("a.mp4", 0, 1) == b"0"
        end = jwt.decode(tokens(), options={"verify_signature": False})["exp"]
        while time.time() <= end:
            await asyncio.sleep(0.1)
        office.server.azurite.entra.register(application)  # the next ones last
        reads = (storage.read_range("a.mp4", start, 1) for start in range(10))
        assert b"".join(await asyncio.gather(*reads)) == b"0123456789"


async def test_an_authority_that_does_not_answer_is_asked_again(
    office: AzureContainer, application: Application
) -> None:
    async with opened_as(office, application, authority="https://127.0.0.1:1") as storage:
        with pytest.raises(Unavailable, match="Entra ID did not answer"):
            await storage.test_access()


async def test_tokens_are_never_shown_over_plain_http(place: AzureContainer) -> None:
    for credentials in (AzureClientSecret("secret"), None):
        storage = AzureStorage(place.source(tenant_id="t", client_id="c", credentials=credentials), LOCAL)
        with pytest.raises(Invalid, match="not https"):
            await storage.test_access()
        await storage.close()


async def test_the_environments_identity(office: AzureContainer, tmp_path: Path) -> None:
    entra = office.server.azurite.entra
    tenant, client = str(uuid.uuid4()), str(uuid.uuid4())
    entra.federate(tenant, client, "system:serviceaccount:media:importer")
    token = tmp_path / "token"
    given = {
        "AZURE_AUTHORITY_HOST": entra.endpoint,
        "REQUESTS_CA_BUNDLE": str(entra.authority.certificate),
        "AZURE_FEDERATED_TOKEN_FILE": str(token),
        "AZURE_TENANT_ID": tenant,
        "AZURE_CLIENT_ID": client,
    }

    def ask(subject: str, **more: str) -> str:
        token.write_text(jwt.encode({"sub": f"system:serviceaccount:{subject}"}, "k" * 32))
        return ask_environment(**{**given, **more})

    def ask_all() -> None:
        assert ask("media:importer").startswith("token eyJ")
        assert ask("media:importer", AZURE_CLIENT_ID="other", CLIENT=client).startswith("token eyJ")
        assert ask("media:importer", AZURE_TENANT_ID="other", TENANT=tenant).startswith("token eyJ")
        assert ask("media:other").startswith(
            "InvalidCredentials AADSTS700213 Entra ID refuses the environment's identity"
        )
        assert ask("media:importer", CLIENT="other").startswith("InvalidCredentials AADSTS700016")
        assert ask("media:importer", AZURE_AUTHORITY_HOST="https://127.0.0.1:1").startswith("Unavailable")

    await asyncio.to_thread(ask_all)


async def test_no_identity_at_all_names_both_ways_out() -> None:
    said = await asyncio.to_thread(ask_environment)
    assert said.startswith("InvalidCredentials - No credentials")
    assert "credentialsSecretRef" in said
    assert "serviceAccountName" in said


async def test_a_managed_identity_is_chosen_by_its_client_id() -> None:
    body = json.dumps({"access_token": "the-token", "expires_in": "3600", "resource": "r", "token_type": "Bearer"})
    async with StubServer([answer(200, body.encode(), {"Content-Type": "application/json"})]) as stub:
        where = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": stub.endpoint}
        assert await asyncio.to_thread(ask_environment, **where, CLIENT="my-identity") == "token the-token"
    asked = [seen.target for seen in stub.seen if "client_id=my-identity" in seen.target]
    assert asked
    assert all("storage.azure.com" in target for target in asked)

"""Azure: who may do what with a key, a shared access signature or a token, and what is said of those that are wrong."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from azure.storage.blob import StandardBlobTier

from tests.contract.storage_azure import AzureContainer, AzureServer, opened_as, opened_with, running_azurite, tokens_of
from tests.contract.storage_servers import fetch_url
from tests.contract.storage_suite import MIB, block, blocks, objects_of, stream
from tests.support.azure_identity import ask_environment
from tests.support.local_storage import LOCAL
from tests.support.stub_server import StubServer, answer
from tools.testservers.entra import Application
from videovector_operator.core.sources import AzureAccountKey, AzureClientSecret, AzureCredentials, AzureSasToken
from videovector_operator.errors import (
    AccessDenied,
    Changed,
    Invalid,
    InvalidCredentials,
    NotFound,
    Unavailable,
)
from videovector_operator.storage.azure import AzureStorage
from videovector_operator.storage.port import Action, Permission, Verdict

pytestmark = pytest.mark.contract

ALLOWED, DENIED, UNKNOWN = Verdict.ALLOWED, Verdict.DENIED, Verdict.UNKNOWN
MISMATCH = "AuthorizationPermissionMismatch"


@pytest.fixture
def place(azurite: AzureServer) -> AzureContainer:
    fresh = azurite.new_bucket()
    fresh.put("a.mp4", b"0123456789")
    return fresh


@asynccontextmanager
async def opened(
    place: AzureContainer, credentials: AzureCredentials | None = None, **changes: object
) -> AsyncIterator[AzureStorage]:
    if credentials is not None:
        changes["credentials"] = credentials
    storage = AzureStorage(place.source(**changes), LOCAL)
    yield storage
    await storage.close()


async def probe(place: AzureContainer, credentials: AzureCredentials) -> dict[Action, Permission]:
    async with opened(place, credentials) as storage:
        report = await storage.test_access(write_prefix="exports/")
    return {each.action: each for each in report.permissions}


RIGHTS = {
    "rl": (ALLOWED, ALLOWED, DENIED, UNKNOWN),
    "l": (ALLOWED, DENIED, DENIED, UNKNOWN),
    "r": (DENIED, UNKNOWN, DENIED, UNKNOWN),
    "cw": (DENIED, UNKNOWN, ALLOWED, DENIED),
    "rcwd": (DENIED, UNKNOWN, ALLOWED, ALLOWED),
    "rcwdl": (ALLOWED, ALLOWED, ALLOWED, ALLOWED),
    "d": (DENIED, UNKNOWN, DENIED, UNKNOWN),
}


@pytest.mark.parametrize("permissions", RIGHTS)
async def test_each_permission_of_a_sas_is_told_apart(place: AzureContainer, permissions: str) -> None:
    token = place.container_sas(permissions)
    found = await probe(place, token)
    assert tuple(found[action].verdict for action in Action) == RIGHTS[permissions]
    for permission in found.values():
        assert permission.code == (MISMATCH if permission.verdict is DENIED else "")
        assert bool(permission.message) is (permission.verdict is not ALLOWED)
        assert "sig=" not in permission.message
        if permission.verdict is DENIED:
            assert place.name in permission.message
            assert place.server.endpoint in permission.message
            assert "Storage Blob Data" in permission.message
            assert "permission" in permission.message
    left = [key for key in place.keys() if key != "a.mp4"]  # noqa: SIM118 - a method
    assert bool(left) is (found[Action.WRITE].verdict is ALLOWED and found[Action.DELETE].verdict is DENIED)


async def test_every_call_needs_its_own_permission(place: AzureContainer) -> None:
    async with opened(place, place.container_sas("l")) as storage:
        for call in (
            storage.stat("a.mp4"),
            storage.read_range("a.mp4", 0, 1),
            storage.copy("a.mp4", "b.mp4"),
            storage.write("b", stream(b"x")),
            storage.write("b", blocks(17 * MIB)),
            storage.delete("a.mp4"),
        ):
            with pytest.raises(AccessDenied) as refused:
                await call
            assert refused.value.code == MISMATCH
    async with opened(place, place.container_sas("r")) as storage:
        assert await storage.read_range("a.mp4", 2, 3) == b"234"
        with pytest.raises(AccessDenied):
            await objects_of(storage)
        with pytest.raises(NotFound):
            await storage.stat("gone")
    assert place.keys() == ["a.mp4"]


async def test_a_sas_for_other_things(place: AzureContainer) -> None:
    async with opened(place, place.account_sas("rl", "c")) as storage:
        assert [entry.key for entry in await objects_of(storage)] == ["a.mp4"]
        with pytest.raises(AccessDenied, match="shared access signature") as refused:
            await storage.read_range("a.mp4", 0, 1)
        assert refused.value.code == "AuthorizationResourceTypeMismatch"
    # A gap of Azurite's, asserted: it does not look at where requests come from.
    async with opened(place, place.container_sas("rl", ip="10.1.2.3")) as storage:
        assert await storage.read_range("a.mp4", 0, 1) == b"0"


async def test_a_sas_of_the_account_copies_between_containers(place: AzureContainer) -> None:
    other = place.beside()
    async with opened(other, place.account_sas("rwdlac", "co")) as storage:
        await storage.copy("a.mp4", "b.mp4", from_bucket=place.name)
    assert other.get("b.mp4")[0] == b"0123456789"


def wrong_key(_: AzureContainer) -> AzureCredentials:
    return AzureAccountKey(base64.b64encode(b"another key" * 6).decode())


def damaged_sas(place: AzureContainer) -> AzureCredentials:
    token = place.container_sas("racwdl").sas_token
    begin = token.index("sig=") + 4
    return AzureSasToken(f"{token[:begin]}{token[begin : begin + 4][::-1]}{token[begin + 4 :]}")


def expired_sas(place: AzureContainer) -> AzureCredentials:
    return place.container_sas("racwdl", lasts=-timedelta(hours=1))


def another_containers_sas(place: AzureContainer) -> AzureCredentials:
    return place.beside().container_sas("racwdl")


WRONG: dict[str, tuple[Callable[[AzureContainer], AzureCredentials], str]] = {
    "a wrong key": (wrong_key, "Secret"),
    "a damaged SAS": (damaged_sas, "Secret"),
    "an expired SAS": (expired_sas, "ended at"),
    "another container's SAS": (another_containers_sas, "Secret"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_wrong_credentials_are_named_and_never_repeated(place: AzureContainer, case: str) -> None:
    make, words = WRONG[case]
    credentials = make(place)
    secret = credentials.account_key if isinstance(credentials, AzureAccountKey) else credentials.sas_token  # type: ignore[union-attr]
    async with opened(place, credentials) as storage:
        calls = (
            storage.test_access(),
            storage.stat("a.mp4"),
            storage.read_range("a.mp4", 0, 1),
            storage.write("b", stream(b"x")),
            storage.copy("a.mp4", "b"),
            storage.delete("a.mp4"),
        )
        for call in calls:
            with pytest.raises(InvalidCredentials, match=words) as refused:
                await call
            for part in (secret, "sig=", "SharedKey", secret.partition("sig=")[2] or secret):
                assert part not in refused.value.message
    assert place.keys() == ["a.mp4"]


async def test_what_is_missing_is_told_apart(place: AzureContainer) -> None:
    async with opened(place, container="no-such-container") as storage:
        calls = (
            storage.test_access(),
            storage.stat("a.mp4"),
            storage.read_range("a.mp4", 0, 1),
            storage.write("a", stream(b"x")),
            storage.write("a", blocks(17 * MIB)),
            storage.delete("a.mp4"),
        )
        for call in calls:
            with pytest.raises(NotFound, match=r"'no-such-container'.*the container does not exist") as missing:
                await call
            assert missing.value.code == "ContainerNotFound"
    endpoint = place.server.endpoint.replace(place.server.azurite.account, "otheraccount")
    async with opened(place, storage_account="otheraccount", endpoint=endpoint) as storage:
        with pytest.raises(NotFound, match="storage account does not exist"):
            await storage.test_access()


async def test_a_change_of_metadata_is_no_new_version_and_harms_no_pinned_read(place: AzureContainer) -> None:
    async with opened(place) as storage:
        before = await storage.stat("a.mp4")
        place.touch("a.mp4")
        after = await storage.stat("a.mp4")
        [listed] = await objects_of(storage)
        assert before.fingerprint == after.fingerprint == listed.fingerprint
        assert before.fingerprint.startswith("md5-")
        assert await storage.read_range("a.mp4", 2, 3, fingerprint=before.fingerprint) == b"234"
        assert (await storage.copy("a.mp4", "b.mp4", fingerprint=before.fingerprint)).fingerprint == before.fingerprint
        place.put("a.mp4", b"9876543210")
        for call in (
            storage.read_range("a.mp4", 2, 3, fingerprint=before.fingerprint),
            storage.copy("a.mp4", "c.mp4", fingerprint=before.fingerprint),
        ):
            with pytest.raises(Changed, match=r"a\.mp4"):
                await call
        place.put("a.mp4", b"0")
        with pytest.raises(Changed, match=r"a\.mp4"):
            await storage.read_range("a.mp4", 2, 3, fingerprint=before.fingerprint)


async def test_a_blob_without_a_stored_md5_is_pinned_by_its_etag(place: AzureContainer) -> None:
    blob = place.client.get_blob_client("parts.mp4")
    blob.stage_block("AAAA", b"01234")
    blob.commit_block_list(["AAAA"])
    async with opened(place) as storage:
        found = await storage.stat("parts.mp4")
        assert found.fingerprint.startswith("0x")
        assert found.checksum == ""
        assert await storage.read_range("parts.mp4", 1, 2, fingerprint=found.fingerprint) == b"12"
        assert (await storage.copy("parts.mp4", "b.mp4", fingerprint=found.fingerprint)).size == 5
        place.touch("parts.mp4")
        with pytest.raises(Changed):
            await storage.read_range("parts.mp4", 1, 2, fingerprint=found.fingerprint)


async def test_an_append_blob_that_grows_is_another_version(place: AzureContainer) -> None:
    blob = place.client.get_blob_client("log.mp4")
    blob.create_append_blob()
    blob.append_block(b"first")
    async with opened(place) as storage:
        [found] = await objects_of(storage, "log")
        assert await storage.read_range("log.mp4", 0, 5, fingerprint=found.fingerprint) == b"first"
        blob.append_block(b"second")
        with pytest.raises(Changed):
            await storage.read_range("log.mp4", 0, 5, fingerprint=found.fingerprint)


async def test_archived_blobs(place: AzureContainer) -> None:
    place.client.get_blob_client("a.mp4").set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    async with opened(place) as storage:
        [found] = await objects_of(storage)
        assert found.storage_class == "Archive"
        assert (await storage.stat("a.mp4")).storage_class == "Archive"
        with pytest.raises(AccessDenied, match="Rehydrate") as refused:
            await storage.read_range("a.mp4", 0, 1, fingerprint=found.fingerprint)
        assert refused.value.code == "BlobArchived"
        report = await storage.test_access()
        assert report.permissions[1].verdict is UNKNOWN


async def test_snapshots_and_leases_are_respected(place: AzureContainer) -> None:
    place.client.get_blob_client("a.mp4").create_snapshot()
    place.put("leased.mp4", b"x")
    place.client.get_blob_client("leased.mp4").acquire_lease(15)
    async with opened(place) as storage:
        with pytest.raises(AccessDenied, match="snapshots") as refused:
            await storage.delete("a.mp4")
        assert refused.value.code == "SnapshotsPresent"
        for call in (storage.delete("leased.mp4"), storage.write("leased.mp4", stream(b"y"))):
            with pytest.raises(AccessDenied, match="leased"):
                await call
        assert [entry.key for entry in await objects_of(storage)] == ["a.mp4", "leased.mp4"]


async def test_two_that_write_the_same_blob_at_once_do_not_mix(place: AzureContainer) -> None:
    size = 40 * MIB
    contents = {fill: fill * size for fill in (b"a", b"b")}
    async with opened(place) as one, opened(place) as other:
        results = await asyncio.gather(
            *(
                storage.write("big", stream(*(data[start : start + MIB] for start in range(0, size, MIB))))
                for storage, data in zip((one, other), contents.values(), strict=True)
            ),
            return_exceptions=True,
        )
        # Whoever completes first throws the other's blocks away: that one is told so.
        assert all(not isinstance(result, BaseException) or isinstance(result, Changed) for result in results)
        assert any(not isinstance(result, BaseException) for result in results)
    assert place.get("big")[0] in contents.values()


async def test_what_lies_below_a_prefix_stays_there(place: AzureContainer) -> None:
    async with opened(place) as storage:
        for key in ("exports/../a.mp4", "exports/..\\a.mp4", "../other/a.mp4", "exports/./a", "..", "exports/a."):
            for call in (storage.write(key, stream(b"x")), storage.copy("a.mp4", key)):
                with pytest.raises(Invalid):
                    await call
    assert place.keys() == ["a.mp4"]


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


async def test_a_sas_makes_no_urls(place: AzureContainer) -> None:
    async with opened(place, place.container_sas("rl")) as storage:
        with pytest.raises(Invalid, match="accountKey or clientSecret"):
            await storage.presign("a.mp4", expires=timedelta(hours=1))


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
    entra.register(application, expired=True)
    async with opened_as(office, application) as storage:
        with pytest.raises(InvalidCredentials, match="expired") as refused:
            await storage.test_access()
        assert refused.value.code == "AADSTS7000222"
        entra.register(application)
        assert (await storage.test_access()).permissions[0].verdict is ALLOWED


async def test_a_token_that_ends_in_the_middle_is_renewed(office: AzureContainer, application: Application) -> None:
    office.server.azurite.entra.register(application, token_seconds=2)
    tokens = tokens_of(office, application)
    async with opened_with(office, tokens) as storage:
        assert await storage.read_range("a.mp4", 0, 1) == b"0"
        end = jwt.decode(tokens(), options={"verify_signature": False})["exp"]
        while time.time() <= end:
            await asyncio.sleep(0.1)
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

"""Azure: who may do what with a key, a shared access signature or a token, and what is said of those that are wrong."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.contract.storage_azure import AzureContainer, AzureServer, opened
from tests.contract.storage_suite import MIB, blocks, objects_of, stream
from videovector_operator.core.sources import AzureAccountKey, AzureCredentials, AzureSasToken
from videovector_operator.errors import (
    AccessDenied,
    Invalid,
    InvalidCredentials,
    NotFound,
)
from videovector_operator.storage.port import Action, Permission, Verdict

pytestmark = pytest.mark.contract

ALLOWED, DENIED, UNKNOWN = Verdict.ALLOWED, Verdict.DENIED, Verdict.UNKNOWN
MISMATCH = "AuthorizationPermissionMismatch"


@pytest.fixture
def place(azurite: AzureServer) -> AzureContainer:
    fresh = azurite.new_bucket()
    fresh.put("a.mp4", b"0123456789")
    return fresh


async def probe(place: AzureContainer, credentials: AzureCredentials) -> dict[Action, Permission]:
    async with opened(place, credentials=credentials) as storage:
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
    async with opened(place, credentials=place.container_sas("l")) as storage:
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
    async with opened(place, credentials=place.container_sas("r")) as storage:
        assert await storage.read_range("a.mp4", 2, 3) == b"234"
        with pytest.raises(AccessDenied):
            await objects_of(storage)
        with pytest.raises(NotFound):
            await storage.stat("gone")
    assert place.keys() == ["a.mp4"]


async def test_a_sas_for_other_things(place: AzureContainer) -> None:
    async with opened(place, credentials=place.account_sas("rl", "c")) as storage:
        assert [entry.key for entry in await objects_of(storage)] == ["a.mp4"]
        with pytest.raises(AccessDenied, match="shared access signature") as refused:
            await storage.read_range("a.mp4", 0, 1)
        assert refused.value.code == "AuthorizationResourceTypeMismatch"
    # A gap of Azurite's, asserted: it does not look at where requests come from.
    async with opened(place, credentials=place.container_sas("rl", ip="10.1.2.3")) as storage:
        assert await storage.read_range("a.mp4", 0, 1) == b"0"


async def test_a_sas_of_the_account_copies_between_containers(place: AzureContainer) -> None:
    other = place.beside()
    async with opened(other, credentials=place.account_sas("rwdlac", "co")) as storage:
        await storage.copy("a.mp4", "b.mp4", from_bucket=place.name)
    assert other.get("b.mp4")[0] == b"0123456789"


def wrong_key(_: AzureContainer) -> AzureCredentials:
    return AzureAccountKey(base64.b64encode(b"another key" * 6).decode())


def damaged_sas(place: AzureContainer) -> AzureCredentials:
    token = place.container_sas("racwdl").sas_token
    begin = token.index("sig=") + 4
    other = "B" if token[begin] == "A" else "A"
    return AzureSasToken(f"{token[:begin]}{other}{token[begin + 1 :]}")


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
    async with opened(place, credentials=credentials) as storage:
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


async def test_a_sas_makes_no_urls(place: AzureContainer) -> None:
    async with opened(place, credentials=place.container_sas("rl")) as storage:
        with pytest.raises(Invalid, match="accountKey or clientSecret"):
            await storage.presign("a.mp4", expires=timedelta(hours=1))

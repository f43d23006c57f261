"""Cloud Storage: who may do what, on the real front: roles, keys that are wrong, old or gone, clocks that differ."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.contract.storage_gcs import GcsBucket, GcsServer, key_of
from tests.contract.storage_suite import MIB, blocks, objects_of, stream
from tests.support.local_storage import LOCAL
from tests.support.metadata_server import ask_chain, metadata_server
from tools.testservers.gcs_accounts import make_account
from videovector_operator.core.sources import GcsServiceAccount
from videovector_operator.errors import AccessDenied, AlreadyExists, Invalid, InvalidCredentials, NotFound, Unavailable
from videovector_operator.storage.gcs import GcsStorage
from videovector_operator.storage.gcs_credentials import AmbientCredentials, Credentials, ServiceAccountCredentials
from videovector_operator.storage.port import Action, GcsSource, Permission, Verdict
from videovector_operator.storage.surroundings import Surroundings

pytestmark = pytest.mark.contract

LIST, READ, CREATE, DELETE = (f"storage.objects.{verb}" for verb in ("list", "get", "create", "delete"))
ALLOWED, DENIED, UNKNOWN = Verdict.ALLOWED, Verdict.DENIED, Verdict.UNKNOWN


@pytest.fixture
def place(gcs: GcsServer) -> GcsBucket:
    fresh = gcs.new_bucket()
    fresh.put("a.mp4", b"0123456789")
    return fresh


def user_with(place: GcsBucket, *permissions: str, name: str = "user") -> GcsServiceAccount:
    """Make an account, with these rights in this bucket alone."""
    server = place.server.server
    account = server.create_account(name, ())
    server.grant(account, permissions, place.name)
    return key_of(account)


@asynccontextmanager
async def opened(
    place: GcsBucket,
    key: GcsServiceAccount | None = None,
    *,
    credentials: Credentials | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[GcsStorage]:
    storage = GcsStorage(place.source(key), LOCAL, Surroundings(clock=clock), credentials=credentials)
    yield storage
    await storage.close()


async def probe(place: GcsBucket, key: GcsServiceAccount) -> dict[Action, Permission]:
    async with opened(place, key) as storage:
        report = await storage.test_access(write_prefix="exports/")
    return {each.action: each for each in report.permissions}


RIGHTS: dict[str, tuple[Iterable[str], tuple[Verdict, ...]]] = {
    "Storage Object Viewer": ((LIST, READ), (ALLOWED, ALLOWED, DENIED, UNKNOWN)),
    "Storage Object User": ((LIST, READ, CREATE, DELETE), (ALLOWED, ALLOWED, ALLOWED, ALLOWED)),
    "Storage Object Creator": ((CREATE,), (DENIED, UNKNOWN, ALLOWED, DENIED)),
    "list only": ((LIST,), (ALLOWED, DENIED, DENIED, UNKNOWN)),
    "read only, so that no key is known": ((READ,), (DENIED, UNKNOWN, DENIED, UNKNOWN)),
    "nothing": ((), (DENIED, UNKNOWN, DENIED, UNKNOWN)),
}
NEEDED = {Action.LIST: LIST, Action.READ: READ, Action.WRITE: CREATE, Action.DELETE: DELETE}


@pytest.mark.parametrize("case", RIGHTS)
async def test_each_permission_is_told_apart(place: GcsBucket, case: str) -> None:
    permissions, expected = RIGHTS[case]
    key = user_with(place, *permissions)
    # The second test finds what a first one without the right to delete has left.
    for _ in range(2):
        found = await probe(place, key)
        assert tuple(found[action].verdict for action in Action) == expected
        for action, permission in found.items():
            assert permission.code == ("forbidden" if permission.verdict is DENIED else "")
            assert bool(permission.message) is (permission.verdict is not ALLOWED)
            if permission.verdict is DENIED:
                assert permission.message.count(NEEDED[action]) >= 2, "what is missing, and what to grant"
                assert place.name in permission.message
                assert place.server.endpoint in permission.message
    left = [name for name in place.keys() if name.startswith("exports/.videovector-write-test-")]  # noqa: SIM118 - a method
    assert place.keys() == ["a.mp4", *left]
    assert len(left) == (expected[3] is DENIED)


async def test_every_call_needs_its_own_right(place: GcsBucket) -> None:
    async with opened(place, user_with(place, LIST)) as storage:
        for call in (storage.stat("a.mp4"), storage.read_range("a.mp4", 0, 1), storage.copy("a.mp4", "b.mp4")):
            with pytest.raises(AccessDenied, match=READ.replace(".", r"\.")) as refused:
                await call
            assert refused.value.code == "forbidden"
        for call in (storage.write("b", stream(b"x")), storage.write("b", blocks(17 * MIB))):
            with pytest.raises(AccessDenied, match=r"storage\.objects\.create"):
                await call
        with pytest.raises(AccessDenied, match=r"storage\.objects\.delete"):
            await storage.delete("a.mp4")
    async with opened(place, user_with(place, READ)) as storage:
        with pytest.raises(AccessDenied, match=r"storage\.objects\.list"):
            await objects_of(storage)
        assert await storage.read_range("a.mp4", 2, 3) == b"234"
        # Google tells only who may list that there is no such object.
        with pytest.raises(AccessDenied, match=r"storage\.objects\.list"):
            await storage.stat("gone")
    assert place.keys() == ["a.mp4"]


async def test_who_may_create_may_not_replace(place: GcsBucket) -> None:
    async with opened(place, user_with(place, CREATE)) as storage:
        assert (await storage.write("new.mp4", stream(b"x"), if_absent=True)).size == 1
        with pytest.raises(AccessDenied, match=r"storage\.objects\.delete"):
            await storage.write("a.mp4", stream(b"x"))
    async with opened(place, user_with(place, CREATE, DELETE)) as storage:
        with pytest.raises(AlreadyExists):
            await storage.write("a.mp4", stream(b"x"), if_absent=True)
        await storage.write("a.mp4", stream(b"x"))


async def test_a_token_for_reading_alone_says_that_roles_are_not_the_matter(place: GcsBucket) -> None:
    class Narrow(ServiceAccountCredentials):
        """Signs by the same key what a node with narrow access scopes would be given."""

        def _make_token(self, begins: datetime) -> str:
            from google.auth import jwt
            from google.auth.crypt import RSASigner

            issued = int(begins.timestamp())
            claims = {"iss": self.email, "sub": self.email, "iat": issued, "exp": issued + 600}
            signer = RSASigner.from_string(self._account.private_key, self._account.private_key_id)
            scope = "https://www.googleapis.com/auth/devstorage.read_only"
            return str(jwt.encode(signer, {**claims, "scope": scope}), "ascii")

    key = user_with(place, LIST, READ, CREATE, DELETE)
    async with opened(place, credentials=Narrow(key)) as storage:
        assert await storage.read_range("a.mp4", 0, 2) == b"01"
        with pytest.raises(AccessDenied, match="access scopes") as refused:
            await storage.write("b", stream(b"x"))
        assert refused.value.code == "insufficientPermissions"


def unknown_account(place: GcsBucket) -> GcsServiceAccount:
    return key_of(make_account("nobody", place.server.server.project)[0])


def rotated_key(place: GcsBucket) -> GcsServiceAccount:
    old = user_with(place, LIST, READ, name="rotated")
    user_with(place, LIST, READ, name="rotated")
    return old


def deleted_account(place: GcsBucket) -> GcsServiceAccount:
    server = place.server.server
    account = server.create_account("deleted")
    server.delete_account(account)
    return key_of(account)


def somebody_elses_name(place: GcsBucket) -> GcsServiceAccount:
    return replace(user_with(place, LIST, READ), client_email=user_with(place, LIST, name="other").client_email)


def no_key(place: GcsBucket) -> GcsServiceAccount:
    broken = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"
    return replace(user_with(place, LIST, READ), private_key=broken)


WRONG = {
    "an unknown account": (unknown_account, "authError"),
    "a key that was rotated": (rotated_key, "authError"),
    "an account that was deleted": (deleted_account, "authError"),
    "another account's name": (somebody_elses_name, "authError"),
    "a private key that is none": (no_key, ""),
}


@pytest.mark.parametrize("case", WRONG)
async def test_wrong_credentials_are_named_and_never_repeated(place: GcsBucket, case: str) -> None:
    make, code = WRONG[case]
    key = make(place)
    async with opened(place, key) as storage:
        calls = (
            storage.test_access(),
            storage.stat("a.mp4"),
            storage.read_range("a.mp4", 0, 1),
            storage.write("b", stream(b"x")),
            storage.copy("a.mp4", "b"),
            storage.delete("a.mp4"),
        )
        for call in calls:
            with pytest.raises(InvalidCredentials) as refused:
                await call
            assert refused.value.code == code
            assert "Secret" in refused.value.message
            for secret in ("hunter2", "BEGIN", "Bearer", "eyJ", key.private_key[60:100], key.private_key_id):
                assert secret not in refused.value.message
    assert place.keys() == ["a.mp4"]


@pytest.mark.parametrize("wrong", [timedelta(hours=-2), timedelta(hours=2), timedelta(hours=-23)])
async def test_a_wrong_clock_is_learnt_from_the_server(place: GcsBucket, wrong: timedelta) -> None:
    async with opened(place, clock=lambda: datetime.now(UTC) + wrong) as storage:
        assert await storage.read_range("a.mp4", 0, 1) == b"0"
        assert place.fetch(await storage.presign("a.mp4", expires=timedelta(minutes=1))) == b"0123456789"


async def test_a_clock_that_is_wrong_by_days_is_told(place: GcsBucket) -> None:
    """What server it is that says so, nobody knows: no token is made for a time far from ours."""
    async with opened(place, clock=lambda: datetime.now(UTC) - timedelta(days=400)) as storage:
        with pytest.raises(InvalidCredentials, match="clock and this machine's differ by more than a day"):
            await storage.read_range("a.mp4", 0, 1)


async def test_a_changed_role_counts_at_once(place: GcsBucket) -> None:
    key = user_with(place)
    async with opened(place, key) as storage:
        with pytest.raises(AccessDenied):
            await storage.stat("a.mp4")
        server = place.server.server
        server.accounts.grant(key.client_email, (READ,), place.name)
        assert (await storage.stat("a.mp4")).size == 10


async def test_a_missing_bucket_is_not_a_missing_object(place: GcsBucket) -> None:
    async with opened(replace_bucket(place, "no-such-bucket")) as storage:
        calls = (
            storage.test_access(),
            storage.stat("a.mp4"),
            storage.read_range("a.mp4", 0, 1),
            storage.write("a", stream(b"x")),
            storage.write("a", blocks(17 * MIB)),
            storage.delete("a.mp4"),
        )
        for call in calls:
            with pytest.raises(NotFound, match=r"no-such-bucket.*the bucket does not exist"):
                await call
    async with opened(place) as storage:
        for call in (storage.stat("gone"), storage.read_range("gone", 0, 1)):
            with pytest.raises(NotFound, match=r"'gone'.*it does not exist") as missing:
                await call
            assert "the bucket does not exist" not in missing.value.message


def replace_bucket(place: GcsBucket, name: str) -> GcsBucket:
    return GcsBucket(place.server, name)


async def test_an_endpoint_where_nobody_listens(place: GcsBucket) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        source = place.source(endpoint=f"http://127.0.0.1:{reserved.getsockname()[1]}")
        storage = GcsStorage(source, LOCAL)
        with pytest.raises(Unavailable, match="Connection refused"):
            await storage.test_access()
        await storage.close()


@pytest.mark.parametrize("endpoint", ["http://169.254.169.254", "http://metadata.google.internal", "http://[fe80::1]"])
async def test_metadata_addresses_are_never_dialled(endpoint: str) -> None:
    storage = GcsStorage(GcsSource("media", "p", endpoint), LOCAL)
    with pytest.raises(Invalid, match="metadata"):
        await storage.test_access()
    await storage.close()


async def test_the_environments_identity_is_not_shown_to_servers_that_a_user_names() -> None:
    storage = GcsStorage(GcsSource("media", "p", "https://storage.example.com"), LOCAL)
    with pytest.raises(Invalid, match="not Google's"):
        await storage.test_access()
    await storage.close()


async def test_the_environments_token_reads_and_cannot_sign(place: GcsBucket) -> None:
    class Source:
        """What a metadata server would give: tokens of the account's, the first of which is no good any more."""

        def __init__(self) -> None:
            self.forgotten = 0

        def __call__(self) -> str:
            if not self.forgotten:
                return "an-old-token"
            return asyncio.run(ServiceAccountCredentials(place.server.account).token(datetime.now(UTC)))

        def forget(self) -> None:
            self.forgotten += 1

    source = Source()
    loop = asyncio.get_running_loop()
    async with opened(place, credentials=AmbientCredentials(source, loop.time)) as storage:
        assert await storage.read_range("a.mp4", 0, 1) == b"0"
        assert source.forgotten == 1, "a token that was refused is asked for anew, once"
        with pytest.raises(Invalid, match=r"credentials\.json"):
            await storage.presign("a.mp4", expires=timedelta(minutes=1))


async def test_no_identity_at_all(place: GcsBucket) -> None:
    class Nothing:
        def __call__(self) -> str:
            raise InvalidCredentials("no identity")

        def forget(self) -> None:
            raise AssertionError("there is nothing to forget")

    loop = asyncio.get_running_loop()
    async with opened(place, credentials=AmbientCredentials(Nothing(), loop.time)) as storage:
        with pytest.raises(InvalidCredentials, match="no identity"):
            await storage.test_access()


def test_an_identity_service_that_fails_is_asked_again(tmp_path: Path) -> None:
    with metadata_server(status=503) as (where, _):
        assert ask_chain(tmp_path, **where).startswith("Unavailable ")

"""A service account's key makes its own tokens and asks nobody; the environment's identity is google-auth's business."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.support.metadata_server import ask_chain, metadata_server
from tools.testservers.gcs_accounts import ServiceAccount, make_account
from videovector_operator.core.sources import GcsServiceAccount
from videovector_operator.errors import Invalid, InvalidCredentials
from videovector_operator.storage.gcs_credentials import (
    SCOPE,
    AmbientCredentials,
    ServiceAccountCredentials,
)

OPERATOR = Path(__file__).parents[3] / "operator"
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def made() -> tuple[ServiceAccount, str]:
    return make_account("importer", "project")


def key_of(account: ServiceAccount) -> GcsServiceAccount:
    return GcsServiceAccount(account.email, account.key_id, account.private_key)


async def test_a_token_is_signed_by_the_key_and_good_for_storage_alone(made: tuple[ServiceAccount, str]) -> None:
    account, public_key = made
    token = await ServiceAccountCredentials(key_of(account)).token(NOW)
    claims = jwt.decode(token, public_key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False})
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": account.key_id}
    assert (claims["iss"], claims["sub"], claims["scope"]) == (account.email, account.email, SCOPE)
    assert claims["exp"] - claims["iat"] == 3600
    assert NOW - timedelta(minutes=1) < datetime.fromtimestamp(claims["iat"], UTC) < NOW
    assert "aud" not in claims


async def test_a_token_is_kept_until_shortly_before_its_end(made: tuple[ServiceAccount, str]) -> None:
    credentials = ServiceAccountCredentials(key_of(made[0]))
    first = await credentials.token(NOW)
    assert await asyncio.gather(*(credentials.token(NOW + timedelta(minutes=50)) for _ in range(20))) == [first] * 20
    later = await credentials.token(NOW + timedelta(minutes=56))
    assert later != first
    assert credentials.expire(refused=True) is False
    assert credentials.expire(refused=False) is True
    assert await credentials.token(NOW + timedelta(minutes=57)) != later


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> str:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked).decode()


BAD_KEYS = {
    "no key at all": "hunter2",
    "a broken key": "-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n-----END PRIVATE KEY-----\n",
    "a cut key": pem(rsa.generate_private_key(65537, 2048))[:-200],
    "a key of another kind": pem(ec.generate_private_key(ec.SECP256R1())),
    "a key with a password": pem(rsa.generate_private_key(65537, 2048), b"hunter2"),
    "nothing": "",
}


@pytest.mark.parametrize("case", BAD_KEYS)
async def test_a_key_that_is_none_says_what_to_do_and_nothing_of_itself(case: str) -> None:
    credentials = ServiceAccountCredentials(GcsServiceAccount("a@p.iam", "key-id-7", BAD_KEYS[case]))
    for call in (credentials.token(NOW), credentials.sign(b"x")):
        with pytest.raises(InvalidCredentials, match=r"credentials\.json") as refused:
            await call
        assert "private_key" in refused.value.message
        assert "a@p.iam" not in refused.value.message
        assert "hunter2" not in refused.value.message
        assert refused.value.__cause__ is None
        for line in filter(None, BAD_KEYS[case].splitlines()[1:-1]):
            assert line not in refused.value.message


def test_secrets_are_not_printed(made: tuple[ServiceAccount, str]) -> None:
    account = made[0]
    for text in (repr(key_of(account)), repr(ServiceAccountCredentials(key_of(account)))):
        assert account.private_key[40:80] not in text
        assert account.key_id not in text


def test_google_auth_is_imported_only_when_needed() -> None:
    program = (
        "import sys, videovector_operator.storage.gcs\n"
        "print([name for name in sys.modules if name.startswith('google') or name.startswith('requests')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=OPERATOR, check=True)
    assert ran.stdout.strip() == "[]"


class Source:
    """Tokens that are counted."""

    def __init__(self) -> None:
        self.count = 0
        self.forgotten = 0

    def __call__(self) -> str:
        self.count += 1
        return f"token-{self.count}"

    def forget(self) -> None:
        self.forgotten += 1


async def test_the_environments_token_is_asked_for_once_a_minute() -> None:
    source = Source()
    ambient = AmbientCredentials(source, time.monotonic)
    assert [await ambient.token(NOW) for _ in range(3)] == ["token-1"] * 3
    assert ambient.expire(refused=True) is True
    assert (await ambient.token(NOW), source.forgotten) == ("token-2", 1)
    assert ambient.email == ""
    with pytest.raises(Invalid, match=r"credentials\.json"):
        await ambient.sign(b"x")
    ambient.close()


def test_the_chain_finds_the_metadata_server_and_keeps_its_token(tmp_path: Path) -> None:
    with metadata_server() as (where, asked):
        first, second, third = ask_chain(tmp_path, **where).split()
    assert first == second != third
    assert len([path for path in asked if "/token" in path]) == 2


def test_an_identity_that_is_refused_is_for_people_to_mend(tmp_path: Path) -> None:
    with metadata_server(status=403) as (where, _):
        said = ask_chain(tmp_path, **where)
    assert said.startswith("InvalidCredentials ")
    assert "serviceAccountName" in said


def test_a_broken_key_file_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"type": "service_account", "private_key": "hunter2"}))
    said = ask_chain(tmp_path, GOOGLE_APPLICATION_CREDENTIALS=str(file))
    assert said.startswith("InvalidCredentials The environment's identity cannot be used")
    assert "hunter2" not in said


def test_without_any_identity_both_ways_out_are_named(tmp_path: Path) -> None:
    said = ask_chain(tmp_path, NO_GCE_CHECK="true")
    assert said.startswith("InvalidCredentials ")
    assert "credentials.json" in said
    assert "workload identity" in said


@pytest.mark.parametrize("bits", [(4253, 4423), (2203, 2281)])
async def test_a_key_that_would_hold_up_the_process_is_refused_unchecked(bits: tuple[int, int]) -> None:
    p, q = 2 ** bits[1] - 1, 2 ** bits[0] - 1
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(InvalidCredentials, match="longer than 4096 bits") as caught:
        await ServiceAccountCredentials(GcsServiceAccount("a@b", "id", key.decode())).token(NOW)
    assert key.decode()[40:60] not in str(caught.value)

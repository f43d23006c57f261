"""Our signed URLs equal those of Google's own client, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from google.cloud import storage
from google.oauth2 import service_account
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.testservers.gcs_accounts import ServiceAccount, make_account
from videovector_operator.core.sources import GcsServiceAccount
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.gcs import GcsStorage
from videovector_operator.storage.gcs_address import build_address
from videovector_operator.storage.gcs_credentials import ServiceAccountCredentials
from videovector_operator.storage.gcs_sign import prepare_url
from videovector_operator.storage.port import GcsSource
from videovector_operator.storage.surroundings import Surroundings

ENDPOINTS = [None, "https://storage-xyz.p.googleapis.com", "http://10.0.0.8:4443", "https://example.com/gate"]


@pytest.fixture(scope="module")
def account() -> ServiceAccount:
    return make_account("signer", "project")[0]


@pytest.fixture(scope="module")
def client(account: ServiceAccount) -> storage.Client:
    info = {"client_email": account.email, "private_key": account.private_key, "token_uri": "https://example.invalid/"}
    credentials = service_account.Credentials.from_service_account_info(info)
    return storage.Client(project="project", credentials=credentials)


def sign_with_theirs(client: storage.Client, endpoint: str | None, key: str, seconds: int) -> tuple[str, datetime]:
    """Sign with Google's client, which reads the clock; also give the time that it took."""
    place = {} if endpoint is None else {"api_access_endpoint": endpoint}
    url = (
        client.bucket("me.dia")
        .blob(key)
        .generate_signed_url(version="v4", expiration=timedelta(seconds=seconds), **place)
    )
    stamp = parse_qs(urlsplit(url).query)["X-Goog-Date"][0]
    return url, datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@settings(max_examples=30)
@given(key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=60), seconds=st.integers(1, 604_800))
def test_any_key(account: ServiceAccount, client: storage.Client, endpoint: str | None, key: str, seconds: int) -> None:
    theirs, when = sign_with_theirs(client, endpoint, key, seconds)
    address = build_address(GcsSource("me.dia", "p", endpoint), EndpointPolicy())
    unsigned = prepare_url(address, key, account.email, timedelta(seconds=seconds), when)
    assert theirs.startswith(f"{unsigned.url}&X-Goog-Signature=")


async def test_the_signature_is_theirs(account: ServiceAccount, client: storage.Client) -> None:
    theirs, when = sign_with_theirs(client, None, "a b/ü.mp4", 3600)
    key = GcsServiceAccount(account.email, account.key_id, account.private_key)
    ours = GcsStorage(GcsSource("me.dia", "p", credentials=key), None, Surroundings(clock=lambda: when))
    assert await ours.presign("a b/ü.mp4", expires=timedelta(hours=1)) == theirs
    await ours.close()


async def test_signing_takes_the_accounts_own_key(account: ServiceAccount) -> None:
    credentials = ServiceAccountCredentials(GcsServiceAccount(account.email, account.key_id, account.private_key))
    other, _ = make_account("signer", "project")
    others = ServiceAccountCredentials(GcsServiceAccount(other.email, other.key_id, other.private_key))
    assert await credentials.sign(b"x") == await credentials.sign(b"x") != await others.sign(b"x")

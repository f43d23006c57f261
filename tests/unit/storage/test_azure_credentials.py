"""As whom requests go out: what each kind of credentials adds, who is refused, and that nothing is ever printed."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from videovector_operator.core.sources import AzureAccountKey, AzureClientSecret, AzureSasToken, AzureSource
from videovector_operator.errors import Invalid, InvalidCredentials, Unavailable
from videovector_operator.storage.ambient import Ambient
from videovector_operator.storage.azure_address import build_address
from videovector_operator.storage.azure_credentials import (
    AccountKeyCredentials,
    SasCredentials,
    TokenCredentials,
    build_credentials,
)
from videovector_operator.storage.azure_dialect import AzureDialect
from videovector_operator.storage.azure_errors import CLOCK_SKEW
from videovector_operator.storage.azure_sign import format_http_date
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.request import Reply, Request

POLICY = EndpointPolicy()
KEY = "c2VjcmV0IGtleSB3aXRoIHNvbWUgYnl0ZXM="
SIGNATURE = "a+b/c=signature="
SAS = f"sv=2021-12-02&sr=c&sp=rl&se=2026-05-04T00%3A00%3A00Z&sig={quote(SIGNATURE, safe='')}"
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ADDRESS = build_address(AzureSource("acct", "media"), POLICY)
LIST = Request("GET", "list objects", path="/media", params={"restype": "container", "prefix": "a b"})


def dialect_of(source: AzureSource, now: datetime = NOW) -> AzureDialect:
    return AzureDialect(ADDRESS, build_credentials(source, ADDRESS, POLICY), lambda: now)


async def test_an_account_key_signs() -> None:
    signed = await dialect_of(AzureSource("acct", "media", credentials=AzureAccountKey(KEY))).authorize(LIST)
    assert signed.target == "/media?restype=container&prefix=a%20b"
    assert signed.headers["authorization"].startswith("SharedKey acct:")
    assert signed.headers["x-ms-date"] == "Mon, 04 May 2026 03:02:01 GMT"
    assert signed.headers["host"] == "acct.blob.core.windows.net"


async def test_a_sas_is_appended_as_it_is() -> None:
    dialect = dialect_of(AzureSource("acct", "media", credentials=AzureSasToken(SAS)))
    assert (await dialect.authorize(LIST)).target == f"/media?restype=container&prefix=a%20b&{SAS}"
    assert (await dialect.authorize(Request("GET", "read", path="/media/a"))).target == f"/media/a?{SAS}"
    assert "authorization" not in (await dialect.authorize(LIST)).headers


async def test_a_token_is_a_header() -> None:
    credentials = TokenCredentials(Ambient(lambda: "the.token", time.monotonic, name="t"))
    signed = await AzureDialect(ADDRESS, credentials, lambda: NOW).authorize(LIST)
    assert signed.headers["authorization"] == "Bearer the.token"
    credentials.close()


@pytest.mark.parametrize("token", ["sig=a b", "sig=a#b", "sig=\u00e9", "a\r\nx: y", "?sig=x"])
def test_texts_that_no_query_can_hold_are_no_sas(token: str) -> None:
    with pytest.raises(InvalidCredentials, match="sasToken") as refused:
        SasCredentials(token)
    assert token not in refused.value.message


ECHOES = {
    "as sent": quote(SIGNATURE, safe=""),
    "decoded": SIGNATURE,
    "the whole token": SAS,
}


@pytest.mark.parametrize("case", ECHOES)
def test_what_a_server_repeats_of_a_sas_is_taken_out(case: str) -> None:
    dialect = dialect_of(AzureSource("acct", "media", credentials=AzureSasToken(SAS)))
    body = f"<Error><Code>InvalidUri</Code><Message>no {ECHOES[case].replace('&', '&amp;')}</Message></Error>"
    error = dialect.build_error(LIST, Reply(400, {"x-ms-request-id": "1"}, body.encode()))
    assert "***" in error.message
    assert "signature" not in error.message


async def test_what_a_server_repeats_of_a_token_is_taken_out() -> None:
    credentials = TokenCredentials(Ambient(lambda: "the.token", time.monotonic, name="t"))
    dialect = AzureDialect(ADDRESS, credentials, lambda: NOW)
    await dialect.authorize(LIST)
    body = b"<Error><Code>InvalidUri</Code><Message>no the.token</Message></Error>"
    assert "the.token" not in dialect.build_error(LIST, Reply(400, {}, body)).message
    credentials.close()


def test_nothing_of_credentials_is_printed() -> None:
    for kind in (AzureAccountKey(KEY), AzureSasToken(SAS), AzureClientSecret("very-secret")):
        source = AzureSource("acct", "media", tenant_id="t", client_id="c", credentials=kind)
        built = build_credentials(source, ADDRESS, POLICY)
        for secret in (KEY, "signature", "very-secret"):
            assert secret not in repr(source) + repr(built) + str(built)
        built.close()


REFUSED = Reply(403, {"x-ms-error-code": "AuthenticationFailed", "x-ms-request-id": "1"})


def refused_at(moment: datetime) -> Reply:
    return Reply(REFUSED.status, {**REFUSED.headers, "date": format_http_date(moment)})


def test_a_sas_that_has_ended_says_when() -> None:
    dialect = dialect_of(AzureSource("acct", "media", credentials=AzureSasToken(SAS)))
    error = dialect.build_error(Request("HEAD", "look up object 'a'"), refused_at(NOW))
    assert isinstance(error, InvalidCredentials)
    assert "ended at 2026-05-04 00:00:00 UTC" in error.message
    early = dialect_of(AzureSource("acct", "media", credentials=AzureSasToken(SAS)), NOW - timedelta(days=1))
    assert "ended" not in early.build_error(LIST, refused_at(NOW - timedelta(days=1))).message


@pytest.mark.parametrize("end", ["2026-05-03", "2026-05-03T10:00Z", "2026-05-03T10:00:00Z", "2026-05-03T10:00:00.5Z"])
def test_ends_in_every_form(end: str) -> None:
    credentials = SasCredentials(f"sv=x&se={quote(end, safe='')}&sig=y")
    assert credentials.expired_at(NOW) is not None
    assert credentials.expired_at(NOW - timedelta(days=7)) is None


@pytest.mark.parametrize("token", ["sv=x&si=policy&sig=y", "sv=x&se=never&sig=y", "sv=x&se=&sig=y"])
def test_a_sas_that_does_not_say_when_it_ends(token: str) -> None:
    assert SasCredentials(token).expired_at(NOW) is None


async def test_the_servers_clock_is_learnt_from_a_refusal() -> None:
    dialect = dialect_of(AzureSource("acct", "media", credentials=AzureAccountKey(KEY)))
    right = NOW + timedelta(hours=2)
    error = dialect.build_error(LIST, refused_at(right))
    assert (type(error), error.code) == (Unavailable, CLOCK_SKEW)
    assert (await dialect.authorize(LIST)).headers["x-ms-date"] == "Mon, 04 May 2026 05:02:01 GMT"
    # The clock is right now: refused all the same, it is the key.
    assert isinstance(dialect.build_error(LIST, refused_at(right)), InvalidCredentials)


ENDPOINTS = {
    "http": ("http://blobs.example.com", AzureClientSecret("s")),
    "http, ambient": ("http://acct.blob.core.windows.net", None),
    "a stranger, ambient": ("https://blobs.example.com", None),
}


@pytest.mark.parametrize("case", ENDPOINTS)
def test_tokens_are_not_made_for_servers_that_must_not_see_them(case: str) -> None:
    endpoint, kind = ENDPOINTS[case]
    source = AzureSource("acct", "media", endpoint, "t", "c", credentials=kind)
    with pytest.raises(Invalid, match="https"):
        build_credentials(source, build_address(source, POLICY), POLICY)


@pytest.mark.parametrize("tenant", [None, "", "../x", "a/b", "a?b", "x" * 200, "a..b", "a b"])
@pytest.mark.parametrize("field", ["tenant_id", "client_id"])
def test_ids_that_would_change_the_authoritys_url(tenant: str | None, field: str) -> None:
    ids: dict[str, str | None] = {"tenant_id": "t", "client_id": "c", field: tenant}
    source = AzureSource("acct", "media", None, **ids, credentials=AzureClientSecret("s"))
    with pytest.raises(InvalidCredentials, match=field.split("_", maxsplit=1)[0]):
        build_credentials(source, ADDRESS, POLICY)


async def test_a_refused_token_is_asked_for_again() -> None:
    tokens = iter(["first", "second"])
    credentials = TokenCredentials(Ambient(lambda: next(tokens), time.monotonic, name="t"))
    dialect = AzureDialect(ADDRESS, credentials, lambda: NOW)
    assert (await dialect.authorize(LIST)).headers["authorization"] == "Bearer first"
    assert (await dialect.authorize(LIST)).headers["authorization"] == "Bearer first"
    assert not dialect.can_renew(InvalidCredentials("Entra ID gives none", "AADSTS7000215"))
    assert not dialect.can_renew(InvalidCredentials("no identity"))
    assert (await dialect.authorize(LIST)).headers["authorization"] == "Bearer first"
    assert dialect.can_renew(InvalidCredentials("no", "InvalidAuthenticationInfo"))
    assert (await dialect.authorize(LIST)).headers["authorization"] == "Bearer second"
    credentials.close()


def test_keys_and_sas_cannot_be_renewed() -> None:
    for source in (AzureAccountKey(KEY), AzureSasToken(SAS)):
        assert not dialect_of(AzureSource("acct", "media", credentials=source)).can_renew(InvalidCredentials("no", "x"))


async def test_one_question_at_a_time() -> None:
    asked: list[int] = []

    def load() -> str:
        asked.append(1)
        return "token"

    credentials = TokenCredentials(Ambient(load, time.monotonic, name="t"))
    dialect = AzureDialect(ADDRESS, credentials, lambda: NOW)
    await asyncio.gather(*(dialect.authorize(LIST) for _ in range(20)))
    assert len(asked) == 1
    credentials.close()


def test_an_account_key_is_chosen_by_what_the_source_has() -> None:
    assert isinstance(
        build_credentials(AzureSource("acct", "media", credentials=AzureAccountKey(KEY)), ADDRESS, POLICY),
        AccountKeyCredentials,
    )

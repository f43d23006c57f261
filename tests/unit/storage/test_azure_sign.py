"""Our signatures equal those of Azure's own client, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, quote

import pytest
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.transport import HttpRequest
from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.errors import InvalidCredentials
from videovector_operator.storage.azure_sign import (
    SAS_VERSION,
    DelegationKey,
    SharedKeySigner,
    SignedParts,
    build_account_sas,
    build_delegation_sas,
    encode_query,
    format_http_date,
    parse_http_date,
)

KEY = "c2VjcmV0IGtleSB3aXRoIHNvbWUgYnl0ZXM="
ACCOUNT = "mediaaccount"
ORIGIN = f"https://{ACCOUNT}.blob.core.windows.net"
DATE = {"x-ms-date": "Mon, 04 May 2026 03:02:01 GMT", "x-ms-version": "2021-12-02"}
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
MOMENTS = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year > 999)


def sign_both(
    method: str, key: str, params: dict[str, str], extra: dict[str, str], body_size: int = 0
) -> tuple[str, str]:
    path = f"/media/{quote(key, safe='/')}"
    query = encode_query(params)
    headers = {**DATE, **extra}
    theirs = HttpRequest(method, f"{ORIGIN}{path}" + (f"?{query}" if query else ""), headers={**headers})
    if body_size:
        theirs.headers["Content-Length"] = str(body_size)
    SharedKeyCredentialPolicy(ACCOUNT, KEY).on_request(PipelineRequest(theirs, PipelineContext(None)))
    ours = SharedKeySigner(ACCOUNT, KEY).sign(SignedParts(method, path, params, body_size), headers)
    return ours, theirs.headers["Authorization"]


@given(key=TEXT)
def test_any_name(key: str) -> None:
    ours, theirs = sign_both("GET", key, {}, {"x-ms-range": "bytes=0-65535", "if-match": '"0x8D"'})
    assert ours == theirs


def test_ranges_stand_where_the_documentation_has_them() -> None:
    """Azure's client always sends x-ms-range."""
    headers = {**DATE, "range": "bytes=0-9", "if-match": '"e"'}
    text = SharedKeySigner(ACCOUNT, KEY).sign(SignedParts("GET", "/media/a", {}), headers)
    expected = (
        "GET" + "\n" * 8 + '"e"' + "\n" * 3 + f"bytes=0-9\nx-ms-date:{DATE['x-ms-date']}\nx-ms-version:2021-12-02\n"
        f"/{ACCOUNT}/media/a"
    )
    assert text == f"SharedKey {ACCOUNT}:{SharedKeySigner(ACCOUNT, KEY).sign_text(expected)}"


@given(prefix=TEXT, marker=st.text("ABCxyz019!=+/", min_size=1, max_size=40))
def test_any_listing(prefix: str, marker: str) -> None:
    params = {"restype": "container", "comp": "list", "maxresults": "5000", "include": "metadata"}
    ours, theirs = sign_both("GET", "", {**params, "prefix": prefix, "marker": marker, "delimiter": "/"}, {})
    assert ours == theirs


REQUESTS = {
    "put blob": (
        {},
        {
            "content-type": "video/mp4",
            "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==",
            "x-ms-blob-type": "BlockBlob",
            "if-none-match": "*",
            "x-ms-meta-videovector_write": "abc",
        },
    ),
    "put block": ({"comp": "block", "blockid": "YWJjLTAwMDAx"}, {"content-type": "application/octet-stream"}),
    "put block list": (
        {"comp": "blocklist"},
        {
            "content-type": "application/xml",
            "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==",
            "x-ms-blob-content-type": "video/mp4",
            "x-ms-blob-content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==",
            "x-ms-meta-videovector_write": "abc",
        },
    ),
    "copy blob": (
        {},
        {
            "content-type": "application/octet-stream",
            "x-ms-copy-source": f"{ORIGIN}/media/a%20b?sv=1&sig=x%3D",
            "x-ms-source-if-match": '"0x8D"',
        },
    ),
    "names of metadata that differ by an underscore": (
        {},
        {"x-ms-meta-a1": "1", "x-ms-meta-a_": "2", "x-ms-meta-a": "3", "x-ms-meta-a_b": "4", "x-ms-meta-ab": "5"},
    ),
    "abort copy": ({"comp": "copy", "copyid": "1-2"}, {"x-ms-copy-action": "abort"}),
}


@pytest.mark.parametrize("case", REQUESTS)
@pytest.mark.parametrize("size", [0, 5])
def test_every_kind_of_write(case: str, size: int) -> None:
    params, headers = REQUESTS[case]
    ours, theirs = sign_both("PUT", "a b/c", params, headers, size)
    assert ours == theirs


def test_an_account_in_the_path_is_signed_twice() -> None:
    text = SharedKeySigner("dev", KEY).sign(SignedParts("GET", "/dev/media/a", {}), DATE)
    expected = "GET" + "\n" * 12 + f"x-ms-date:{DATE['x-ms-date']}\nx-ms-version:2021-12-02\n/dev/dev/media/a"
    assert text == f"SharedKey dev:{SharedKeySigner('dev', KEY).sign_text(expected)}"


@pytest.mark.parametrize("key", ["not_one!", "YWJj=YWJj", "YWJjZ"])
def test_a_key_that_is_none_is_never_repeated(key: str) -> None:
    with pytest.raises(InvalidCredentials, match="accountKey") as refused:
        SharedKeySigner(ACCOUNT, key)
    assert key not in refused.value.message


@given(moment=MOMENTS)
def test_times_are_written_and_read_as_http_has_them(moment: datetime) -> None:
    text = format_http_date(moment)
    assert text == format_datetime(moment.replace(microsecond=0), usegmt=True)
    assert parse_http_date(text) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-01-02T03:04:05Z", "Fri, 02 Jan 2026 03:04:05 CET", "Fri, 02 Foo 2026 03:04:05 GMT"]
)
def test_other_times_are_no_times(text: str) -> None:
    with pytest.raises(ValueError):
        parse_http_date(text)


EXPIRES = datetime(2026, 5, 4, 3, 2, 1, 999, tzinfo=UTC)


def normal(query: str) -> dict[str, list[str]]:
    return parse_qs(query, keep_blank_values=True, strict_parsing=True)


@given(key=TEXT.filter(lambda text: "\n" not in text))
def test_urls_by_the_accounts_key(key: str) -> None:
    theirs = generate_blob_sas(
        ACCOUNT,
        "media",
        key,
        account_key=KEY,
        permission=BlobSasPermissions(read=True),
        expiry=EXPIRES,
        protocol="https",
        api_version=SAS_VERSION,
    )
    resource = ("media", key)
    ours = encode_query(build_account_sas(SharedKeySigner(ACCOUNT, KEY), resource, expires=EXPIRES, tls_only=True))
    assert without(normal(ours), "sv", "sig") == without(normal(theirs), "sv", "sig")
    if normal(theirs)["sv"] == [SAS_VERSION]:
        assert normal(ours)["sig"] == normal(theirs)["sig"]


def without(fields: dict[str, list[str]], *names: str) -> dict[str, list[str]]:
    return {name: value for name, value in fields.items() if name not in names}


def test_what_is_signed_is_what_the_documentation_says() -> None:
    signer = SharedKeySigner(ACCOUNT, KEY)
    ours = build_account_sas(signer, ("media", "a b"), expires=EXPIRES, tls_only=False)
    text = "\n".join(
        [
            "r",
            "",
            "2026-05-04T03:02:01Z",
            f"/blob/{ACCOUNT}/media/a b",
            "",
            "",
            "https,http",
            SAS_VERSION,
            "b",
            *[""] * 7,
        ]
    )
    assert ours["sig"] == signer.sign_text(text)


def test_urls_by_a_lent_key() -> None:
    lent = DelegationKey(
        "oid", "tid", "2026-05-04T03:00:00Z", "2026-05-11T03:00:00Z", "b", "2021-12-02", "bGVudCBrZXk="
    )
    ours = build_delegation_sas(ACCOUNT, lent, ("media", "a b"), expires=EXPIRES, tls_only=True)
    theirs = UserDelegationKey()
    theirs.signed_oid, theirs.signed_tid = lent.object_id, lent.tenant_id
    theirs.signed_start, theirs.signed_expiry = lent.start, lent.expiry
    theirs.signed_service, theirs.signed_version, theirs.value = lent.service, lent.version, lent.value
    query = generate_blob_sas(
        ACCOUNT,
        "media",
        "a b",
        user_delegation_key=theirs,
        permission=BlobSasPermissions(read=True),
        expiry=EXPIRES,
        protocol="https",
    )
    assert without(normal(encode_query(ours)), "sv", "sig") == without(normal(query), "sv", "sig")
    who = [lent.object_id, lent.tenant_id, lent.start, lent.expiry, lent.service, lent.version]
    text = "\n".join(
        [
            "r",
            "",
            "2026-05-04T03:02:01Z",
            f"/blob/{ACCOUNT}/media/a b",
            *who,
            *[""] * 4,
            "https",
            SAS_VERSION,
            "b",
            *[""] * 7,
        ]
    )
    assert ours["sig"] == SharedKeySigner(ACCOUNT, lent.value).sign_text(text)


def test_a_url_ends_when_it_is_said_to() -> None:
    early, late = (
        build_account_sas(SharedKeySigner(ACCOUNT, KEY), ("m", "a"), expires=EXPIRES + more, tls_only=True)
        for more in (timedelta(0), timedelta(days=7))
    )
    assert (early["se"], late["se"]) == ("2026-05-04T03:02:01Z", "2026-05-11T03:02:01Z")
    assert early["sig"] != late["sig"]

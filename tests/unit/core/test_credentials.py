"""What a Secret must hold: the key that is missing or malformed is named, a value never shown."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.core.credentials import ALL_KEYS, add_credentials, wanted_keys
from videovector_operator.core.sources import (
    AzureAccountKey,
    AzureClientSecret,
    AzureSasToken,
    AzureSource,
    GcsServiceAccount,
    GcsSource,
    S3Source,
    Source,
    StaticCredentials,
)
from videovector_operator.errors import Stalled

S3 = S3Source("bucket", "region")
GCS = GcsSource("bucket", "project")
AZURE = AzureSource("account", "container")
APPLICATION = AzureSource("account", "container", tenant_id="tenant", client_id="client")
PEM = "-----BEGIN PRIVATE KEY-----\nTUlJRXZRSUJB\nREFOQmdrcQ==\n-----END PRIVATE KEY-----\n"
KEY_FILE = {
    "type": "service_account",
    "project_id": "other",
    "private_key_id": "0a1b",
    "private_key": PEM,
    "client_email": "importer@studio.iam.gserviceaccount.com",
    "token_uri": "http://169.254.169.254/",
}
SAS = "sv=2024-11-04&ss=b&srt=co&sp=rl&se=2027-01-01T00:00:00Z&sig=aGlkZGVu%3D"


def key_file(**changes: object) -> bytes:
    return json.dumps({**KEY_FILE, **changes}).encode()


def service_account() -> GcsServiceAccount:
    return GcsServiceAccount(KEY_FILE["client_email"], "0a1b", PEM.strip())


GOOD: dict[str, tuple[Source, Mapping[str, bytes], object]] = {
    "S3 keys": (S3, {"accessKeyId": b"id", "secretAccessKey": b"key"}, StaticCredentials("id", "key")),
    "S3 keys and a token": (
        S3,
        {"accessKeyId": b"id", "secretAccessKey": b"key", "sessionToken": b"token"},
        StaticCredentials("id", "key", "token"),
    ),
    "S3 keys with an empty token": (
        S3,
        {"accessKeyId": b"id", "secretAccessKey": b"key", "sessionToken": b"\n"},
        StaticCredentials("id", "key"),
    ),
    "with what echo and editors leave": (
        S3,
        {"accessKeyId": b"\xef\xbb\xbfid\r\n", "secretAccessKey": b" key\n"},
        StaticCredentials("id", "key"),
    ),
    "with keys of others": (
        S3,
        {"accessKeyId": b"id", "secretAccessKey": b"key", "accountKey": b"\xff", "other": b"\xff"},
        StaticCredentials("id", "key"),
    ),
    "a Google key file": (GCS, {"credentials.json": key_file()}, service_account()),
    "a Google key file with a byte order mark": (
        GCS,
        {"credentials.json": b"\xef\xbb\xbf" + key_file() + b"\n"},
        service_account(),
    ),
    "an Azure account key": (AZURE, {"accountKey": b"aGlkZGVu\n"}, AzureAccountKey("aGlkZGVu")),
    "an Azure SAS": (AZURE, {"sasToken": SAS.encode()}, AzureSasToken(SAS)),
    "an Azure SAS with its question mark": (AZURE, {"sasToken": f"?{SAS}\n".encode()}, AzureSasToken(SAS)),
    "an Azure client secret": (APPLICATION, {"clientSecret": b"~s3cret"}, AzureClientSecret("~s3cret")),
    "one of Azure's and an empty one": (
        AZURE,
        {"accountKey": b"aGlkZGVu", "sasToken": b" "},
        AzureAccountKey("aGlkZGVu"),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_credentials_are_added(name: str) -> None:
    source, values, expected = GOOD[name]
    found = add_credentials(source, values, secret="keys")
    assert found.credentials == expected
    assert source.credentials is None


MISSING, INVALID, SPEC = "SecretKeyMissing", "SecretInvalid", "InvalidSpec"
BAD: dict[str, tuple[Source, Mapping[str, bytes], str, str]] = {
    "S3: nothing": (S3, {}, MISSING, "lacks the key accessKeyId and secretAccessKey, or it is empty"),
    "S3: no id": (S3, {"secretAccessKey": b"hidden"}, MISSING, "lacks the key accessKeyId, or"),
    "S3: no key": (S3, {"accessKeyId": b"hidden"}, MISSING, "lacks the key secretAccessKey, or"),
    "S3: an empty key": (S3, {"accessKeyId": b"hidden", "secretAccessKey": b" \n"}, MISSING, "secretAccessKey, or"),
    "S3: no text": (S3, {"accessKeyId": b"\xff\xfehidden"}, INVALID, "accessKeyId cannot be used: it is not UTF-8"),
    "S3: two lines": (
        S3,
        {"accessKeyId": b"a", "secretAccessKey": b"hidden\nhidden"},
        INVALID,
        "the key secretAccessKey cannot be used: it holds a line break",
    ),
    "S3: a letter that keys do not have": (S3, {"accessKeyId": "hiddén".encode()}, INVALID, "that no such key has"),
    "S3: far too long": (S3, {"accessKeyId": b"hidden" * 20_000}, INVALID, "longer than 64 KiB"),
    "GCS: nothing": (GCS, {"accessKeyId": b"hidden"}, MISSING, "lacks the key credentials.json"),
    "GCS: no JSON": (GCS, {"credentials.json": b"hidden"}, INVALID, "credentials.json cannot be used: it is not JSON"),
    "GCS: base64 once more": (GCS, {"credentials.json": b"eyJoaWRkZW4iOiAxfQ=="}, INVALID, "it is not JSON"),
    "GCS: a nest": (GCS, {"credentials.json": b"[" * 60_000}, INVALID, "it is not JSON"),
    "GCS: a list": (GCS, {"credentials.json": b"[]"}, INVALID, 'its type is not "service_account"'),
    "GCS: a user's": (
        GCS,
        {"credentials.json": key_file(type="authorized_user")},
        INVALID,
        "only service account keys",
    ),
    "GCS: a federation": (
        GCS,
        {"credentials.json": key_file(type="external_account")},
        INVALID,
        "only service account",
    ),
    "GCS: without a field": (
        GCS,
        {"credentials.json": key_file(client_email=None)},
        INVALID,
        "its field client_email is missing",
    ),
    "GCS: a key in the e-mail's place": (
        GCS,
        {"credentials.json": key_file(client_email=PEM)},
        INVALID,
        "its field client_email is not an e-mail address",
    ),
    "GCS: without two fields": (
        GCS,
        {"credentials.json": key_file(client_email=" ", private_key=5)},
        INVALID,
        "its fields client_email and private_key are missing",
    ),
    "GCS: no key": (GCS, {"credentials.json": key_file(private_key="hidden")}, INVALID, "not a PEM private key"),
    "GCS: line breaks written out": (
        GCS,
        {"credentials.json": key_file(private_key=PEM.replace("\n", "\\n"))},
        INVALID,
        "not a PEM private key",
    ),
    "GCS: a certificate": (
        GCS,
        {"credentials.json": key_file(private_key=PEM.replace("PRIVATE KEY", "CERTIFICATE"))},
        INVALID,
        "not a PEM private key",
    ),
    "Azure: nothing": (AZURE, {}, MISSING, "lacks the key clientSecret, accountKey or sasToken"),
    "Azure: two": (
        AZURE,
        {"accountKey": b"aGlkZGVu", "sasToken": SAS.encode()},
        INVALID,
        "has the keys accountKey and sasToken: Azure credentials need exactly one",
    ),
    "Azure: all": (
        APPLICATION,
        {"accountKey": b"aGlkZGVu", "sasToken": SAS.encode(), "clientSecret": b"hidden"},
        INVALID,
        "the keys clientSecret and accountKey and sasToken",
    ),
    "Azure: a connection string": (
        AZURE,
        {"accountKey": b"DefaultEndpointsProtocol=https;AccountKey=aGlkZGVu"},
        INVALID,
        "accountKey cannot be used: it is not base64",
    ),
    "Azure: only padding": (AZURE, {"accountKey": b"===="}, INVALID, "it is not base64"),
    "Azure: the blob's URL": (AZURE, {"sasToken": f"https://a.b/c?{SAS}".encode()}, INVALID, "not the blob's URL"),
    "Azure: no signature": (AZURE, {"sasToken": b"sv=2024-11-04&sp=r"}, INVALID, "not a shared access signature"),
    "Azure: a fragment": (AZURE, {"sasToken": f"{SAS}#x".encode()}, INVALID, "not a shared access signature"),
    "Azure: whose secret?": (
        AZURE,
        {"clientSecret": b"hidden"},
        SPEC,
        "so spec.azure.tenantId and spec.azure.clientId must be set",
    ),
    "Azure: which application?": (
        AzureSource("account", "container", tenant_id="tenant"),
        {"clientSecret": b"hidden"},
        SPEC,
        "so spec.azure.clientId must be set",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_do_is_named_and_not_shown(name: str) -> None:
    source, values, reason, words = BAD[name]
    with pytest.raises(Stalled) as caught:
        add_credentials(source, values, secret="keys")
    assert caught.value.reason == reason
    assert "Secret 'keys'" in caught.value.message
    assert words in caught.value.message
    for secret in ("hidden", "aGlkZGVu", "TUlJ", "sig=a"):
        assert secret not in caught.value.message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(
    source=st.sampled_from([S3, GCS, AZURE, APPLICATION]),
    values=st.dictionaries(st.sampled_from(ALL_KEYS), st.binary(max_size=40) | st.text(max_size=40).map(str.encode)),
)
def test_any_secret_is_used_or_refused(source: Source, values: dict[str, bytes]) -> None:
    try:
        found = add_credentials(source, values, secret="keys")
    except Stalled as error:
        assert error.message.startswith("Secret 'keys'")  # noqa: PT017 - either of two outcomes is right
    else:
        assert found.credentials is not None


@pytest.mark.parametrize("source", [S3, GCS, AZURE])
def test_what_is_wanted_is_said(source: Source) -> None:
    assert any(key in wanted_keys(source) for key in ALL_KEYS)

"""What a Connector's Secret must hold, for each provider. Pure: the operator reads the Secret by the API, workers from a mount.

Messages name keys, never values: not even a part of one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core.sources import (
    AzureAccountKey,
    AzureClientSecret,
    AzureCredentials,
    AzureSasToken,
    AzureSource,
    GcsServiceAccount,
    GcsSource,
    S3Source,
    Source,
    StaticCredentials,
)
from videovector_operator.errors import Stalled

S3_KEYS = ("accessKeyId", "secretAccessKey")
S3_OPTIONAL = ("sessionToken",)
GCS_KEY = "credentials.json"
AZURE_KEYS = ("clientSecret", "accountKey", "sasToken")
ALL_KEYS = (*S3_KEYS, *S3_OPTIONAL, GCS_KEY, *AZURE_KEYS)
"""Every key that is ever read of a Secret; others are left alone."""

_S3_WANTED = "accessKeyId and secretAccessKey (and, optionally, sessionToken)"
_LONGEST_BYTES = 64 * 1024
_GCS_FIELDS = ("client_email", "private_key_id", "private_key")
_EMAIL = re.compile(r"[^\s@]{1,128}@[^\s@]{1,128}")
_PEM_KEY = re.compile(r"-----BEGIN (RSA )?PRIVATE KEY-----\s[A-Za-z0-9+/=\s]++-----END (RSA )?PRIVATE KEY-----")


def wanted_keys(source: Source) -> str:
    """Say for people which keys the Secret of this provider must have."""
    match source:
        case S3Source():
            return _S3_WANTED
        case GcsSource():
            return f"{GCS_KEY} (the JSON key file of a service account)"
        case AzureSource():
            return "exactly one of clientSecret, accountKey and sasToken"
        case _:
            assert_never(source)


def add_credentials(source: Source, values: Mapping[str, bytes], *, secret: str) -> Source:
    """Return ``source`` with the credentials of a Secret's ``values``; ``secret`` names it in messages.

    Raises Stalled: SecretKeyMissing, or SecretInvalid for what is there but cannot be credentials.
    """
    match source:
        case S3Source():
            return replace(source, credentials=_parse_s3(values, secret))
        case GcsSource():
            return replace(source, credentials=_parse_gcs(values, secret))
        case AzureSource():
            return replace(source, credentials=_parse_azure(source, values, secret))
        case _:
            assert_never(source)


def _parse_s3(values: Mapping[str, bytes], secret: str) -> StaticCredentials:
    texts = {name: _text(values, name, secret) for name in (*S3_KEYS, *S3_OPTIONAL)}
    missing = [name for name in S3_KEYS if not texts[name]]
    if missing:
        raise _missing(secret, " and ".join(missing), f"S3 credentials need {_S3_WANTED}")
    return StaticCredentials(texts["accessKeyId"], texts["secretAccessKey"], texts["sessionToken"] or None)


def _parse_gcs(values: Mapping[str, bytes], secret: str) -> GcsServiceAccount:
    text = _text(values, GCS_KEY, secret)
    if not text:
        raise _missing(secret, GCS_KEY, "put the JSON key file of a service account there")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid(secret, GCS_KEY, "it is not JSON: put the JSON key file of a service account there") from None
    if not isinstance(parsed, dict) or parsed.get("type") != "service_account":
        # Other types name URLs, files and programs to get tokens from; these must not come from a user's Secret.
        raise _invalid(secret, GCS_KEY, 'its type is not "service_account": only service account keys are supported')
    fields = {name: parsed.get(name) for name in _GCS_FIELDS}
    absent = [name for name, value in fields.items() if not isinstance(value, str) or not value.strip()]
    if absent:
        message = f"its field{'s' if len(absent) > 1 else ''} {' and '.join(absent)} {'are' if len(absent) > 1 else 'is'} missing"
        raise _invalid(secret, GCS_KEY, f"{message}: download the key file again")
    if not _EMAIL.fullmatch(str(fields["client_email"])):
        raise _invalid(secret, GCS_KEY, "its field client_email is not an e-mail address: download the key file again")
    private_key = str(fields["private_key"]).strip()
    if not _PEM_KEY.fullmatch(private_key):
        raise _invalid(secret, GCS_KEY, "its field private_key is not a PEM private key: download the key file again")
    return GcsServiceAccount(str(fields["client_email"]), str(fields["private_key_id"]), private_key)


def _parse_azure(source: AzureSource, values: Mapping[str, bytes], secret: str) -> AzureCredentials:
    texts = {name: _text(values, name, secret) for name in AZURE_KEYS}
    given = [name for name in AZURE_KEYS if texts[name]]
    if not given:
        raise _missing(secret, "clientSecret, accountKey or sasToken", "Azure credentials need exactly one of them")
    if len(given) > 1:
        raise Stalled(
            Reason.SECRET_INVALID,
            f"Secret {secret!r} has the keys {' and '.join(given)}: Azure credentials need exactly one of them, remove the others",
        )
    match given[0]:
        case "clientSecret":
            return _parse_client_secret(source, texts["clientSecret"], secret)
        case "accountKey":
            return AzureAccountKey(_check_base64(texts["accountKey"], secret))
        case _:
            return AzureSasToken(_check_sas(texts["sasToken"], secret))


def _parse_client_secret(source: AzureSource, text: str, secret: str) -> AzureClientSecret:
    absent = [
        name
        for name, value in (("spec.azure.tenantId", source.tenant_id), ("spec.azure.clientId", source.client_id))
        if not value
    ]
    if absent:
        raise Stalled(
            Reason.INVALID_SPEC,
            f"Secret {secret!r} has the key clientSecret, so {' and '.join(absent)} must be set: they say whose secret it is",
        )
    return AzureClientSecret(text)


def _check_base64(text: str, secret: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(secret, "accountKey", "it is not base64: copy the account's key again") from None
    return text


def _check_sas(text: str, secret: str) -> str:
    token = text.removeprefix("?")
    names = {part.partition("=")[0] for part in token.split("&")}
    if "sig" not in names or "sv" not in names or any(not char.isprintable() or char in " #?" for char in token):
        raise _invalid(
            secret, "sasToken", "it is not a shared access signature (sv=…&sig=…): copy the token, not the blob's URL"
        )
    return token


def _text(values: Mapping[str, bytes], name: str, secret: str) -> str:
    """The value as text, "" when absent; what editors and ``echo`` leave at the ends of Secrets (byte order mark, newline) is
    taken off."""
    value = values.get(name, b"")
    if len(value) > _LONGEST_BYTES:
        raise _invalid(secret, name, f"it is longer than {_LONGEST_BYTES // 1024} KiB")
    try:
        text = value.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise _invalid(secret, name, "it is not UTF-8 text: write the key again") from None
    if name != GCS_KEY and any(not " " <= char <= "~" for char in text):
        raise _invalid(
            secret, name, "it holds a line break or another character that no such key has: write the key again"
        )
    return text


def _missing(secret: str, name: str, remedy: str) -> Stalled:
    return Stalled(Reason.SECRET_KEY_MISSING, f"Secret {secret!r} lacks the key {name}, or it is empty: {remedy}")


def _invalid(secret: str, name: str, why: str) -> Stalled:
    return Stalled(Reason.SECRET_INVALID, f"Secret {secret!r}: the key {name} cannot be used: {why}")

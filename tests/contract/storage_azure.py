"""The Azure server of the storage contract: Azurite, with keys and SAS over HTTP, with Entra ID's tokens over HTTPS."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.storage.blob import ContentSettings, generate_account_sas, generate_container_sas

from tests.contract.storage_servers import Checksums, Gaps, fetch_url
from tests.contract.storage_suite import write_empty
from tests.support.local_storage import LOCAL
from tools.testservers.azurite import AzuriteServer
from tools.testservers.clients import azure_client
from tools.testservers.entra import Application
from videovector_operator.core.sources import AzureAccountKey, AzureClientSecret, AzureSasToken
from videovector_operator.errors import Unavailable
from videovector_operator.storage.ambient import Ambient
from videovector_operator.storage.azure import AzureStorage
from videovector_operator.storage.azure_credentials import TokenCredentials
from videovector_operator.storage.azure_identity import EntraTokens, build_client_tokens
from videovector_operator.storage.port import AzureSource, Storage

ACCOUNT = "contractaccount"
_API_VERSION = "2025-11-05"
_NUMBERS = itertools.count(1)
_LOST = {"backslash", "dot segment", "two dots segment", "only dots", "control characters"}
"""These no server keeps: Azure takes them for other names, so that ours refuses them."""

_UNWRITTEN = {"line break", "trailing dot", "dot before a slash"}
"""These Azure stores without the dots, or refuses: Azurite keeps them, for others than ours."""

_ODD = ("NUL", "NUL alone", "control characters", "not characters")
"""Azurite names the prefix in a listing, and fails on what XML cannot hold."""


class AzureServer:
    """A running Azurite."""

    def __init__(self, azurite: AzuriteServer, gaps: Gaps) -> None:
        self.azurite = azurite
        self.endpoint = azurite.endpoint
        self.gaps = gaps
        self.client = azure_client(azurite, api_version=_API_VERSION)

    def new_bucket(self) -> AzureContainer:
        name = f"contract-{next(_NUMBERS)}"
        self.client.create_container(name)
        return AzureContainer(self, name)


class AzureContainer:
    """A fresh container, filled by the SDK as an independent client."""

    def __init__(self, server: AzureServer, name: str) -> None:
        self.server = server
        self.name = name
        self.gaps = server.gaps
        self.client = server.client.get_container_client(name)

    def source(self, **changes: Any) -> AzureSource:
        azurite = self.server.azurite
        fields = {
            "storage_account": azurite.account,
            "container": self.name,
            "endpoint": azurite.endpoint,
            "credentials": AzureAccountKey(azurite.account_key),
            "ca_bundle": azurite.authority.certificate.read_text() if azurite.tls else None,
        }
        return AzureSource(**{**fields, **changes})

    def open(self) -> Storage:
        return AzureStorage(self.source(), LOCAL)

    def beside(self) -> AzureContainer:
        return self.server.new_bucket()

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        settings = ContentSettings(content_type=content_type)
        self.client.upload_blob(key, data, overwrite=True, content_settings=settings)

    async def fill(self, keys: Sequence[str]) -> None:
        await write_empty(self.open(), keys)

    def get(self, key: str) -> tuple[bytes, str]:
        found = self.client.download_blob(key)
        return found.readall(), str(found.properties.content_settings.content_type)

    def fetch(self, url: str) -> bytes:
        return fetch_url(url)

    def remove(self, key: str) -> None:
        self.client.delete_blob(key)

    def keys(self) -> list[str]:
        return [str(entry.name) for entry in self.client.list_blobs()]

    def leftovers(self) -> list[str]:
        """Nothing: blocks that no list names are invisible, and Azure itself removes them after a week."""
        return []

    def container_sas(
        self, permissions: str, *, lasts: timedelta = timedelta(hours=1), **options: Any
    ) -> AzureSasToken:
        """Make a SAS for this container, by the SDK."""
        azurite = self.server.azurite
        options.setdefault("account_key", azurite.account_key)
        now = datetime.now(UTC)
        start = now - timedelta(days=1)
        token = generate_container_sas(
            azurite.account, self.name, permission=permissions, start=start, expiry=now + lasts, **options
        )
        return AzureSasToken(token)

    def account_sas(self, permissions: str, resource_types: str) -> AzureSasToken:
        """Make a SAS for the account, by the SDK."""
        azurite = self.server.azurite
        expiry = datetime.now(UTC) + timedelta(hours=1)
        token = generate_account_sas(azurite.account, azurite.account_key, resource_types, permissions, expiry)
        return AzureSasToken(token)

    def touch(self, key: str) -> None:
        """Change a blob's metadata, and so its ETag, but nothing of its content."""
        self.client.get_blob_client(key).set_blob_metadata({"touched": datetime.now(UTC).isoformat()})


@asynccontextmanager
async def opened(place: AzureContainer, **changes: Any) -> AsyncIterator[AzureStorage]:
    """Ours, with changes of the source."""
    storage = AzureStorage(place.source(**changes), LOCAL)
    yield storage
    await storage.close()


def tokens_of(place: AzureContainer, who: Application, authority: str = "") -> EntraTokens:
    """Tokens of an application, from the stand-in for Entra ID beside the server or from another ``authority``."""
    entra = place.server.azurite.entra
    environ = {
        "AZURE_AUTHORITY_HOST": authority or entra.endpoint,
        "REQUESTS_CA_BUNDLE": str(entra.authority.certificate),
    }
    source = place.source(tenant_id=who.tenant_id, client_id=who.client_id)
    return build_client_tokens(source, AzureClientSecret(who.client_secret), environ)


@asynccontextmanager
async def opened_as(place: AzureContainer, who: Application, authority: str = "") -> AsyncIterator[AzureStorage]:
    """Ours, as an application."""
    async with opened_with(place, tokens_of(place, who, authority)) as storage:
        yield storage


@asynccontextmanager
async def opened_with(place: AzureContainer, tokens: EntraTokens, **changes: Any) -> AsyncIterator[AzureStorage]:
    """Ours, with tokens that are kept until they are refused, and with changes of the source."""
    ambient = Ambient(tokens, time.monotonic, name="azure-test", ask_every_seconds=3600)
    source = place.source(credentials=None, **changes)
    storage = AzureStorage(source, LOCAL, credentials=TokenCredentials(ambient, tokens))
    yield storage
    await storage.close()


@contextmanager
def running_azurite(*, tls: bool = False) -> Iterator[AzureServer]:
    """Run Azurite on data of its own; removed at the end."""
    name = f"contract-azure-{'tls-' if tls else ''}{os.getpid()}"
    with AzuriteServer(name, account=ACCOUNT, tls=tls) as azurite:
        gaps = Gaps(
            checksums=Checksums("md5", "md5", listed=True),
            lost_keys=frozenset(_LOST),
            unwritten_keys=frozenset(_UNWRITTEN),
            odd_texts={text: {"list": Unavailable} for text in _ODD},
        )
        yield AzureServer(azurite, gaps)

"""The Azure server of the storage contract: Azurite, with keys and SAS over HTTP, with Entra ID's tokens over HTTPS."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.storage.blob import ContentSettings, generate_account_sas, generate_container_sas

from tests.contract.storage_servers import Gaps, fetch_url
from tests.support.local_storage import LOCAL
from tools.testservers.azurite import AzuriteServer
from tools.testservers.clients import azure_client
from videovector_operator.core.sources import AzureAccountKey, AzureSasToken
from videovector_operator.storage.azure import AzureStorage
from videovector_operator.storage.port import AzureSource, Storage

ACCOUNT = "contractaccount"
_API_VERSION = "2025-11-05"
_NUMBERS = itertools.count(1)
_LOST = {"backslash", "dot segment", "two dots segment", "only dots", "control characters"}
"""These no server keeps: Azure takes them for other names, so that ours refuses them."""


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


@contextmanager
def running_azurite(*, tls: bool = False) -> Iterator[AzureServer]:
    """Run Azurite on data of its own; removed at the end."""
    name = f"contract-azure-{'tls-' if tls else ''}{os.getpid()}"
    with AzuriteServer(name, account=ACCOUNT, tls=tls) as azurite:
        yield AzureServer(azurite, Gaps(lost_keys=frozenset(_LOST)))

"""The Cloud Storage server of the storage contract: fake-gcs-server behind a front that checks tokens, rights and conditions."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.contract.storage_servers import Checksums, Gaps, fetch_url
from tests.support.local_storage import LOCAL
from tools.testservers import FakeGcsServer
from tools.testservers.clients import gcs_client
from tools.testservers.gcs_accounts import ServiceAccount
from videovector_operator.core.sources import GcsServiceAccount
from videovector_operator.storage.gcs import GcsStorage
from videovector_operator.storage.port import GcsSource, Storage

_NUMBERS = itertools.count(1)


class GcsServer:
    """The running server, with an account that may do everything with objects, and Google's own client."""

    # None of them is this server's fault. No object in Cloud Storage may have these names; and an upload in blocks has one checksum,
    # which is looked at when the blocks before the last are gone.
    gaps = Gaps(
        checksums=Checksums("crc32c", "crc32c", listed=True),
        lost_keys=frozenset({"only dots", "line break"}),
        bytes_checked_at_the_end=True,
    )

    def __init__(self, server: FakeGcsServer) -> None:
        self.server = server
        self.endpoint = server.endpoint
        self.account = key_of(server.create_account("contract"))
        self.client = gcs_client(server)

    def new_bucket(self) -> GcsBucket:
        name = f"contract-{next(_NUMBERS)}"
        self.server.create_bucket(name)
        return GcsBucket(self, name)


class GcsBucket:
    """A fresh bucket, filled by google-cloud-storage as an independent client."""

    def __init__(self, server: GcsServer, name: str) -> None:
        self.server = server
        self.name = name
        self.gaps = server.gaps
        self._bucket: Any = server.client.bucket(name)

    def source(self, credentials: GcsServiceAccount | None = None, **changes: Any) -> GcsSource:
        fields = {
            "bucket": self.name,
            "project_id": self.server.server.project,
            "endpoint": self.server.endpoint,
            "credentials": credentials or self.server.account,
        }
        return GcsSource(**{**fields, **changes})

    def open(self) -> Storage:
        return GcsStorage(self.source(), LOCAL)

    def beside(self) -> GcsBucket:
        return self.server.new_bucket()

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        self._bucket.blob(key).upload_from_string(data, content_type=content_type, timeout=60)

    async def fill(self, keys: Sequence[str]) -> None:
        await asyncio.to_thread(self.server.server.fill_bucket, self.name, keys)

    def get(self, key: str) -> tuple[bytes, str]:
        blob = self._bucket.blob(key)
        data: bytes = blob.download_as_bytes(raw_download=True)
        return data, blob.content_type

    def fetch(self, url: str) -> bytes:
        return fetch_url(url)

    def remove(self, key: str) -> None:
        self._bucket.blob(key).delete()

    def keys(self) -> list[str]:
        return [blob.name for blob in self.server.client.list_blobs(self.name)]

    def leftovers(self) -> list[str]:
        return self.server.server.open_uploads(self.name)


def key_of(account: ServiceAccount) -> GcsServiceAccount:
    """The account as a Secret's credentials.json would give it."""
    return GcsServiceAccount(account.email, account.key_id, account.private_key)


@contextmanager
def running_gcs() -> Iterator[GcsServer]:
    """Run the server of tools/testservers with data of its own; removed at the end."""
    with FakeGcsServer(f"contract-gcs-{os.getpid()}") as server:
        yield GcsServer(server)

"""Tokens and shared access signatures are worth as much to whoever reads them on the way: they go out encrypted."""

from __future__ import annotations

import pytest

from videovector_operator.core.sources import AzureAccountKey, AzureSasToken, GcsServiceAccount
from videovector_operator.errors import Invalid
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.open import open_storage
from videovector_operator.storage.port import (
    AzureSource,
    GcsSource,
    S3Source,
    Source,
    StaticCredentials,
    StorageOptions,
)

ACCOUNT = GcsServiceAccount("importer@studio.iam.gserviceaccount.com", "0a1b", "a key that is read when it is needed")
SAS = AzureSasToken("sv=2022&sig=c2VjcmV0")
LOCAL = StorageOptions(endpoints=EndpointPolicy(allow_loopback=True))
FAR = (
    "http://storage.googleapis.com",
    "http://acct.blob.core.windows.net",
    "http://203.0.113.5.example.com",
    "http://8.8.8.8:9000",
    "http://[2600:1f00::1]",
    "http://storage.example.com/acct",
    "http://svc.example.com",
)
NEAR = (
    "http://azurite.storage.svc:10000/acct",
    "http://azurite.storage.svc.cluster.local.:10000/acct",
    "http://azurite:10000",
    "http://10.0.0.8",
    "http://[fd12::1]:10000",
    "http://gateway.corp.internal",
    "http://127.0.0.1:10000/acct",
    "https://storage.example.com",
)


def sources(endpoint: str) -> list[Source]:
    return [
        GcsSource("media", "p", endpoint, credentials=ACCOUNT),
        AzureSource("acct", "media", endpoint, credentials=SAS),
    ]


@pytest.mark.parametrize("endpoint", FAR)
async def test_they_are_not_sent_in_clear_text(endpoint: str) -> None:
    for source in sources(endpoint):
        storage = open_storage(source, LOCAL)
        with pytest.raises(Invalid, match=r"is not https, so .* could be read on the way") as caught:
            storage.check()
        assert "c2VjcmV0" not in caught.value.message
        await storage.close()


@pytest.mark.parametrize("endpoint", NEAR)
async def test_servers_inside_may_be_asked_without_tls(endpoint: str) -> None:
    for source in sources(endpoint):
        storage = open_storage(source, LOCAL)
        storage.check()
        await storage.close()


async def test_signatures_say_nothing_of_the_key() -> None:
    """What signs each request may go over any wire: S3's keys, Azure's account key."""
    for source in (
        S3Source("media", "us-east-1", "http://s3.example.com", credentials=StaticCredentials("i", "s")),
        AzureSource("acct", "media", "http://storage.example.com", credentials=AzureAccountKey("a2V5")),
    ):
        storage = open_storage(source, LOCAL)
        storage.check()
        await storage.close()

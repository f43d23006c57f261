"""The servers of the storage contract, one each for a whole run, and buckets on them.

A new server: its name into SERVERS, and a session fixture of that name that gives a `Server`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.contract.storage_azure import AzureServer, running_azurite
from tests.contract.storage_gcs import GcsServer, running_gcs
from tests.contract.storage_s3 import S3Server, running_moto, running_versitygw
from tests.contract.storage_servers import Bucket, FakeServer, Server
from videovector_operator.storage.port import Storage

SERVERS = ["fake", "versitygw", "moto", "gcs", "azurite"]


@pytest.fixture(scope="session")
def fake() -> FakeServer:
    return FakeServer()


@pytest.fixture(scope="session")
def versitygw() -> Iterator[S3Server]:
    with running_versitygw() as server:
        yield server


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with running_moto() as server:
        yield server


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsServer]:
    with running_gcs() as server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzureServer]:
    with running_azurite() as server:
        yield server


@pytest.fixture(params=SERVERS)
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket on each server in turn."""
    server: Server = request.getfixturevalue(request.param)
    return server.new_bucket()


@pytest.fixture
async def storage(bucket: Bucket) -> AsyncIterator[Storage]:
    """Ours, on that bucket."""
    opened = bucket.open()
    yield opened
    await opened.close()

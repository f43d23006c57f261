"""Credentials of every kind that end in the middle of an import, on real servers: the new ones are mounted, no file is lost."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage import blob

from tests.contract.catalog_tables import Tables
from tests.support.import_worker import SETTINGS
from tests.support.local_storage import open_local
from tests.support.mounted import MountedVolume
from tools.sample_media import iterate_small
from tools.testservers import AzuriteServer, FakeGcsServer, VersityGateway
from tools.testservers.clients import azure_client, gcs_client, s3_client
from tools.testservers.entra import Application
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.records import JsonValue, RunSpec
from videovector_operator.errors import InvalidCredentials
from videovector_operator.imports.exit_codes import ExitCode
from videovector_operator.imports.mounts import Mounts
from videovector_operator.imports.run import WorkerPorts, run_import
from videovector_operator.storage.port import Pace, Source, Storage

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract

FILES = 40
BUCKET = "rotation"
SAS_SECONDS = 8
TOKEN_SECONDS = 4
Values = Mapping[str, str]


@dataclass(frozen=True)
class Stand:
    """A bucket of files; ``first`` opens it until ``end`` is called, or until ``ends_at``; ``end`` answers what opens it then.

    ``lasts`` = for so many seconds what was given out before is taken after its end. ``environment`` is the worker's.
    """

    source: dict[str, JsonValue]
    first: Values
    end: Callable[[], Values]
    ends_at: datetime | None = None
    lasts: float = 0
    ca_bundle: Path | None = None
    environment: Values = field(default_factory=dict)


@contextmanager
def s3_keys() -> Iterator[Stand]:
    """A user who is removed while another is made."""
    with VersityGateway(f"rotation-s3-{os.getpid()}") as gateway:
        client = s3_client(gateway)
        client.create_bucket(Bucket=BUCKET)
        for path, data in iterate_small(FILES):
            client.put_object(Bucket=BUCKET, Key=path, Body=data)
        gateway.create_user("before", "before-secret", role="admin")
        gateway.create_user("behind", "behind-secret", role="admin")

        def end() -> Values:
            gateway.delete_user("before")
            return {"accessKeyId": "behind", "secretAccessKey": "behind-secret"}

        source: dict[str, JsonValue] = {"provider": "s3", "bucket": BUCKET, "region": "us-east-1"}
        source |= {"endpoint": gateway.endpoint, "forcePathStyle": True}
        yield Stand(source, {"accessKeyId": "before", "secretAccessKey": "before-secret"}, end)


@contextmanager
def gcs_key() -> Iterator[Stand]:
    """A service account that is deleted while another is made."""
    with FakeGcsServer(f"rotation-gcs-{os.getpid()}") as server:
        server.create_bucket(BUCKET)
        bucket = gcs_client(server).bucket(BUCKET)
        for path, data in iterate_small(FILES):
            bucket.blob(path).upload_from_string(data)
        account = server.create_account("before")

        def end() -> Values:
            server.delete_account(account)
            return {"credentials.json": server.create_account("behind").key_file()}

        source: dict[str, JsonValue] = {"provider": "gcs", "bucket": BUCKET, "projectId": server.project}
        yield Stand({**source, "endpoint": server.endpoint}, {"credentials.json": account.key_file()}, end)


@contextmanager
def azure_sas() -> Iterator[Stand]:
    """A shared access signature that runs out; the account's key takes its place."""
    with filled_azurite("sas") as server:
        expiry = datetime.now(UTC) + timedelta(seconds=SAS_SECONDS)
        token = blob.generate_account_sas(
            server.account,
            server.account_key,
            resource_types=blob.ResourceTypes(container=True, object=True),
            permission=blob.AccountSasPermissions(read=True, list=True),
            expiry=expiry,
        )
        yield Stand(container_of(server), {"sasToken": token}, lambda: {"accountKey": server.account_key}, expiry)


@contextmanager
def azure_key() -> Iterator[Stand]:
    """An account's key that is regenerated; for a moment nobody answers."""
    with filled_azurite("key") as server:
        yield Stand(
            container_of(server), {"accountKey": server.account_key}, lambda: {"accountKey": server.rotate_key()}
        )


@contextmanager
def azure_application() -> Iterator[Stand]:
    """An application's secret that is deleted while it gets another; its last token is good for some seconds more."""
    tenant, client = str(uuid.uuid4()), str(uuid.uuid4())
    with filled_azurite("application", tls=True) as server:

        def register(secret: str) -> Values:
            server.entra.register(Application(tenant, client, secret), token_seconds=TOKEN_SECONDS)
            return {"clientSecret": secret}

        yield Stand(
            {**container_of(server), "tenantId": tenant, "clientId": client},
            register("the~secret~before"),
            lambda: register("the~secret~behind"),
            lasts=TOKEN_SECONDS,
            ca_bundle=server.authority.certificate,
            environment={
                "AZURE_AUTHORITY_HOST": server.entra.endpoint,
                "REQUESTS_CA_BUNDLE": str(server.entra.authority.certificate),
            },
        )


@contextmanager
def filled_azurite(name: str, *, tls: bool = False) -> Iterator[AzuriteServer]:
    """Run a server with a container of files."""
    with AzuriteServer(f"rotation-azure-{name}-{os.getpid()}", tls=tls) as server:
        with azure_client(server) as client:
            client.create_container(BUCKET)
            for path, data in iterate_small(FILES):
                client.get_blob_client(BUCKET, path).upload_blob(data)
        yield server


def container_of(server: AzuriteServer) -> dict[str, JsonValue]:
    """Where the files are, as a run's spec says it."""
    place: dict[str, JsonValue] = {"provider": "azure", "storageAccount": server.account, "container": BUCKET}
    return {**place, "endpoint": server.endpoint}


STANDS = {
    "S3 keys": s3_keys,
    "a Google service account": gcs_key,
    "an Azure SAS, by the account's key": azure_sas,
    "an Azure account's key": azure_key,
    "the secret of an Azure application": azure_application,
}


class Watched:
    """Storages whose reads are counted; after half of the files the credentials end, a moment later the mount has new ones."""

    def __init__(self, stand: Stand, volume: MountedVolume) -> None:
        self.stand = stand
        self.volume = volume
        self.reads = 0
        self.refusals = 0
        self._until = stand.ends_at
        self._ending: asyncio.Task[None] | None = None

    def open(self, source: Source, pace: Pace | None = None) -> Storage:
        return _Opening(open_local(source, pace), self)  # type: ignore[return-value]  # delegates the rest

    async def before_read(self) -> None:
        self.reads += 1
        if self.reads == FILES // 2:
            values = await asyncio.to_thread(self.stand.end)
            self.refusals = 0  # a token that ended on its way, on a slow machine, is not what is awaited
            self._until = self.stand.ends_at or datetime.now(UTC) + timedelta(seconds=self.stand.lasts)
            self._ending = asyncio.create_task(self._mount(values))
        if self._until is not None and self.reads >= FILES // 2:
            left = (self._until - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(max(left + 1, 0))

    async def _mount(self, values: Values) -> None:
        while not self.refusals:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        self.volume.write(values)


class _Opening:
    def __init__(self, real: Storage, watched: Watched) -> None:
        self._real = real
        self._watched = watched

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    async def read_range(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        await self._watched.before_read()
        try:
            return await self._real.read_range(key, start, length, fingerprint=fingerprint)
        except InvalidCredentials:
            self._watched.refusals += 1
            raise


@pytest.mark.parametrize("name", STANDS)
async def test_credentials_that_end_in_the_middle_lose_no_file(
    name: str, catalog: PostgresCatalog, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = MountedVolume(tmp_path / "credentials")
    with STANDS[name]() as stand:
        volume.write(stand.first)
        for variable, value in stand.environment.items():
            monkeypatch.setenv(variable, value)
        watched = Watched(stand, volume)
        spec = RunSpec("job_rotation", "media", "rotation", "idx_rotation", "conn_1", name, stand.source)
        await catalog.admit_run(spec)
        ports = WorkerPorts(catalog, watched.open, Mounts(volume.path, stand.ca_bundle))
        async with asyncio.timeout(120):
            assert await run_import("job_rotation", "w1", ports, SETTINGS) is ExitCode.OK
    assert watched.refusals > 0, "the credentials did not end in the middle"
    run = await catalog.observe_run("job_rotation")
    assert run is not None
    assert (run.counters.imported, run.counters.failed, run.counters.skipped) == (FILES, 0, 0)
    assert await tables.value("SELECT count(*) FROM media WHERE index_id = 'idx_rotation'") == FILES

"""A Secret or CA bundle that changes in the middle of a run: every kind of it, no restart, no file lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.certificates import make_certificate
from tests.support.mounted import MountedVolume
from tests.support.virtual_time import run_virtually
from tests.unit.imports.worlds import SPEC, World
from videovector_operator.core.records import FileState, JsonValue
from videovector_operator.errors import Invalid, InvalidCredentials, StorageError, Throttled
from videovector_operator.imports.exit_codes import ExitCode
from videovector_operator.imports.mounts import Mounts
from videovector_operator.imports.source import ImportSource
from videovector_operator.storage.port import UNTRUSTED_CERTIFICATE

PEM = "-----BEGIN PRIVATE KEY-----\nTUlJRXZRSUJB\n-----END PRIVATE KEY-----\n"
CERTIFICATES = make_certificate("127.0.0.1"), make_certificate("127.0.0.2")
S3: dict[str, JsonValue] = {"provider": "s3", "bucket": "bucket", "region": "r"}
GCS: dict[str, JsonValue] = {"provider": "gcs", "bucket": "bucket", "projectId": "p"}
AZURE: dict[str, JsonValue] = {"provider": "azure", "storageAccount": "a", "container": "bucket"}
APPLICATION: dict[str, JsonValue] = {**AZURE, "tenantId": "t", "clientId": "c"}


def key_file(number: str) -> str:
    fields = {"type": "service_account", "client_email": "a@b", "private_key_id": number, "private_key": PEM}
    return json.dumps(fields)


Values = dict[str, str]
KINDS: dict[str, tuple[dict[str, JsonValue], Values, Values]] = {
    "S3 keys": (
        S3,
        {"accessKeyId": "old", "secretAccessKey": "old"},
        {"accessKeyId": "new", "secretAccessKey": "new"},
    ),
    "S3 keys, by ones with a token": (
        S3,
        {"accessKeyId": "same", "secretAccessKey": "same"},
        {"accessKeyId": "same", "secretAccessKey": "same", "sessionToken": "new"},
    ),
    "a Google key": (GCS, {"credentials.json": key_file("old")}, {"credentials.json": key_file("new")}),
    "an Azure account key": (AZURE, {"accountKey": "b2xk"}, {"accountKey": "bmV3"}),
    "an Azure SAS": (AZURE, {"sasToken": "sv=1&sig=old"}, {"sasToken": "sv=1&sig=new"}),
    "an Azure account key, by a SAS": (AZURE, {"accountKey": "b2xk"}, {"sasToken": "sv=1&sig=new"}),
    "an Azure client secret": (APPLICATION, {"clientSecret": "old"}, {"clientSecret": "new"}),
}


class Rotation:
    """A world whose storage refuses what it was first opened with, from the middle of the run on; then ``change`` is called."""

    def __init__(self, world: World, refusal: StorageError, change: Callable[[int], None]) -> None:
        self.world = world
        self.keys = world.fill(20)
        self.refused = 0
        self._refusal = refusal
        self._change = change
        self._real_read = world.bucket.read_range
        world.bucket.read_range = self._read  # type: ignore[method-assign]  # refusal depends on who asks

    async def _read(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        is_first = self.world.opened[-1] == self.world.opened[0]
        if is_first and (key == self.keys[10] or self.refused):
            self.refused += 1
            self._change(self.refused)
            raise self._refusal
        return await self._real_read(key, start, length, fingerprint=fingerprint)

    def assert_nothing_was_lost(self) -> None:
        assert self.refused > 0
        assert {self.world.catalog.outcome(key) for key in self.keys} == {("imported", "")}


@pytest.mark.parametrize("name", KINDS)
async def test_a_rotated_secret_is_read_again(tmp_path: Path, name: str) -> None:
    source, old, new = KINDS[name]
    volume = MountedVolume(tmp_path / "credentials")
    volume.write(old)
    world = World(replace(SPEC, source=source))
    world.credentials = volume.path
    rotation = Rotation(
        world, InvalidCredentials("expired", "Expired"), lambda count: volume.write(new) if count == 1 else None
    )
    assert await world.run() is ExitCode.OK
    rotation.assert_nothing_was_lost()
    assert len(world.opened) == 2


async def test_a_secret_that_is_half_written_is_waited_for(tmp_path: Path) -> None:
    volume = MountedVolume(tmp_path / "credentials")
    volume.write({"accessKeyId": "old", "secretAccessKey": "old"})
    world = World()
    world.credentials = volume.path

    def change(count: int) -> None:
        if count == 1:
            volume.write({"accessKeyId": "new"})
            whole = {"accessKeyId": "new", "secretAccessKey": "new"}
            asyncio.get_running_loop().call_later(0.5, volume.write, whole)

    rotation = Rotation(world, InvalidCredentials("expired", "Expired"), change)
    assert await world.run() is ExitCode.OK
    rotation.assert_nothing_was_lost()


async def test_a_secret_that_stays_half_written_fails_the_run_and_is_named(tmp_path: Path) -> None:
    volume = MountedVolume(tmp_path / "credentials")
    volume.write({"accessKeyId": "old", "secretAccessKey": "old"})
    world = World()
    world.credentials = volume.path
    Rotation(world, InvalidCredentials("expired", "Expired"), lambda _: volume.write({"accessKeyId": "new"}))
    assert await world.run(credentials_wait=0.2) is ExitCode.USER_MUST_ACT
    assert world.catalog.ending is not None
    assert "lacks the key secretAccessKey" in world.catalog.ending.message
    assert FileState.FAILED not in {row.state for row in world.catalog.rows.values()}


async def test_a_rotated_ca_bundle_is_read_again(tmp_path: Path) -> None:
    volume = MountedVolume(tmp_path / "ca")
    volume.write({"ca.crt": CERTIFICATES[0]})
    world = World()
    world.ca_bundle = volume.path / "ca.crt"
    rotation = Rotation(
        world,
        Invalid("the server's certificate is not trusted", UNTRUSTED_CERTIFICATE),
        lambda count: volume.write({"ca.crt": CERTIFICATES[1]}) if count == 1 else None,
    )
    assert await world.run() is ExitCode.OK
    rotation.assert_nothing_was_lost()
    assert [source.ca_bundle for source in world.opened] == list(CERTIFICATES)


async def test_a_certificate_that_is_never_trusted_fails_the_run_and_no_file(tmp_path: Path) -> None:
    volume = MountedVolume(tmp_path / "ca")
    volume.write({"ca.crt": CERTIFICATES[0]})
    world = World()
    world.ca_bundle = volume.path / "ca.crt"
    keys = world.fill(3)
    world.bucket.fail_always("read_range", Invalid("the certificate is not trusted", UNTRUSTED_CERTIFICATE))
    assert await world.run(credentials_wait=0.2) is ExitCode.USER_MUST_ACT
    assert world.catalog.ending is not None
    assert (world.catalog.ending.reason, world.catalog.ending.message) == (
        "SourceUnusable",
        "the certificate is not trusted",
    )
    assert FileState.FAILED not in {world.catalog.rows[key].state for key in keys}


async def test_a_secret_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """An Azure Secret that is deleted and made again while the pod starts: its mount is empty for a moment."""
    volume = MountedVolume(tmp_path / "credentials")
    world = World(replace(SPEC, source=AZURE))
    world.credentials = volume.path
    keys = world.fill(3)
    load_run = world.catalog.load_run

    async def load(run_id: str) -> object:
        asyncio.get_running_loop().call_later(0.2, volume.write, {"accountKey": "bmV3"})
        return await load_run(run_id)

    world.catalog.load_run = load  # type: ignore[method-assign,assignment]  # the Secret comes when the run has begun
    assert await world.run() is ExitCode.OK
    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}


async def test_a_secret_that_never_comes_fails_the_run(tmp_path: Path) -> None:
    world = World()
    world.credentials = MountedVolume(tmp_path / "credentials").path
    assert await world.run(credentials_wait=0.2) is ExitCode.USER_MUST_ACT
    assert world.catalog.ending is not None
    assert "lacks the key accessKeyId and secretAccessKey" in world.catalog.ending.message


def test_a_store_that_asks_for_ages_is_asked_again_before() -> None:
    async def read() -> float:
        world = World()
        (key, *_) = world.fill(1)
        source = await ImportSource.open(SPEC.source, world.open, Mounts(), world.settings, lambda: 0.5)
        world.bucket.fail("read_range", Throttled("slow down", retry_after=1e9))
        data = await source.read(key, 0, 1, (await world.bucket.stat(key)).fingerprint)
        assert len(data) == 1
        return asyncio.get_running_loop().time()

    assert run_virtually(read()) == 300.0

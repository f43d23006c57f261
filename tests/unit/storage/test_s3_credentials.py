"""Static keys need no SDK; ambient ones are asked for in a thread, seldom, and one at a time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from videovector_operator.errors import InvalidCredentials, Unavailable
from videovector_operator.storage.port import StaticCredentials
from videovector_operator.storage.s3_credentials import AmbientCredentials
from videovector_operator.storage.s3_identity import BotocoreChain

KEYS = StaticCredentials("id", "secret", "token")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_ambient_credentials_are_asked_for_once_a_minute_and_never_at_once() -> None:
    asked: list[str] = []

    def load() -> StaticCredentials:
        asked.append(threading.current_thread().name)
        return KEYS

    clock = Clock()
    ambient = AmbientCredentials(load, clock)
    assert await asyncio.gather(*(ambient.current() for _ in range(20))) == [KEYS] * 20
    assert len(asked) == 1
    assert asked[0].startswith("s3-credentials")
    clock.now += 61
    await ambient.current()
    assert len(asked) == 2
    assert ambient.expire() is True
    await ambient.current()
    assert len(asked) == 3
    ambient.close()


async def test_no_ambient_credentials_says_what_to_do() -> None:
    ambient = AmbientCredentials(lambda: None, time.monotonic)
    with pytest.raises(InvalidCredentials, match="credentialsSecretRef"):
        await ambient.current()
    ambient.close()


async def test_a_hanging_identity_service_does_not_block_the_loop() -> None:
    release = threading.Event()

    def load() -> StaticCredentials:
        release.wait(30)
        return KEYS

    ambient = AmbientCredentials(load, time.monotonic, timeout_seconds=0.1)
    with pytest.raises(Unavailable, match="did not come"):
        await ambient.current()
    release.set()
    ambient.close()


def test_the_chain_finds_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-env")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-from-env")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-from-env")
    assert BotocoreChain()() == StaticCredentials("from-env", "secret-from-env", "token-from-env")


def test_the_chain_finds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
        monkeypatch.setenv(name, f"{tmp_path}/none")
    assert BotocoreChain()() is None


def test_a_broken_web_identity_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/media")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", f"{tmp_path}/no-token")
    with pytest.raises(InvalidCredentials, match="FileNotFoundError"):
        BotocoreChain()()


STATIC_ONLY = """
import asyncio, sys
from videovector_operator.errors import Unavailable
from videovector_operator.storage.open import open_storage
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.port import S3Source, StaticCredentials, StorageOptions

LOCAL = StorageOptions(endpoints=EndpointPolicy(allow_loopback=True))

async def main():
    storage = open_storage(S3Source("media", "r", "http://127.0.0.1:1", credentials=StaticCredentials("i", "s")), LOCAL)
    try:
        await storage.test_access()
    except Unavailable:
        print("botocore" in sys.modules)
    await storage.close()

asyncio.run(main())
"""


def test_the_sdk_is_not_imported_for_static_keys() -> None:
    package_root = Path(__file__).parents[3] / "operator"
    done = subprocess.run(
        [sys.executable, "-c", STATIC_ONLY],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(package_root)},
    )
    assert done.stdout.strip() == "False", done.stderr


def test_keys_are_not_in_the_repr() -> None:
    assert repr(KEYS) == "StaticCredentials()"

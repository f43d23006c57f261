"""What is mounted beside a run: read as one state, named when it does not do, never shown."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.support.certificates import make_certificate
from tests.support.mounted import MountedVolume
from videovector_operator.core.records import JsonValue
from videovector_operator.imports.mounts import Mounts, read_base, read_source
from videovector_operator.imports.problems import SourceUnusable
from videovector_operator.storage.port import S3Source

S3 = S3Source("b", "r")
KEYS = {"accessKeyId": "id", "secretAccessKey": "hidden-value"}


@pytest.fixture
def volume(tmp_path: Path) -> MountedVolume:
    return MountedVolume(tmp_path / "credentials")


def test_the_source_is_read_from_the_runs_spec() -> None:
    assert read_base({"provider": "s3", "bucket": "b", "region": "r"}) == S3


@pytest.mark.parametrize("spec", [{"provider": "tape"}, {"provider": "s3", "bucket": 5, "region": "r"}, {}])
def test_an_unknown_source_asks_for_a_newer_worker(spec: dict[str, JsonValue]) -> None:
    with pytest.raises(SourceUnusable, match="upgrade the worker image"):
        read_base(spec)


def test_without_mounts_the_identity_is_the_pods() -> None:
    assert read_source(S3, Mounts()) == S3
    assert not Mounts().is_waiting


def test_credentials_come_from_the_mounted_secret(volume: MountedVolume) -> None:
    mounts = Mounts(volume.path)
    assert mounts.is_waiting
    volume.write({**KEYS, "other": "x"})
    assert not mounts.is_waiting
    found = read_source(S3, mounts)
    assert isinstance(found, S3Source)
    assert found.credentials is not None
    assert (found.credentials.access_key_id, found.credentials.session_token) == ("id", None)
    assert "hidden-value" not in repr(found)
    volume.write({**KEYS, "sessionToken": "token"})
    assert read_source(S3, mounts) != found


def test_plain_files_do_too(tmp_path: Path) -> None:
    for name, text in KEYS.items():
        (tmp_path / name).write_text(text)
    assert read_source(S3, Mounts(tmp_path)).credentials is not None


BAD: dict[str, tuple[dict[str, str], str]] = {
    "a key is missing": ({"secretAccessKey": "hidden-value"}, "Secret 'keys' lacks the key accessKeyId"),
    "a key is empty": ({**KEYS, "accessKeyId": " \n"}, "Secret 'keys' lacks the key accessKeyId"),
    "a key has two lines": ({**KEYS, "accessKeyId": "a\nb"}, "Secret 'keys': the key accessKeyId cannot be used"),
    "a key is a whole file": ({**KEYS, "accessKeyId": "x" * 70_000}, "is longer than 64 KiB"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_do_is_named_without_its_value(volume: MountedVolume, name: str) -> None:
    values, words = BAD[name]
    volume.write(values)
    with pytest.raises(SourceUnusable) as caught:
        read_source(S3, Mounts(volume.path, secret="keys"))
    assert words in caught.value.message
    assert "hidden-value" not in caught.value.message


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "accessKeyId").mkdir()
    with pytest.raises(SourceUnusable, match="accessKeyId cannot be read"):
        read_source(S3, Mounts(tmp_path))


def test_a_ca_bundle_is_read_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    with pytest.raises(SourceUnusable, match="key 'ca"):
        read_source(S3, Mounts(ca_bundle=file))
    file.write_text("nonsense")
    with pytest.raises(SourceUnusable, match="holds no PEM certificate"):
        read_source(S3, Mounts(ca_bundle=file))
    certificate = make_certificate()
    file.write_text(f"# Übung\n{certificate}")
    assert read_source(S3, Mounts(ca_bundle=file)).ca_bundle == certificate


def test_no_mixture_of_two_states_is_read(volume: MountedVolume) -> None:
    """While another thread changes the mount as the kubelet does, key and secret always belong together."""
    volume.write({"accessKeyId": "0", "secretAccessKey": "0"})
    stop = threading.Event()

    def rotate() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            volume.write({"accessKeyId": str(number), "secretAccessKey": str(number)})
            time.sleep(0.001)  # some states last long enough to be read, and none for long

    thread = threading.Thread(target=rotate)
    thread.start()
    try:
        seen: set[str] = set()
        while len(seen) < 50:
            found = read_source(S3, Mounts(volume.path))
            assert isinstance(found, S3Source)
            assert found.credentials is not None
            assert found.credentials.access_key_id == found.credentials.secret_access_key
            seen.add(found.credentials.access_key_id)
    finally:
        stop.set()
        thread.join()
    assert (volume.path / "..data").is_symlink()

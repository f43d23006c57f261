"""Whose trouble it is, and as whom the source is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.imports.worlds import QUICK
from videovector_operator.core.records import JsonValue
from videovector_operator.imports.problems import SourceUnusable
from videovector_operator.imports.source import Suspicion, parse_source, read_credentials
from videovector_operator.storage.port import S3Source

# Each failure: (answers to all readers so far, whether the bucket can be listed); QUICK: 2 beside reads, 3 beside listings.
SUSPICIONS: dict[str, tuple[Sequence[tuple[int, bool]], bool]] = {
    "one failure says nothing": ([(1, True)], False),
    "two failures while others are read": ([(1, True), (2, True)], True),
    "failures before an outage ended count nothing": ([(0, False), (0, False), (5, True)], False),
    "an outage is nobody's fault, however long": ([(0, False)] * 50, False),
    "an outage in between begins anew": ([(1, True), (1, False), (2, True)], False),
    "alone in a bucket that can be listed": ([(0, True), (0, True), (0, True)], True),
    "alone, and the bucket comes and goes": ([(0, True), (0, False), (0, True), (0, False), (0, True)], False),
}


@pytest.mark.parametrize("sentence", SUSPICIONS)
def test_suspicion(sentence: str) -> None:
    failures, expected = SUSPICIONS[sentence]
    suspicion = Suspicion(QUICK, 0)
    verdicts = [suspicion.grows(reads, can_be_listed=listed) for reads, listed in failures]
    assert verdicts[-1] is expected
    assert not any(verdicts[:-1])


def test_the_source_is_read_from_the_connectors_block() -> None:
    spec: dict[str, JsonValue] = {"provider": "s3", "bucket": "b", "region": "r"}
    assert parse_source(spec) == S3Source("b", "r")
    full: dict[str, JsonValue] = {**spec, "endpoint": "https://s3.example", "forcePathStyle": True}
    assert parse_source(full) == S3Source("b", "r", "https://s3.example", force_path_style=True)


@pytest.mark.parametrize(
    "spec", [{"provider": "gcs", "bucket": "b"}, {"provider": "s3", "bucket": 5, "region": "r"}, {}]
)
def test_an_unknown_source_asks_for_a_newer_worker(spec: dict[str, JsonValue]) -> None:
    with pytest.raises(SourceUnusable, match="upgrade the worker image"):
        parse_source(spec)


def test_credentials_come_from_the_mounted_secret(tmp_path: Path) -> None:
    (tmp_path / "accessKeyId").write_text("id\n")
    (tmp_path / "secretAccessKey").write_text("secret")
    found = read_credentials(tmp_path)
    assert (found.access_key_id, found.secret_access_key, found.session_token) == ("id", "secret", None)
    (tmp_path / "sessionToken").write_text("token")
    assert read_credentials(tmp_path).session_token == "token"
    assert "secret" not in repr(read_credentials(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"), [("secretAccessKey", None), ("accessKeyId", b" "), ("accessKeyId", b"\xff")]
)
def test_a_bad_key_is_named_without_its_value(tmp_path: Path, name: str, content: bytes | None) -> None:
    for key in ("accessKeyId", "secretAccessKey"):
        (tmp_path / key).write_text("hidden-value")
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceUnusable, match=name) as caught:
        read_credentials(tmp_path)
    assert "hidden-value" not in caught.value.message

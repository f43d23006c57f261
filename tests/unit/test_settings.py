from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from videovector_operator.settings import Settings


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """The process's own environment, put back afterwards."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("VIDEOVECTOR_"):
            del os.environ[name]
    yield os.environ  # type: ignore[misc]  # os.environ is as good as a dict here
    os.environ.clear()
    os.environ.update(before)


def test_all_has_a_default(environment: dict[str, str]) -> None:
    settings = Settings()
    assert (settings.namespaces, settings.workers, settings.lease_duration_seconds) == ((), 16, 15)


def test_the_environment_speaks(environment: dict[str, str]) -> None:
    environment["VIDEOVECTOR_NAMESPACES"] = "media, archive ,"
    environment["VIDEOVECTOR_WORKER_ENV"] = json.dumps({"A": "1"})
    environment["VIDEOVECTOR_WORKER_POD_TEMPLATE"] = json.dumps({"spec": {"hostNetwork": True}})
    environment["VIDEOVECTOR_WORKERS"] = "4"
    environment["VIDEOVECTOR_NOT_OURS"] = "x"
    settings = Settings()
    assert settings.namespaces == ("media", "archive")
    assert settings.worker_env == {"A": "1"}
    assert settings.worker_pod_template == {"spec": {"hostNetwork": True}}
    assert settings.workers == 4


def test_secrets_are_not_printed(environment: dict[str, str]) -> None:
    environment["VIDEOVECTOR_CATALOG_DSN"] = "password=hunter2"
    settings = Settings()
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()
    assert settings.catalog_dsn.get_secret_value() == "password=hunter2"


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORKERS", "0"), ("LEASE_DURATION_SECONDS", "3"), ("HTTP_PORT", "70000"), ("API_WRITES_PER_SECOND", "0")],
)
def test_values_that_make_no_sense_are_refused(environment: dict[str, str], name: str, value: str) -> None:
    environment[f"VIDEOVECTOR_{name}"] = value
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()

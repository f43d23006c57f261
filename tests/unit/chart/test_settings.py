"""The operator's settings and the chart's values are one list: every option can be set, and reaches the operator whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.helm import CHART, OWN_DATABASE, Json, merge, operator_env, render
from videovector_operator.settings import Settings

PREFIX = "VIDEOVECTOR_"
NOT_VALUES = {
    "pod_name": "the downward API",
    "pod_namespace": "the downward API",
    "worker_name": "the operator sets it in worker pods",
    "credentials_directory": "the operator sets it in worker pods",
    "credentials_secret": "the operator sets it in worker pods",
    "ca_bundle_file": "the operator sets it in worker pods",
    "catalog_dsn": "a Secret",
    "catalog_worker_dsn": "a Secret",
}
CASES: dict[str, tuple[Json, Any]] = {
    "namespaces": ({"watchNamespaces": ["a", "b"]}, ("a", "b")),
    "lease_name": ({"operator": {"leaseName": "mine"}}, "mine"),
    "lease_duration_seconds": ({"operator": {"leaseDurationSeconds": 30}}, 30),
    "workers": ({"operator": {"workers": 3}}, 3),
    "api_writes_per_second": ({"operator": {"apiWritesPerSecond": 12.5}}, 12.5),
    "api_write_burst": ({"operator": {"apiWriteBurst": 2_000_000}}, 2_000_000),
    "resync_seconds": ({"operator": {"resyncSeconds": 3_600_000}}, 3_600_000.0),
    "http_host": ({"operator": {"httpHost": "127.0.0.1"}}, "127.0.0.1"),
    "http_port": ({"operator": {"httpPort": 18080}}, 18080),
    "log_level": ({"operator": {"logLevel": "DEBUG"}}, "DEBUG"),
    "log_format": ({"operator": {"logFormat": "console"}}, "console"),
    "storage_timeout_seconds": ({"operator": {"storageTimeoutSeconds": 2.5}}, 2.5),
    "allow_loopback_endpoints": ({"operator": {"allowLoopbackEndpoints": True}}, True),
    "lists_command": ({"operator": {"listsCommand": "show {run}"}}, "show {run}"),
    "api_host": ({"operatorApi": {"host": "0.0.0.0"}}, "0.0.0.0"),
    "api_port": ({"operatorApi": {"port": 18443}}, 18443),
    "api_client_certificates": ({"operatorApi": {"clientCertificates": False}}, False),
    "api_tls_directory": ({"operatorApi": {"tlsSecretName": "api-tls"}}, "/var/run/videovector/api-tls"),
    "catalog_pool_size": ({"catalog": {"poolSize": 9}}, 9),
    "worker_image": ({"worker": {"image": "x/y:z"}}, "x/y:z"),
    "worker_image_pull_policy": ({"worker": {"imagePullPolicy": "Always"}}, "Always"),
    "worker_image_pull_secrets": ({"worker": {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}}, ("a", "b")),
    "worker_service_account": ({"worker": {"serviceAccountName": "media"}}, "media"),
    "worker_env": ({"worker": {"env": {"A": "q\"uo'te\n", "B": "2"}}}, {"A": "q\"uo'te\n", "B": "2"}),
    "worker_resources": (
        {"worker": {"resources": {"requests": {"cpu": 2}, "limits": {"memory": "3Gi"}}}},
        {"requests": {"cpu": 2, "memory": "256Mi"}, "limits": {"memory": "3Gi"}},
    ),
    "worker_backoff_limit": ({"worker": {"backoffLimit": 0}}, 0),
    "worker_active_deadline_seconds": ({"worker": {"activeDeadlineSeconds": 1_000_000}}, 1_000_000),
    "worker_pod_template": (
        {"worker": {"podTemplate": {"spec": {"terminationGracePeriodSeconds": 1_000_000}}}},
        {"spec": {"terminationGracePeriodSeconds": 1_000_000}},
    ),
}


def test_every_setting_has_a_case() -> None:
    assert set(Settings.model_fields) == CASES.keys() | NOT_VALUES.keys()


@pytest.mark.parametrize("field", CASES)
def test_value_reaches_the_setting(field: str, settings_of: Callable[[Json], Settings]) -> None:
    values, expected = CASES[field]
    assert getattr(settings_of(values), field) == expected


def test_defaults_of_chart_and_settings_agree(settings_of: Callable[[Json], Settings]) -> None:
    """Where they differ, the chart knows more: names, images and resources."""
    known = {"lease_name", "lists_command", "worker_image", "worker_resources"}
    code = Settings()
    chart = settings_of({})
    differing = {field for field in CASES if getattr(chart, field) != getattr(code, field)}
    assert differing == known


def test_workers_use_the_operators_image_by_default(settings_of: Callable[[Json], Settings]) -> None:
    assert settings_of({"image": {"tag": "7"}}).worker_image == "registry.example.com/videovector-operator:7"


def test_lists_command_finds_the_operator(settings_of: Callable[[Json], Settings]) -> None:
    command = "kubectl videovector files {name} -n {namespace} --operator-namespace media-system"
    assert settings_of({}).lists_command == command
    without = settings_of({"operatorApi": {"enabled": False}}).lists_command
    assert without.startswith("kubectl -n media-system exec deploy/vv-videovector-operator ")
    assert "{run}" in without


def test_the_api_can_be_left_out(settings_of: Callable[[Json], Settings]) -> None:
    assert settings_of({"operatorApi": {"enabled": False}}).api_port == 0


def test_secrets_come_by_reference_only() -> None:
    values = merge(OWN_DATABASE, {"catalog": {"workerExistingSecret": {"name": "workers", "key": "uri"}}})
    env = operator_env(render(values))
    for name, reference in (
        ("VIDEOVECTOR_CATALOG_DSN", {"name": "catalog-dsn", "key": "dsn"}),
        ("VIDEOVECTOR_CATALOG_WORKER_DSN", {"name": "workers", "key": "uri"}),
    ):
        assert env[name] == {"name": name, "valueFrom": {"secretKeyRef": reference}}


def test_every_variable_of_the_templates_is_a_setting() -> None:
    used = set()
    for template in (CHART / "templates").iterdir():
        used |= set(re.findall(rf"\b{PREFIX}[A-Z_]+", template.read_text()))
    assert {PREFIX + field.upper() for field in Settings.model_fields} >= used
    assert used


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Json], Settings]:
    """The Settings that the operator reads from the environment that the chart gives it."""

    def read(values: Json) -> Settings:
        for name, entry in operator_env(render(values)).items():
            if name.startswith(PREFIX) and "value" in entry:
                monkeypatch.setenv(name, entry["value"])
        return Settings()

    return read

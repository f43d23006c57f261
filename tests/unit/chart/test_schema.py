"""Wrong values are refused before anything reaches a cluster, by a message that names the value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.support.helm import CHART, OWN_DATABASE, Json, merge, refusal


def nested(path: str, value: object) -> Json:
    """{"a": {"b": value}} from "a.b"."""
    for part in reversed(path.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("operator.workers", "many"),
        ("operator.workers", 0),
        ("operator.replicas", -1),
        ("operator.leaseDurationSeconds", 1),
        ("operator.apiWritesPerSecond", 0),
        ("operator.httpPort", 70000),
        ("operator.logLevel", "debug"),
        ("operator.logFormat", "text"),
        ("operator.strategy", {"type": "Rolling"}),
        ("operator.resources", {"limits": ["1Gi"]}),
        ("operator.tolerations", {"key": "a"}),
        ("image.pullPolicy", "Sometimes"),
        ("image.digest", "sha256:123"),
        ("image.tag", 1.2),
        ("imagePullSecrets", ["pull"]),
        ("commonLabels", {"replicas": 2}),
        ("fullnameOverride", "Upper"),
        ("catalog.poolSize", 1000),
        ("catalog.migration.mode", "never"),
        ("catalog.postgresql.runAsUser", 0),
        ("catalog.postgresql.port", "5432"),
        ("catalog.postgresql.binDirectory", "usr/bin"),
        ("catalog.postgresql.settings", {"max_connections": 100}),
        ("catalog.postgresql.persistence.size", "big"),
        ("worker.backoffLimit", -1),
        ("worker.activeDeadlineSeconds", 0),
        ("worker.env", {"A": 1}),
        ("worker.podTemplate", {"nodeSelector": {}}),
        ("metrics.serviceMonitor.interval", "30"),
        ("podDisruptionBudget.maxUnavailable", "half"),
        ("networkPolicy.enabled", "yes"),
        ("operatorApi.port", 0),
        ("operatorApi.host", ""),
        ("operatorApi.clientCertificates", "yes"),
    ],
)
def test_bad_value_is_refused_by_its_name(path: str, value: object) -> None:
    assert "/" + path.replace(".", "/") in refusal(nested(path, value))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"watchNamespaces": ["Team"]}, "/watchNamespaces/0"),
        ({"watchNamespaces": ["a", "a"]}, "/watchNamespaces"),
        ({"watchNamespace": ["a"]}, "'watchNamespace'"),
        ({"worker": {"backoffLimt": 3}}, "'backoffLimt'"),
        ({"operator": {"livenessProbe": {"httpGet": {}}}}, "'httpGet'"),
    ],
)
def test_misspelt_or_unfit_name_is_refused(values: Json, named: str) -> None:
    assert named in refusal(values)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (nested("catalog.existingSecret.name", "dsn"), ("catalog.existingSecret.name", "catalog.postgresql.enabled=false")),
        (nested("catalog.postgresql.enabled", False), ("catalog.existingSecret.name", "catalog.postgresql.enabled=true")),
        (nested("catalog.migration.mode", "hook"), ("catalog.migration.mode=hook", "catalog.migration.mode=auto")),
        (nested("metrics.serviceMonitor.enabled", True), ("metrics.service.enabled=true",)),
        (nested("operatorApi", {"service": {"enabled": True}, "enabled": False}), ("operatorApi.enabled=true",)),
        (nested("operatorApi.service.enabled", True), ("operatorApi.tlsSecretName",)),
        (nested("operatorApi", {"service": {"enabled": True}, "tlsSecretName": "a"}), ("operatorApi.host=0.0.0.0",)),
        (nested("serviceAccount.create", False), ("serviceAccount.create", "serviceAccount.name")),
    ],
)  # fmt: skip
def test_contradiction_is_refused_with_the_fix(values: Json, named: tuple[str, ...]) -> None:
    message = refusal(values)
    for part in named:
        assert part in message


def test_own_database_may_migrate_by_hook() -> None:
    with pytest.raises(AssertionError, match="helm took"):
        refusal(merge(OWN_DATABASE, nested("catalog.migration.mode", "hook")))


def test_schema_knows_every_value_and_no_other() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    free = {"global"}
    assert _closed_paths(schema) - free == _paths(values, schema)


def test_readme_lists_every_value() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    listed = set(re.findall(r"^\| `([^`]+)`", (CHART / "README.md").read_text(), re.MULTILINE))
    # A row may stand for a group whose parts are Kubernetes' own.
    missing = {
        path for path in _paths(values, schema) if not any(path == row or path.startswith(row + ".") for row in listed)
    }
    assert not missing
    unknown = {
        row for row in listed if not any(path == row or path.startswith(row + ".") for path in _paths(values, schema))
    }
    assert not unknown


def _resolve(node: Json, schema: Json) -> Json:
    reference = node.get("$ref")
    found: Json = schema["definitions"][reference.rpartition("/")[2]] if reference else node
    return found


def _closed_paths(schema: Json) -> set[str]:
    """Every value that the schema names, as dotted paths of leaves."""
    return set(_walk(schema, schema, ""))


def _walk(node: Json, schema: Json, path: str) -> Iterator[str]:
    node = _resolve(node, schema)
    if "properties" in node and node.get("additionalProperties") is False and path not in _KUBERNETES_OWN:
        for name, child in node["properties"].items():
            yield from _walk(child, schema, f"{path}.{name}".lstrip("."))
    else:
        yield path


_KUBERNETES_OWN = frozenset(
    {"operator.strategy", "worker.podTemplate"}
    | {f"operator.{name}Probe" for name in ("startup", "liveness", "readiness")}
    | {f"{owner}.resources" for owner in ("operator", "worker", "catalog.migration", "catalog.postgresql")}
)


def _paths(values: Json, schema: Json) -> set[str]:
    """The same of values.yaml: down to where the schema leaves the rest to Kubernetes."""
    leaves = _closed_paths(schema)

    def walk(node: object, path: str) -> Iterator[str]:
        if path in leaves or not isinstance(node, dict) or not node:
            yield path
        else:
            for name, child in node.items():
                yield from walk(child, f"{path}.{name}".lstrip("."))

    return set(walk(values, ""))

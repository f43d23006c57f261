"""helm lint --strict over the values that people really set."""

from __future__ import annotations

import pytest

from tests.support.helm import CHART, IMAGE, OWN_DATABASE, Json, merge, run_helm

EVERYTHING: Json = {
    "imagePullSecrets": [{"name": "pull"}],
    "commonLabels": {"team": "media"},
    "operator": {
        "replicas": 2,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/etc/ca/ca.pem"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
        "priorityClassName": "system-cluster-critical",
        "podLabels": {"a": "b"},
        "podAnnotations": {"c": "d"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    },
    "metrics": {"service": {"enabled": True}, "serviceMonitor": {"enabled": True, "labels": {"release": "prom"}}},
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    "networkPolicy": {"enabled": True, "metricsFrom": [{"namespaceSelector": {}}]},
    "operatorApi": {
        "host": "0.0.0.0",
        "tlsSecretName": "api-tls",
        "service": {"enabled": True, "annotations": {"a": "b"}},
    },
    "worker": {"podTemplate": {"spec": {"nodeSelector": {"pool": "media"}}}, "env": {"AWS_REGION": "eu-central-1"}},
}
NAMESPACED: Json = {"watchNamespaces": ["team-a", "team-b"]}
DEBIAN_POSTGRESQL: Json = {
    "catalog": {
        "postgresql": {
            "image": "docker.io/local/postgresql:15",
            "binDirectory": "/usr/lib/postgresql/15/bin",
            "runAsUser": 100,
            "runAsGroup": 102,
            "listenAddresses": "127.0.0.1",
            "port": 15432,
            "persistence": {"enabled": False},
        }
    }
}
NOTHING_OURS: Json = {
    "crds": {"install": False},
    "rbac": {"create": False, "aggregateToUserRoles": False},
    "serviceAccount": {"create": False, "name": "operator"},
}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="defaults"),
        pytest.param(OWN_DATABASE, id="own database"),
        pytest.param(NAMESPACED, id="namespaced"),
        pytest.param(EVERYTHING, id="everything on"),
        pytest.param(DEBIAN_POSTGRESQL, id="another PostgreSQL image"),
        pytest.param(NOTHING_OURS, id="roles and CRDs by other means"),
    ],
)
def test_lint_finds_nothing(values: Json) -> None:
    done = run_helm("lint", "--strict", str(CHART), values=merge(IMAGE, values))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout
    assert "[ERROR]" not in done.stdout

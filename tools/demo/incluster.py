"""An S3 server (versitygw) as a pod, for clusters that cannot reach this machine's servers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tools.demo.errors import DemoError
from tools.demo.programs import Json, Kube
from tools.demo.site import NAMESPACE
from tools.demo.storage import Storage

# A registry's mirror, or another tag, can be named by this variable.
IMAGE = os.environ.get("VIDEOVECTOR_DEMO_S3_IMAGE", "docker.io/versity/versitygw:v1.8.0")
_NAME, _PORT, _ACCESS_KEY = "demo-s3", 7070, "demo-access"


def install_storage(kube: Kube, *, secret_key: str) -> Storage:
    """Apply the server and wait for it; its data lie in an emptyDir and go with its pod."""
    kube.ensure_namespace(NAMESPACE)
    kube.apply(*_manifests(secret_key))
    kube.run("rollout", "status", f"deployment/{_NAME}", "-n", NAMESPACE, "--timeout=180s", seconds=200)
    endpoint = f"http://{_NAME}.{NAMESPACE}.svc.cluster.local"
    return Storage(endpoint, _ACCESS_KEY, secret_key, reach=lambda: _forward(kube))


@contextmanager
def _forward(kube: Kube) -> Iterator[str]:
    """A port of this machine that leads to the server, for the upload."""
    command = [*kube.command(), "port-forward", "-n", NAMESPACE, f"deployment/{_NAME}", f":{_PORT}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found is None:
                raise DemoError(f"kubectl port-forward: {process.stderr.read() if process.stderr else line}")
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()


def _manifests(secret_key: str) -> list[Json]:
    labels = {"app.kubernetes.io/name": _NAME}
    metadata = {"name": _NAME, "namespace": NAMESPACE, "labels": labels}
    keys = {"ROOT_ACCESS_KEY": _ACCESS_KEY, "ROOT_SECRET_KEY": secret_key}
    deployment = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": _pod()},
    }
    service = {"selector": labels, "ports": [{"name": "s3", "port": 80, "targetPort": "s3"}]}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]


def _pod() -> Json:
    security = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "s3",
        "image": IMAGE,
        "args": ["--port", f":{_PORT}", "--health", "/healthz", "posix", "--sidecar", "/data/meta", "/data/buckets"],
        "envFrom": [{"secretRef": {"name": _NAME}}],
        "ports": [{"name": "s3", "containerPort": _PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "s3"}, "periodSeconds": 2},
        "volumeMounts": [
            {"name": "buckets", "mountPath": "/data/buckets"},
            {"name": "meta", "mountPath": "/data/meta"},
        ],
        "securityContext": security,
    }
    user = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
    return {
        "automountServiceAccountToken": False,
        "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": name, "emptyDir": {"sizeLimit": "1Gi"}} for name in ("buckets", "meta")],
    }

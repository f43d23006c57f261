"""An S3 server (versitygw) and a Cloud Storage server (fake-gcs-server) as pods, for clusters that cannot reach this machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tools.demo.errors import DemoError
from tools.demo.gcs import GcsPlace
from tools.demo.programs import Json, Kube
from tools.demo.site import NAMESPACE
from tools.demo.storage import Storage
from tools.testservers.gcs_accounts import make_account

_ACCESS_KEY = "demo-access"
_PROJECT = "videovector-demo"


@dataclass(frozen=True, slots=True)
class _Server:
    """One server as a Deployment with a Service; ``folders`` are emptyDirs and go with the pod."""

    name: str
    image: str
    port: int
    args: tuple[str, ...]
    probe: str
    folders: tuple[str, ...]

    @property
    def endpoint(self) -> str:
        """As pods see it."""
        return f"http://{self.name}.{NAMESPACE}.svc.cluster.local"


# Registries' mirrors, or other tags, can be named by these variables.
_S3 = _Server(
    "demo-s3",
    os.environ.get("VIDEOVECTOR_DEMO_S3_IMAGE", "docker.io/versity/versitygw:v1.8.0"),
    7070,
    ("--port", ":7070", "--health", "/healthz", "posix", "--sidecar", "/data/meta", "/data/buckets"),
    "/healthz",
    ("/data/buckets", "/data/meta"),
)
_GCS = _Server(
    "demo-gcs",
    os.environ.get("VIDEOVECTOR_DEMO_GCS_IMAGE", "docker.io/fsouza/fake-gcs-server:1.56.1"),
    4443,
    ("-scheme", "http", "-port", "4443", "-backend", "memory", "-public-host", "demo-gcs"),
    "/_internal/healthcheck",
    (),
)


def install_storage(kube: Kube, *, secret_key: str) -> Storage:
    """Apply the S3 server and wait for it."""
    keys = {"ROOT_ACCESS_KEY": _ACCESS_KEY, "ROOT_SECRET_KEY": secret_key}
    _install(kube, _S3, keys)
    return Storage(_S3.endpoint, _ACCESS_KEY, secret_key, reach=lambda: _forward(kube, _S3))


def install_archive(kube: Kube) -> GcsPlace:
    """Apply the Cloud Storage server and wait for it. It checks no credentials: any account's key will do."""
    _install(kube, _GCS, {})
    account, _ = make_account("importer", _PROJECT)

    def reach() -> AbstractContextManager[str]:
        return _forward(kube, _GCS)

    return GcsPlace(_GCS.endpoint, _PROJECT, account.key_file(), reach=reach)


def _install(kube: Kube, server: _Server, keys: dict[str, str]) -> None:
    kube.ensure_namespace(NAMESPACE)
    kube.apply(*_manifests(server, keys))
    kube.run("rollout", "status", f"deployment/{server.name}", "-n", NAMESPACE, "--timeout=180s", seconds=200)


@contextmanager
def _forward(kube: Kube, server: _Server) -> Iterator[str]:
    """A port of this machine that leads to the server, for the upload."""
    command = [*kube.command(), "port-forward", "-n", NAMESPACE, f"deployment/{server.name}", f":{server.port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found is None:
                raise DemoError(f"kubectl port-forward: {process.stderr.read() if process.stderr else line}")
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()


def _manifests(server: _Server, keys: dict[str, str]) -> list[Json]:
    labels = {"app.kubernetes.io/name": server.name}
    metadata = {"name": server.name, "namespace": NAMESPACE, "labels": labels}
    deployment = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": _pod(server)},
    }
    service = {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]


def _pod(server: _Server) -> Json:
    security = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    names = {folder: folder.rpartition("/")[2] for folder in server.folders}
    container = {
        "name": "server",
        "image": server.image,
        "args": list(server.args),
        "envFrom": [{"secretRef": {"name": server.name}}],
        "ports": [{"name": "http", "containerPort": server.port}],
        "readinessProbe": {"httpGet": {"path": server.probe, "port": "http"}, "periodSeconds": 2},
        "volumeMounts": [{"name": name, "mountPath": folder} for folder, name in names.items()],
        "securityContext": security,
    }
    user = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
    return {
        "automountServiceAccountToken": False,
        "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": name, "emptyDir": {"sizeLimit": "1Gi"}} for name in names.values()],
    }

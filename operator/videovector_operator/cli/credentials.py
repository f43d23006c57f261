"""Who the user is, for the operator's API: the token or the client certificate of their kubeconfig, also one from a login plugin.

Nothing here is printed or kept: certificates become files for the moment that the TLS library needs them.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videovector_operator.cli.failures import CommandError, unreachable

Json = dict[str, Any]
_PLUGIN_SECONDS = 300.0
_CLUSTER_FIELDS = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
    "disable-compression",
)
_PLUGIN_EXTENSION = "client.authentication.k8s.io/exec"
"""Name of the cluster's extension that client-go passes on as ``spec.cluster.config``."""
_IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A bearer token, or a client certificate with its key (PEM), or both."""

    token: str | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)

    def load_into(self, context: ssl.SSLContext, *, workspace: Path | None = None) -> None:
        """Give TLS the client certificate, if there is one; its files exist in ``workspace`` for a moment."""
        if self.certificate is None or self.key is None:
            return
        with tempfile.TemporaryDirectory(prefix="kubectl-videovector-", dir=workspace) as directory:
            certificate, key = Path(directory, "tls.crt"), Path(directory, "tls.key")
            certificate.write_bytes(self.certificate)
            key.touch(mode=0o600)
            key.write_bytes(self.key)
            try:
                context.load_cert_chain(certificate, key)
            except ssl.SSLError:
                raise unreachable("the client certificate of your kubeconfig and its key cannot be read") from None


RunPlugin = Callable[[Json, Json], Json]
"""Runs a login plugin: its kubeconfig entry and the cluster's → the ``status`` of its answer."""


def read_credentials(config: Json, run_plugin: RunPlugin | None = None) -> Credentials:
    """Read what the kubeconfig (of one context, flattened) says of its user. Raises CommandError when that does not do."""
    users = config.get("users") or ()
    if not users:
        return Credentials(token=_in_cluster_token())
    user: Json = users[0].get("user") or {}
    if user.get("as") or user.get("as-uid") or user.get("as-groups"):
        raise _unusable("it impersonates somebody, whom the operator has no way to verify")
    certificate, key = _decode(user, "client-certificate-data"), _decode(user, "client-key-data")
    found = Credentials(_token_of(user), certificate, key)
    if found.token is None and found.certificate is None and user.get("exec"):
        cluster = ((config.get("clusters") or [{}])[0]).get("cluster") or {}
        found = _of_plugin((run_plugin or run_login_plugin)(user["exec"], cluster))
    if found.token is None and found.certificate is None:
        raise _unusable("it has neither a token nor a client certificate")
    return found


def _token_of(user: Mapping[str, Any]) -> str | None:
    if path := user.get("tokenFile"):
        try:
            return Path(str(path)).read_text(encoding="utf-8").strip() or None
        except OSError as error:
            raise _unusable(f"its tokenFile cannot be read: {error.strerror}") from None
    if token := user.get("token"):
        return str(token)
    # kubectl has renewed it with the request before this one.
    token = ((user.get("auth-provider") or {}).get("config") or {}).get("id-token")
    return str(token) if token else None


def _decode(user: Mapping[str, Any], name: str) -> bytes | None:
    text = user.get(name)
    if not text:
        return None
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        raise _unusable(f"its {name} is not base64") from None


def _of_plugin(status: Json) -> Credentials:
    certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
    return Credentials(
        str(status["token"]) if status.get("token") else None,
        str(certificate).encode() if certificate and key else None,
        str(key).encode() if certificate and key else None,
    )


def run_login_plugin(plugin: Json, cluster: Json) -> Json:
    """Run the plugin as kubectl does (client.authentication.k8s.io); it may talk to the user on standard error."""
    command = [str(plugin.get("command") or ""), *(str(part) for part in plugin.get("args") or ())]
    interactive = sys.stdin.isatty() and plugin.get("interactiveMode") != "Never"
    environment = dict(os.environ) | {str(entry["name"]): str(entry["value"]) for entry in plugin.get("env") or ()}
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(build_exec_info(plugin, cluster, interactive=interactive))
    stdin = None if interactive else subprocess.DEVNULL
    try:
        done = subprocess.run(  # noqa: S603 - the command that the user's kubeconfig names, as kubectl runs it
            command, env=environment, stdin=stdin, stdout=subprocess.PIPE, check=False, timeout=_PLUGIN_SECONDS
        )
    except OSError as error:
        raise _unusable(f"its login plugin {command[0]!r} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise _unusable(f"its login plugin {command[0]!r} does not end") from None
    if done.returncode != 0:
        raise _unusable(f"its login plugin {command[0]!r} failed (exit code {done.returncode})")
    try:
        parsed = json.loads(done.stdout)
    except ValueError:
        parsed = None
    status = parsed.get("status") if isinstance(parsed, dict) else None
    if not isinstance(status, dict):
        raise _unusable(f"the answer of its login plugin {command[0]!r} is no ExecCredential with a status")
    return status


def build_exec_info(plugin: Json, cluster: Json, *, interactive: bool) -> Json:
    """Build what a login plugin is told: of the cluster only if it asks, with what the kubeconfig keeps there for plugins."""
    spec: Json = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = {name: cluster[name] for name in _CLUSTER_FIELDS if name in cluster}
        for entry in cluster.get("extensions") or ():
            if entry.get("name") == _PLUGIN_EXTENSION:
                spec["cluster"]["config"] = entry.get("extension")
    return {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": spec}


def _in_cluster_token() -> str:
    try:
        return _IN_CLUSTER_TOKEN.read_text(encoding="ascii").strip()
    except OSError:
        raise _unusable("there is none, and this is no pod with a service account") from None


def _unusable(why: str) -> CommandError:
    return unreachable(f"the operator cannot be asked with your kubeconfig: {why}")

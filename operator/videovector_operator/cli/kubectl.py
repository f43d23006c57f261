"""kubectl as the way to the cluster: whatever logs it in (certificates, tokens, plugins, proxies, impersonation) logs us in too.

A plugin has kubectl beside it by its nature. `kubectl proxy` on a Unix socket that only this user can open is up in 50 ms, where
the Kubernetes client for Python takes more than a second to import; and it answers with HTTP, not with text to be guessed at.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from videovector_operator.cli.children import Child
from videovector_operator.cli.failures import unreachable
from videovector_operator.cli.kubeconfig import kubeconfig_files, resolve_paths
from videovector_operator.cli.ports import Target

Json = dict[str, Any]
_START_SECONDS = 20.0
_CONFIG_SECONDS = 20.0
_FORWARD_SECONDS = 60.0
_IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Kubectl:
    """The kubectl on PATH, for one context."""

    def __init__(self, target: Target) -> None:
        found = shutil.which("kubectl")
        if found is None:
            raise unreachable("there is no kubectl on PATH: kubectl videovector needs it to reach the cluster")
        self._command = [found]
        self._files = kubeconfig_files(target.kubeconfig, os.environ, Path.home())
        if target.kubeconfig:
            self._command.append(f"--kubeconfig={target.kubeconfig}")
        if target.context:
            self._command.append(f"--context={target.context}")

    @contextmanager
    def proxying(self) -> Iterator[Path]:
        """Serve the Kubernetes API on a Unix socket, in a directory that only this user can enter."""
        with tempfile.TemporaryDirectory(prefix="kubectl-videovector-") as directory:
            path = Path(directory, "api")
            command = [*self._command, "proxy", f"--unix-socket={path}"]
            with Child(command, re.compile("Starting to serve"), _START_SECONDS):
                yield path

    @contextmanager
    def forwarding(self, namespace: str, pod: str, port: int) -> Iterator[int]:
        """Forward a free local port to a port of a pod's own loopback."""
        command = [*self._command, "port-forward", f"--namespace={namespace}", "--address=127.0.0.1"]
        command += [f"pod/{pod}", f":{port}"]
        with Child(command, re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)"), _FORWARD_SECONDS) as child:
            assert child.match is not None
            yield int(child.match[1])

    def read_config(self) -> Json:
        """The kubeconfig of this context alone: with its credentials, with files read in, other paths absolute. Holds secrets."""
        try:
            done = subprocess.run(  # noqa: S603 - kubectl, with arguments as a list
                [*self._command, "config", "view", "--raw", "--minify", "--flatten", "--output=json"],
                capture_output=True,
                check=False,
                timeout=_CONFIG_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise unreachable("kubectl config view does not end") from None
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            if "current-context must exist" in said or "no configuration has been provided" in said:
                return {}
            raise unreachable(f"the kubeconfig cannot be read: {said}")
        parsed = json.loads(done.stdout)
        return resolve_paths(parsed, self._files) if isinstance(parsed, dict) else {}


def namespace_of(config: Json) -> str:
    """The namespace of the context; without a kubeconfig that of the pod that we run in; else default."""
    contexts = config.get("contexts") or ()
    if contexts:
        return str((contexts[0].get("context") or {}).get("namespace") or "default")
    try:
        return _IN_CLUSTER_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return "default"

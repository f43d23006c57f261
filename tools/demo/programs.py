"""Run kubectl and helm on one cluster, and name the command that installs a missing program."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.demo.errors import DemoError

Json = dict[str, Any]

_INSTALL = {
    "ffmpeg": "apt-get install -y --no-install-recommends ffmpeg",
    "docker": "apt-get install -y docker.io (or any other Docker engine)",
    "kind": "go install sigs.k8s.io/kind@latest",
    "kubectl": "make cluster-programs (then put .cache/bin on PATH), or your distribution's package of kubectl",
    "helm": "make cluster-programs (then put .cache/bin on PATH), or your distribution's package of helm",
}


def require(*names: str) -> None:
    """Raise DemoError with the installing commands if a program is missing."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise DemoError("\n".join(f"{name} is missing; install it with\n  {_INSTALL[name]}" for name in missing))


def run(command: Sequence[str], *, stdin: str | None = None, seconds: float = 600.0) -> str:
    """Run to the end and answer its output. Raises DemoError with what it said."""
    shown = " ".join(part for part in command if not part.startswith("--kubeconfig"))
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise DemoError(f"no end after {seconds:.0f} s: {shown}") from None
    if done.returncode != 0:
        raise DemoError(f"{shown}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Kube:
    """One cluster as kubectl and helm see it."""

    kubectl: str = "kubectl"
    helm: str = "helm"
    kubeconfig: str | None = None
    context: str | None = None

    def run(self, *arguments: str, stdin: str | None = None, seconds: float = 120.0) -> str:
        """Run kubectl and answer its output."""
        return run([*self.command(), *arguments], stdin=stdin, seconds=seconds)

    def command(self) -> list[str]:
        """Kubectl with the options that name this cluster."""
        options = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        return [self.kubectl, *options, *([f"--context={self.context}"] if self.context else [])]

    def run_helm(self, *arguments: str, stdin: str | None = None, seconds: float = 600.0) -> str:
        """Run helm and answer its output."""
        options = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        context = [f"--kube-context={self.context}"] if self.context else []
        return run([self.helm, *options, *context, *arguments], stdin=stdin, seconds=seconds)

    def apply(self, *manifests: Json) -> None:
        """Apply manifests, as a user would."""
        self.run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))

    def get(self, kind: str, name: str, namespace: str | None = None) -> Json:
        """Read one object."""
        scope = ["-n", namespace] if namespace else []
        found: Json = json.loads(self.run("get", kind, name, *scope, "-o", "json"))
        return found

    def items(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Json]:
        """List objects."""
        scope = ["-n", namespace] if namespace else []
        selected = ["-l", selector] if selector else []
        found: list[Json] = json.loads(self.run("get", kind, *scope, *selected, "-o", "json"))["items"]
        return found

    def ensure_namespace(self, name: str) -> None:
        """Create a namespace unless it is there."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

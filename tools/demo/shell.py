"""A shell of the user's own: what it needs, so that the demo's commands can be pasted into it, and how the demo runs them itself."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tools.demo.errors import DemoError
from tools.demo.programs import Kube
from tools.demo.site import NAMESPACE

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Shell:
    """kubectl and its plugin on one cluster. What is printed is run to the letter, after the same exports."""

    kube: Kube
    plugin: Path

    def exports(self) -> list[str]:
        """Lines that a shell takes once, before any of the commands."""
        kubeconfig = self.kube.kubeconfig
        found = [str(self.plugin.parent), *([str(Path(self.kube.kubectl).parent)] if "/" in self.kube.kubectl else [])]
        path = shlex.quote(":".join(dict.fromkeys(found)))
        return [
            *([f"export KUBECONFIG={shlex.quote(kubeconfig)}"] if kubeconfig else []),
            f'export PATH={path}:"$PATH"',
        ]

    def kubectl(self, *arguments: str, namespace: str = NAMESPACE) -> str:
        """A command line; namespace and context stand at its end, where plugins take them too."""
        context = [f"--context={self.kube.context}"] if self.kube.context else []
        return shlex.join(["kubectl", *arguments, "-n", namespace, *context])

    def run(self, line: str, *, answers: Collection[int] = (0,)) -> str:
        """Run a command line; answer what it prints, then what it says beside that (standard error).

        Raises DemoError when its exit code is none of ``answers``.
        """
        script = "\n".join((*self.exports(), line))
        try:
            done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise DemoError(f"no end after {_SECONDS:.0f} s: {line}") from None
        if done.returncode not in answers:
            raise DemoError(f"{line}: {(done.stderr or done.stdout).strip()}")
        return done.stdout + done.stderr

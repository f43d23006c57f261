"""`kubectl videovector …` as users run it: by kubectl, from PATH, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.operator_process import ROOT

_SECONDS = 120.0
_ENTRIES = {"kubectl-videovector": "main", "kubectl_complete-videovector": "complete"}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed."""
        return self.out.splitlines()


class Plugin:
    """The plugin, installed into a directory of its own."""

    def __init__(self, directory: Path, kubectl: str) -> None:
        self._kubectl = kubectl
        self._path = f"{directory}:{Path(kubectl).parent}:{os.environ['PATH']}"
        for name, function in _ENTRIES.items():
            script = directory / name
            text = f"import sys\nsys.path.insert(0, {str(ROOT / 'operator')!r})\nfrom videovector_operator.app.plugin import {function}\n{function}()\n"
            script.write_text(f"#!{sys.executable}\n{text}")
            script.chmod(0o755)

    def run(self, kubeconfig: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
        """Run one command to its end."""
        done = subprocess.run(
            [self._kubectl, "videovector", *arguments],
            env=self._environment(kubeconfig, env),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def complete(self, kubeconfig: Path, *words: str) -> list[str]:
        """What kubectl offers for the last word."""
        done = subprocess.run(
            [self._kubectl, "__complete", "videovector", *words],
            env=self._environment(kubeconfig, None),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
        return [line for line in done.stdout.splitlines() if not line.startswith(":")]

    def start(self, kubeconfig: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command that goes on. A shell starts background jobs with SIGINT ignored: here it is as at a terminal."""
        return subprocess.Popen(
            ["/usr/bin/env", "--default-signal=INT,HUP,TERM", self._kubectl, "videovector", *arguments],
            env=self._environment(kubeconfig, env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _environment(self, kubeconfig: Path, env: Mapping[str, str] | None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VIDEOVECTOR_")}
        # Wide help: typer asks the terminal, and there is none.
        return {**kept, "PATH": self._path, "KUBECONFIG": str(kubeconfig), "COLUMNS": "200", **(env or {})}


def children_of(pid: int) -> list[str]:
    """Command lines of a process's children."""
    found = []
    for task in Path("/proc").glob("[0-9]*"):
        try:
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            command = (task / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(command)
    return found


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
    """End a command with a signal and wait for it."""
    process.send_signal(number)
    process.communicate(timeout=60)
    return process.returncode


def all_commands() -> list[str]:
    """Command lines of every process of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found

"""The kubectl plugin out of this checkout: a launcher on a PATH of its own, and how the demo runs it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.demo.errors import DemoError
from tools.demo.programs import Kube
from tools.demo.site import NAMESPACE
from tools.devcluster.layout import REPOSITORY

_NAME = "kubectl-videovector"
_SECONDS = 60.0


def install_plugin(directory: Path) -> Path:
    """Write the launcher below ``directory``; answer it. `pip install .` would make the same program."""
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts[_NAME].partition(":")
    code = f"import sys; from {module} import {function}; sys.argv[0] = '{_NAME}'; sys.exit({function}())"
    launcher = directory / "bin" / _NAME
    launcher.parent.mkdir(parents=True, exist_ok=True)
    command = shlex.join([sys.executable, "-c", code])
    launcher.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(REPOSITORY / "operator"))} exec {command} "$@"\n')
    launcher.chmod(0o755)
    return launcher


def run_plugin(kube: Kube, plugin: Path, *arguments: str) -> str:
    """Run ``kubectl videovector …`` on the demo's namespace; answer what it prints. Raises DemoError when it does not work.

    Exit code 1 is an answer: something that was asked about is not as it should be.
    """
    options = ["-n", NAMESPACE]
    options += ["--context", kube.context] if kube.context else []
    folders = [str(plugin.parent), *([str(Path(kube.kubectl).parent)] if "/" in kube.kubectl else [])]
    environment = {**os.environ, "PATH": os.pathsep.join((*folders, os.environ["PATH"]))}
    if kube.kubeconfig:
        environment["KUBECONFIG"] = kube.kubeconfig
    command = [kube.kubectl, "videovector", *arguments, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environment)
    if done.returncode not in (0, 1):
        raise DemoError(f"kubectl videovector {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout

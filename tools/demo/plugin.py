"""The kubectl plugin out of this checkout: a launcher in a folder of its own, which goes on PATH."""

from __future__ import annotations

import shlex
import sys
import tomllib
from pathlib import Path

from tools.devcluster.layout import REPOSITORY

_NAME = "kubectl-videovector"


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

"""The plugin alone needs four packages (docs/cli.md): here it has these and what they need, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
NEEDED = ("typer", "rich", "pyyaml", "typing-extensions")
COMMANDS = ("browse", "test", "files", "logs", "cancel", "status")
HELP = """
import sys
from videovector_operator.app.plugin import main
for arguments in {!r}:
    sys.argv = ["kubectl-videovector", *arguments, "--help"]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, arguments
"""
IMPORT_ALL = """
import sys
sys.modules["pydantic"] = None  # newer versions of typer bring it; the plugin itself must not need it
import importlib, pkgutil, videovector_operator.app.plugin, videovector_operator.cli as cli
print([importlib.import_module(f"{cli.__name__}.{found.name}").__name__ for found in pkgutil.iter_modules(cli.__path__)])
"""
PRINT_ALL = """
from videovector_operator.cli import output
print(output.dump_yaml({"a": "b"}), output.dump_json({}), output.human_size(1))
output.TableWriter(("A",)).write([("b",)])
import sys
sys.stderr.isatty = lambda: True
with output.working("it works"):
    pass
"""


def closure(*names: str) -> set[str]:
    """The distributions and everything that they need here."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        wanted = [Requirement(text) for text in distribution(name).requires or ()]
        left += [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four packages and what they need, as `pip install` would fill it."""
    folder = tmp_path_factory.mktemp("packages")
    for name in closure(*NEEDED):
        installed = distribution(name)
        for top in {path.parts[0] for path in installed.files or () if not path.parts[0].startswith(".")}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(installed.locate_file(top))))
    return folder


def run(packages: Path, text: str) -> str:
    """Run a program that can import the standard library, the project and these packages."""
    env = {"PYTHONPATH": f"{ROOT / 'operator'}:{packages}", "PATH": "/nowhere", "TERM": "xterm"}
    done = subprocess.run([sys.executable, "-S", "-c", text], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_else_can_be_imported(packages: Path) -> None:
    text = (
        "import importlib.util as u; print([u.find_spec(name) for name in ('aiohttp', 'wcmatch', 'kopf', 'structlog')])"
    )
    assert run(packages, text) == "[None, None, None, None]\n"


def test_every_module_of_the_plugin_can_be_imported(packages: Path) -> None:
    assert "videovector_operator.cli.connection_test" in run(packages, IMPORT_ALL)


def test_every_command_has_help(packages: Path) -> None:
    told = run(packages, HELP.format([(), *((command,) for command in COMMANDS)]))
    for command in ("COMMAND", *COMMANDS):
        assert (
            f"Usage: kubectl-videovector [OPTIONS] {command}" in told or f"Usage: kubectl-videovector {command}" in told
        )


def test_what_is_imported_when_it_is_used_is_there(packages: Path) -> None:
    assert run(packages, PRINT_ALL).startswith("a: b\n")

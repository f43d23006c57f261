"""What the demo prints can be pasted: into another shell, the commands say the same again."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tools.demo import report
from tools.demo.errors import DemoError
from tools.demo.plugin import install_plugin
from tools.demo.programs import Kube
from tools.demo.shell import Shell

# Says what it was asked, and something beside that.
KUBECTL = """#!/bin/sh
printf '%s\\n' "kubeconfig=$KUBECONFIG" "$@"
echo "there are more" >&2
exit {code}
"""
JOB = {"metadata": {"name": "first-import"}, "status": {"id": "job_1"}}


def make_shell(folder: Path, *, code: int = 0, context: str | None = None) -> Shell:
    """A shell with a kubectl that only talks, below a path that has to be quoted."""
    programs = folder / "the user's programs"
    programs.mkdir()
    kubectl = programs / "kubectl"
    kubectl.write_text(KUBECTL.format(code=code))
    kubectl.chmod(0o755)
    kube = Kube(str(kubectl), kubeconfig=str(folder / "its kube config"), context=context)
    return Shell(kube, folder / "bin" / "kubectl-videovector")


def paste(*lines: str) -> subprocess.CompletedProcess[str]:
    """Paste lines into a shell that knows nothing of the demo."""
    script = "\n".join(lines)
    return subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", script], capture_output=True, text=True, check=False
    )


def test_a_command_is_printed_as_it_was_run_with_all_that_it_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = make_shell(tmp_path, context="arn:aws:eks:eu-central-1:1:cluster/studio")
    report.print_exports(shell)
    exports = capsys.readouterr().out.splitlines()[1:-1]
    report.print_plugin(
        shell, "What is there", "browse", "archive", "--pattern", "*.{mp4,mov}", "--prefix", "long/" * 30
    )
    _, command, *said = capsys.readouterr().out.splitlines()

    pasted = paste(*exports, command)

    assert said[-2:] == ["there are more", ""]
    assert pasted.stdout.splitlines() == said[:-2]
    assert said[:-2] == [
        f"kubeconfig={tmp_path}/its kube config",
        *("videovector", "browse", "archive", "--pattern", "*.{mp4,mov}", "--prefix", "long/" * 30),
        *("-n", "videovector-demo", "--context=arn:aws:eks:eu-central-1:1:cluster/studio"),
    ]


def test_the_objects_are_those_of_the_demos_namespace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.print_objects(make_shell(tmp_path))
    assert capsys.readouterr().out.splitlines()[1:-2] == [
        "kubectl get connectors,indexes,importjobs -o wide -n videovector-demo",
        f"kubeconfig={tmp_path}/its kube config",
        *("get", "connectors,indexes,importjobs", "-o", "wide", "-n", "videovector-demo"),
    ]


def test_what_to_try_next_can_be_pasted_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.print_next(make_shell(tmp_path), JOB)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()[1:]]
    exports = [line for line in lines if line.startswith("export ")]
    commands = [line for line in lines if line.startswith("kubectl ")]
    assert len(exports) == 2
    assert len(commands) == 8
    for command in commands:
        pasted = paste(*exports, command)
        assert pasted.returncode == 0
        words = pasted.stdout.splitlines()
        assert words[words.index("-n") + 1] == ("videovector-system" if "-f" in words else "videovector-demo")
        assert not [word for word in words if "$(" in word]
    assert re.search(r"requestedAt=\d+$", paste(*exports, commands[-1]).stdout)


def test_a_bad_answer_of_the_plugin_is_shown_and_a_failure_of_kubectl_ends_the_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = make_shell(tmp_path, code=1)
    report.print_plugin(shell, "What is wrong", "status")
    assert "there are more" in capsys.readouterr().out
    with pytest.raises(DemoError, match=r"^kubectl get connectors.* -n videovector-demo: there are more$"):
        report.print_objects(shell)


def test_the_plugin_ends_the_demo_when_nobody_can_tell(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"^kubectl videovector status -n videovector-demo: there are more$"):
        report.print_plugin(make_shell(tmp_path, code=3), "What is wrong", "status")


def test_a_cluster_of_the_users_own_needs_the_plugin_alone(tmp_path: Path) -> None:
    shell = Shell(Kube(context="studio"), install_plugin(tmp_path))
    assert shell.exports() == [f'export PATH={tmp_path}/bin:"$PATH"']
    assert "Usage: kubectl-videovector" in paste(*shell.exports(), "kubectl-videovector --help").stdout

"""The command line as such: which cluster, interrupts, help, what is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.plugin_desk import PluginDesk
from tests.support.samples import NAMESPACE, connector_manifest
from videovector_operator.cli.completion import complete_for_kubectl
from videovector_operator.cli.failures import unreachable
from videovector_operator.cli.ports import Target
from videovector_operator.cli.program import PROGRAM, program

ROOT = Path(__file__).parents[3]


def test_options_may_stand_before_or_behind_the_command(desk: PluginDesk) -> None:
    desk.run("-n", "team", "--context", "prod", "status")
    desk.run("status", "-n", "team", "--context", "prod", "--kubeconfig", "file")
    desk.run("-n", "other", "--kubeconfig", "old", "status", "-n", "team")
    desk.run("status")
    assert desk.targets == [
        Target("team", "prod"),
        Target("team", "prod", "file"),
        Target("team", None, "old"),
        Target(),
    ]


def test_the_operators_place_may_come_from_the_environment(desk: PluginDesk) -> None:
    env = {"KUBECTL_VIDEOVECTOR_OPERATOR_NAMESPACE": "ops", "KUBECTL_VIDEOVECTOR_SERVER": "https://x"}
    desk.operator.failure = unreachable("enough")
    CliRunner().invoke(program, ["browse", "a"], obj=desk.ports(), env=env)
    assert (desk.places[0].namespace, desk.places[0].server) == ("ops", "https://x")


def test_an_interrupt_is_130_and_leaves_nothing_open(desk: PluginDesk) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    desk.cluster.apply(connector_manifest())
    desk.on_sleep = interrupt
    assert desk.run("test", "footage").exit_code == 130
    assert desk.open_sessions == 0


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), (), *((name, "-h") for name in ("browse", "test", "files", "logs", "cancel", "status"))])  # fmt: skip
def test_help_asks_nobody(desk: PluginDesk, arguments: tuple[str, ...]) -> None:
    result = desk.run(*arguments)
    assert "Usage" in result.output
    assert desk.targets == []


@pytest.mark.parametrize("arguments", [("nonsense",), ("status", "--nonsense"), ("cancel",), ("status", "extra")])
def test_usage_errors_are_2(desk: PluginDesk, arguments: tuple[str, ...]) -> None:
    assert desk.run(*arguments).exit_code == 2
    assert desk.targets == []


NO_TEXT = {
    "a reason": ("files", "first", "--reason", "\udcff"),
    "a namespace of the operator": ("browse", "a", "--operator-namespace", "\udcff"),
    "a server": ("browse", "a", "--server", "https://\udcff"),
    "its authority": ("files", "a", "--server-ca", "\udcff.pem"),
    "a name": ("logs", "\udcff"),
    "a namespace": ("status", "-n", "\udcff"),
    "a state": ("files", "a", "--state", "\udcff"),
    "a command": ("\udcff",),
    "an option": ("status", "--\udcff"),
}


@pytest.mark.parametrize("name", NO_TEXT)
def test_what_is_not_utf_8_is_a_usage_error(desk: PluginDesk, name: str) -> None:
    result = desk.run(*NO_TEXT[name])
    assert (result.exit_code, desk.targets, desk.places) == (2, [], []), result.output


def test_what_is_not_utf_8_in_the_environment_is_one_too(desk: PluginDesk) -> None:
    env = {"KUBECTL_VIDEOVECTOR_SERVER": "https://\udcff"}
    assert CliRunner().invoke(program, ["browse", "a"], obj=desk.ports(), env=env).exit_code == 2
    assert desk.places == []


def complete(desk: PluginDesk, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    complete_for_kubectl(arguments, lambda: program(prog_name=PROGRAM, obj=desk.ports()))
    return capsys.readouterr().out.splitlines()


@pytest.fixture
def connectors(desk: PluginDesk, capsys: pytest.CaptureFixture[str]) -> PluginDesk:
    for name in ("archive", "footage", "forest"):
        desk.cluster.apply(connector_manifest(name))
    return desk


def test_commands_are_completed(connectors: PluginDesk, capsys: pytest.CaptureFixture[str]) -> None:
    lines = complete(connectors, capsys, "")
    assert [line.partition("\t")[0] for line in lines] == ["browse", "test", "files", "logs", "cancel", "status", ":4"]
    assert complete(connectors, capsys, "st")[0].startswith("status\t")


def test_options_are_completed(connectors: PluginDesk, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete(connectors, capsys, "files", "--st") == ["--state\tOnly files in this state.", ":4"]
    assert complete(connectors, capsys, "files", "--state", "imp") == ["imported", ":4"]


def test_names_are_completed_from_the_cluster(connectors: PluginDesk, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete(connectors, capsys, "browse", "") == ["archive", "footage", "forest", ":4"]
    assert complete(connectors, capsys, "test", "fo") == ["footage", "forest", ":4"]
    assert complete(connectors, capsys, "-n", "team", "--context", "prod", "browse", "f") == [":4"]
    assert complete(connectors, capsys, "browse", "--kubeconfig", "file", "-n", NAMESPACE, "ar") == ["archive", ":4"]
    assert connectors.targets[-2:] == [Target("team", "prod"), Target(NAMESPACE, None, "file")]


def test_completion_never_fails(connectors: PluginDesk, capsys: pytest.CaptureFixture[str]) -> None:
    connectors.kubernetes.failures["list", "Connector"] = unreachable("the Kubernetes API did not answer")
    assert complete(connectors, capsys, "browse", "") == [":4"]
    assert complete(connectors, capsys, "nonsense", "--", "'\"")[-1] == ":4"


HEAVY = {"kopf", "kubernetes", "aiohttp", "pydantic", "psycopg", "botocore", "structlog", "rich", "yaml", "asyncio"}


def test_what_takes_long_is_not_imported_at_the_start() -> None:
    text = "import sys, videovector_operator.app.plugin; print(' '.join(sys.modules))"
    env = {"PYTHONPATH": str(ROOT / "operator")}
    done = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()

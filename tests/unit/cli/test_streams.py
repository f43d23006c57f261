"""Standard output and signals of the whole program: a process of its own, over fakes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from tests.support.plugin_desk import PluginDesk
from videovector_operator.app.plugin import run_plugin
desk = PluginDesk()
{prepare}
sys.argv = ["kubectl-videovector", *{arguments!r}]
run_plugin(desk.ports())
"""
FILE = {"size_bytes": 20, "state": "failed", "reason": "", "message": "", "media_id": None, "attempts": 1}
PAGES = f"desk.operator.pages = [{{'items': [{{'path': f'ü/{{n:0200}}', **{FILE!r}}} for n in range(1000)], 'next': 'x'}}] * 90"
ONE_PAGE = f"desk.operator.pages = [{{'items': [{{'path': 'ü\\ud800🎬.mp4', **{FILE!r}}}], 'next': None}}]"
STATUS = "from tests.support.samples import connector_manifest; desk.cluster.apply(connector_manifest())"
LOGS = """
import threading
from tests.unit.cli.test_logs import FIRST, add_pod
from tests.support.samples import import_manifest
def stuck():
    yield "one"
    threading.Event().wait()
desk.cluster.apply(import_manifest())
desk.cluster.edit_status(FIRST, {"phase": "Importing"})
add_pod(desk, "worker-a", [f"{n:0200}" for n in range(100_000)])
add_pod(desk, "worker-b", stuck())
"""
COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "much": (("files", "first", "-o", "json"), PAGES),
    "little, which is written at the end": (("status",), STATUS),
    "logs that are followed": (("logs", "first", "--follow"), LOGS),
    "help": (("files", "--help"), ""),
    "a refusal on the same pipe": (("status", "--nonsense"), ""),
}


def start(
    arguments: tuple[str, ...], prepare: str, *, env: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
) -> subprocess.Popen[bytes]:
    # In ASCII: the locale may not know more.
    text = PROGRAM.format(prepare=prepare, arguments=arguments).encode("ascii", "backslashreplace").decode()
    return subprocess.Popen(
        [*before, sys.executable, "-c", text],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}", "PYTHONUTF8": "0", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def end(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_has_enough_ends_it_quietly(name: str) -> None:
    arguments, prepare = COMMANDS[name]
    wait = "import os; os.read(0, 1)\n"
    text = wait + PROGRAM.format(prepare=prepare, arguments=arguments)
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", text],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"},
        stdin=subprocess.PIPE,
        stdout=writing,
        stderr=writing if "refusal" in name else subprocess.PIPE,
    )
    os.close(writing)
    if name == "much":
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
        assert os.read(reading, 1) == b"["
    os.close(reading)
    _, err = process.communicate(b"x" if name != "much" else None, timeout=60)
    assert (process.returncode, err or b"") == (141, b"")


def test_a_reader_that_is_stuck_can_be_left() -> None:
    process = start(*COMMANDS["much"], before=("/usr/bin/env", "--default-signal=INT"))
    assert process.stdout is not None
    assert process.stdout.read(1) == b"["
    # Nobody reads on, so the pipe is full soon. The first interrupt ends the command, the second the writing of the rest.
    deadline = time.monotonic() + 60
    while process.poll() is None:
        assert time.monotonic() < deadline, "it waits for its reader"
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
    assert process.stderr is not None
    assert (process.returncode, process.stderr.read()) == (130, b"")


def test_an_output_that_cannot_be_written_is_told() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    process = start(*COMMANDS["much"], before=("/bin/sh", "-c", 'exec "$@" > /dev/full', "sh"))
    assert end(process) == (3, b"", b"error: the output cannot be written: No space left on device\n")


def test_a_closed_output_is_no_failure() -> None:
    assert end(start(("status",), STATUS, before=("/bin/sh", "-c", 'exec "$@" >&-', "sh")))[0] == 0


@pytest.mark.parametrize("output", ["csv", "json"])
def test_an_output_that_is_not_utf_8_gets_escapes(output: str) -> None:
    env = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
    code, out, err = end(start(("files", "first", "-o", output), ONE_PAGE, env=env))
    assert (code, err) == (0, b"")
    if output == "json":
        assert json.loads(out)[0]["path"] == "ü\ud800🎬.mp4"
    else:
        assert b"\\xfc\\ud800\\U0001f3ac.mp4" in out


def test_yaml_for_an_output_that_is_not_utf_8() -> None:
    prepare = "desk.operator.pages = [{'items': [], 'prefixes': ['ü/'], 'truncated': False, 'scanned': 1}]"
    env = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    code, out, _ = end(start(("browse", "footage", "-o", "yaml"), prepare, env=env))
    assert code == 0
    assert b'- "\\xFC/"' in out


SIGNALS = """
import signal
from typer import Exit
def act(_):
    print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, flush=True)
    raise KeyboardInterrupt
desk.on_sleep = act
from tests.support.samples import connector_manifest
desk.cluster.apply(connector_manifest())
"""


@pytest.mark.parametrize(("option", "ignored"), [("--ignore-signal=HUP", b"True"), ("--default-signal=HUP", b"False")])
def test_a_hangup_that_is_ignored_stays_ignored(option: str, ignored: bytes) -> None:
    process = start(("test", "footage"), SIGNALS, before=("/usr/bin/env", option))
    code, out, _ = end(process)
    assert (code, out.strip()) == (128 + signal.SIGINT, ignored)

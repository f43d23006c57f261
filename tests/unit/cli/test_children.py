"""Programs that serve a command: ready or explained, and always ended. Real processes."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import time
from pathlib import Path

import pytest

from videovector_operator.cli.children import Child
from videovector_operator.cli.failures import CommandError

READY = re.compile(r"listening on (\d+)")
SERVE = "import os, sys, time; print('listening on', os.getpid(), flush=True); time.sleep(60)"


def child(text: str) -> Child:
    return Child([sys.executable, "-c", text], READY, 20.0, patience=0.3)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_is_ready_and_then_gone() -> None:
    with child(SERVE) as running:
        assert running.match is not None
        pid = int(running.match[1])
        assert running.is_running
    assert is_gone(pid)


def test_it_is_gone_when_the_command_fails() -> None:
    pids = []
    with contextlib.suppress(RuntimeError), child(SERVE) as running:
        assert running.match is not None
        pids.append(int(running.match[1]))
        raise RuntimeError
    assert is_gone(pids[0])


def test_one_that_does_not_want_to_end_is_made_to() -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVE
    with child(stubborn) as running:
        assert running.match is not None
        pid = int(running.match[1])
    assert is_gone(pid)


def test_one_that_ends_at_once_is_explained_by_its_own_words() -> None:
    text = "import sys; print('error: no such pod', file=sys.stderr); sys.exit(1)"
    with pytest.raises(CommandError, match="has ended:\nerror: no such pod") as caught, child(text):
        pass
    assert caught.value.code == 3


def test_one_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    # A shell, which begins at once: the program must have begun within the time that it has to get ready.
    command = ["/bin/sh", "-c", f"echo $$ >{shlex.quote(str(pid_file))}; echo no; exec sleep 60"]
    with pytest.raises(CommandError, match="was not ready after 5 s"), Child(command, READY, 5.0, patience=0.3):
        pass
    assert is_gone(int(pid_file.read_text()))


def test_one_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="/no/such/program cannot be started: No such file"):
        Child(["/no/such/program"], READY, 1.0).__enter__()


def test_what_a_login_asks_for_reaches_the_user_and_log_lines_do_not(capfd: pytest.CaptureFixture[str]) -> None:
    text = (
        "import sys; print('To sign in, open https://login', file=sys.stderr); "
        "print('E1123 22:00:39.137874    4339 proxy_server.go:147] dial tcp: refused', file=sys.stderr); "
        "print('error: nothing to do', file=sys.stderr); sys.exit(1)"
    )
    with pytest.raises(CommandError, match="dial tcp: refused"), child(text):
        pass
    assert capfd.readouterr().err == "To sign in, open https://login\n"


ASK = "import sys, time; sys.stderr.write({!r}); sys.stderr.flush(); "


def wait_for(capfd: pytest.CaptureFixture[str], text: str) -> None:
    deadline, seen = time.monotonic() + 10, ""
    while text not in seen:
        assert time.monotonic() < deadline, f"only {seen!r} was shown"
        time.sleep(0.02)
        seen += capfd.readouterr().err


@pytest.mark.parametrize(
    "question", ["Password: ", "Enter the code for ann: ", "Passwort für ann: ", "first\nsecond: "]
)
def test_a_question_without_the_end_of_a_line_is_seen_at_once(capfd: pytest.CaptureFixture[str], question: str) -> None:
    with child(ASK.format(question) + SERVE):
        wait_for(capfd, question)


def test_a_question_is_shown_once_and_its_line_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    text = ASK.format("Password: ") + "time.sleep(0.5); sys.stderr.write('thanks\\nwelcome\\n'); sys.exit(1)"
    with pytest.raises(CommandError, match="Password: thanks\nwelcome"), child(text):
        pass
    assert capfd.readouterr().err == "Password: thanks\nwelcome\n"


LATE = {
    "a log line": ("E1123 22:00:39.137", "874    4339 proxy_server.go:147] dial tcp: refused\n"),
    "its first letter": ("E", "1123 22:00:39.137874    4339 proxy_server.go:147] dial tcp: refused\n"),
    "its date": ("W1123", " 22:00:39.137874    4339 proxy_server.go:147] dial tcp: refused\n"),
    "an error": ("err", "or: dial tcp: refused\n"),
}


@pytest.mark.parametrize("name", LATE)
def test_half_of_what_is_not_for_the_user_is_not_shown_either(capfd: pytest.CaptureFixture[str], name: str) -> None:
    first, second = LATE[name]
    text = ASK.format(first) + f"time.sleep(0.5); sys.stderr.write({second!r}); sys.exit(1)"
    with pytest.raises(CommandError, match="dial tcp: refused"), child(text):
        pass
    assert capfd.readouterr().err == ""


def test_one_that_says_much_before_it_is_ready_does_not_get_stuck(capfd: pytest.CaptureFixture[str]) -> None:
    with child("import sys; sys.stderr.write('x' * 300_000); sys.stderr.flush(); " + SERVE):
        pass
    assert capfd.readouterr().err.count("x") == 300_000


def test_whoever_else_holds_the_stream_open_is_not_waited_for() -> None:
    with child("import subprocess; subprocess.Popen(['sleep', '30']); " + SERVE):
        began = time.monotonic()
    assert time.monotonic() - began < 25

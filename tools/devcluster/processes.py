"""Start long-running programs and end them again; the only code that sends signals.

A record holds the process's own line of /proc/PID/stat, written by the process before it becomes the program. So
there is no moment at which a started program is unrecorded, even if the command is killed; and a process is only
ever signalled if its pid and its start time are still the recorded ones.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import DevClusterError

_RECORD_THEN_BECOME = (
    'read -r line < /proc/$$/stat && printf "%s\\n" "$line" > "$0.new" && mv "$0.new" "$0" && exec "$@"'
)
_TAIL_LINES = 15
_KILLED_SECONDS = 60.0
"""How long the kernel may take to end what was killed."""


@dataclass(frozen=True, slots=True)
class Process:
    """One run of one program: the pid alone may since belong to somebody else."""

    pid: int
    started: str

    def alive(self) -> bool:
        """Whether this very run goes on; a zombie with no thread left does not count."""
        return _start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to exactly this process; False if it is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            return True
        finally:
            os.close(handle)

    def wait_gone(self, seconds: float) -> bool:
        """Wait for its end; False if it lives on."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def spawn(argv: Sequence[str], *, record: Path, log: Path, env: Mapping[str, str] | None = None) -> Process:
    """Start a program in its own session, output appended to a log, and return once it is recorded."""
    record.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["/bin/sh", "-c", _RECORD_THEN_BECOME, str(record), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    while not record.exists():
        if child.poll() is not None:
            raise DevClusterError(f"{argv[0]} did not start:\n{tail(log)}")
        time.sleep(0.002)
    _reap(child)
    return _parse(record.read_text())


def recorded(record: Path) -> Process | None:
    """The recorded process if it still runs."""
    try:
        process = _parse(record.read_text())
    except FileNotFoundError:
        return None
    return process if process.alive() else None


def stop(record: Path, *, grace: float = 10.0, number: signal.Signals = signal.SIGTERM) -> bool:
    """Ask with TERM (or another signal), KILL after the grace time; the record goes once the process is gone. False if none ran."""
    process = recorded(record)
    if process is not None:
        process.signal(number)
        if not process.wait_gone(grace):
            process.signal(signal.SIGKILL)
            process.wait_gone(max(grace, _KILLED_SECONDS))
        if process.alive():
            raise DevClusterError(f"process {process.pid} ({record.stem}) does not end")
    record.unlink(missing_ok=True)
    return process is not None


def kill(record: Path) -> None:
    """KILL at once, for fault tests; the record stays, so that what died is still known."""
    process = recorded(record)
    if process is None:
        raise DevClusterError(f"{record.stem} does not run")
    process.signal(signal.SIGKILL)
    process.wait_gone(_KILLED_SECONDS)


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """The end of a log, for an error message."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def find(*needles: str) -> list[Process]:
    """Every process whose command line holds all of these strings; callers pass a path of their own cluster."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            if all(needle in command for needle in needles):
                found.append(identify(int(entry.name)))
    return [process for process in found if process is not None]


def identify(pid: int) -> Process | None:
    """The process that has this pid now."""
    started = _start_time(pid)
    return Process(pid, started) if started else None


_children: list[subprocess.Popen[bytes]] = []


def _reap(child: subprocess.Popen[bytes]) -> None:
    """Keep the handle, so that a dead child of this very process does not stay a zombie that looks alive."""
    _children.append(child)


def _start_time(pid: int) -> str:
    """The start time in clock ticks since boot, or nothing if the process is gone or a zombie."""
    for child in _children:
        if child.pid == pid and child.poll() is not None:
            return ""
    home = Path("/proc") / str(pid)
    try:
        fields = _fields((home / "stat").read_text())
        # A killed program's first thread may be a zombie while the others still hold its ports.
        ended = fields[0] in "ZX" and len(list((home / "task").iterdir())) <= 1
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if ended else fields[19]


def _parse(stat: str) -> Process:
    return Process(pid=int(stat.split(" ", 1)[0]), started=_fields(stat)[19])


def _fields(stat: str) -> list[str]:
    """What follows the program name, which is the only field that may hold blanks and brackets."""
    return stat.rpartition(")")[2].split()

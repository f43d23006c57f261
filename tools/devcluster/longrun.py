"""Run one long command quietly, with a progress line now and then and its last words if it fails."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .console import say
from .errors import DevClusterError

_PROGRESS_SECONDS = 10.0
_LAST_WORDS = 20
_LARGEST_OUTPUT = 1 << 22


def last_line(output: bytes) -> str:
    """The usual progress: what the command said last."""
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def run_long(
    title: str,
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    progress: Callable[[bytes], str] = last_line,
) -> None:
    """Run to the end or raise with the end of its output."""
    """The usual progress: what the command said last."""
    say(f"{title} ...")
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        finished = threading.Event()

        def report() -> None:
            while not finished.wait(_PROGRESS_SECONDS):
                seen = progress(os.pread(output.fileno(), _LARGEST_OUTPUT, 0))
                say(f"  {title}: {time.monotonic() - begun:.0f} s, {seen}")

        reporter = threading.Thread(target=report)
        reporter.start()
        try:
            failed = process.wait() != 0
        finally:
            finished.set()
            reporter.join()
            if process.poll() is None:
                process.terminate()
                process.wait()
        if failed:
            output.seek(0)
            raise DevClusterError(f"{title} failed:\n" + "".join(output.readlines()[-_LAST_WORDS:]))
    say(f"  {title}: done in {time.monotonic() - begun:.0f} s")

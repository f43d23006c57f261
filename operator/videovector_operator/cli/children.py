"""Programs that serve a command while it runs: started, waited for until they are ready, and always ended again."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import IO, Self

from videovector_operator.cli.failures import unreachable

_END_SECONDS = 3.0
_KEPT_LINES = 20
_LOG_LINE = re.compile(r"^[EWIF]\d{4} [^\]]*\] ?")
"""How kubectl's own log lines begin; the rest of its standard error is meant for the user."""


class Child:
    """A program whose standard output says when it is ready. Used as a context.

    It has ``seconds`` to get ready, and ``patience`` seconds to end when it is told to.
    """

    def __init__(
        self, command: Sequence[str], ready: re.Pattern[str], seconds: float, *, patience: float = _END_SECONDS
    ) -> None:
        self._command = command
        self._ready = ready
        self._seconds = seconds
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: deque[str] = deque(maxlen=_KEPT_LINES)
        self._pump: threading.Thread | None = None
        self.match: re.Match[str] | None = None
        """What `ready` found."""

    def __enter__(self) -> Self:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - kubectl, with arguments as a list
                self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise unreachable(f"{self._command[0]} cannot be started: {error.strerror}") from None
        assert self._process.stderr is not None
        self._pump = threading.Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True)
        self._pump.start()
        try:
            self.match = self._wait_ready(self._process)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def is_running(self) -> bool:
        """False once it has ended by itself."""
        return self._process is not None and self._process.poll() is None

    @property
    def last_words(self) -> str:
        """What it has said on standard error lately."""
        return "\n".join(self._errors)

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> re.Match[str]:
        assert process.stdout is not None
        deadline = time.monotonic() + self._seconds
        text = b""
        while (match := self._ready.search(text.decode(errors="replace"))) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise unreachable(f"{self._name} was not ready after {self._seconds:.0f} s{self._explanation()}")
            if select.select([process.stdout], [], [], min(left, 1.0))[0]:
                chunk = os.read(process.stdout.fileno(), 4096)
                if not chunk:
                    self._join_pump()
                    raise unreachable(f"{self._name} has ended{self._explanation()}")
                text += chunk
        return match

    @property
    def _name(self) -> str:
        words = [word for word in self._command[1:] if not word.startswith("-")]
        return " ".join([os.path.basename(self._command[0]), *words[:1]])  # noqa: PTH119 - a name, not a path

    def _explanation(self) -> str:
        return f":\n{self.last_words}" if self._errors else ""

    def _read_errors(self, stream: IO[bytes]) -> None:
        """Keep what it says; what a login asks the user for is passed on at once."""
        for raw in stream:
            line = raw.decode(errors="replace").rstrip()
            self._errors.append(_LOG_LINE.sub("", line))
            if not _LOG_LINE.match(line) and not line.lower().startswith("error"):
                sys.stderr.write(line + "\n")

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(self._patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._join_pump()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def _join_pump(self) -> None:
        if self._pump is not None:
            self._pump.join(_END_SECONDS)

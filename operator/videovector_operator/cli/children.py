"""Programs that serve a command while it runs: started, waited for until they are ready, and always ended again."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Sequence
from typing import Self

from videovector_operator.cli.failures import unreachable
from videovector_operator.cli.last_words import LastWords

_END_SECONDS = 3.0


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
        self._words: LastWords | None = None
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
        self._words = LastWords(self._process.stderr)
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
                    assert self._words is not None
                    self._words.wait_end()
                    raise unreachable(f"{self._name} has ended{self._explanation()}")
                text += chunk
        return match

    @property
    def _name(self) -> str:
        words = [word for word in self._command[1:] if not word.startswith("-")]
        return " ".join([os.path.basename(self._command[0]), *words[:1]])  # noqa: PTH119 - a name, not a path

    def _explanation(self) -> str:
        return f":\n{self._words.text}" if self._words is not None and self._words.text else ""

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
        if self._words is not None:
            self._words.stop()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

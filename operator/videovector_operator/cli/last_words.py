"""What a program of ours says on standard error: kept to explain its end, and what is meant for the user passed on at once.

A login may ask for something and wait behind the question without ending the line, so lines are not waited for.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import select
import sys
import threading
from collections import deque
from typing import IO

_KEPT_LINES = 20
_LOG_LINE = re.compile(r"^[EWIF]\d{4} [^\]]*\] ?")
"""How kubectl's own log lines begin; the rest of its standard error is meant for the user."""
_MAY_BECOME_LOG_LINE = re.compile(r"[EWIF](\d{0,4}|\d{4} .*)", re.DOTALL)
_ERROR = "error"
"""How kubectl's last word begins: the command says it in its own way."""
_PROMPT_SECONDS = 0.1
"""After so long without the end of a line, what is there is shown."""
_LOOK_SECONDS = 0.5
_LONGEST_LINE = 16 * 1024
_END_SECONDS = 3.0


class LastWords:
    """Reads a stream in a thread until it ends, or `stop` is called and nothing is left to read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)
        self._line = ""
        self._shown = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """The last lines, without what only a log needs."""
        return "\n".join(self._kept)

    def wait_end(self) -> None:
        """Wait until the stream has ended, but not for long: somebody else may hold it open."""
        self._thread.join(_END_SECONDS)

    def stop(self) -> None:
        """Read what is there already, and no more."""
        self._stopping.set()
        self._thread.join(_END_SECONDS)

    def _read(self) -> None:
        number = self._stream.fileno()
        while True:
            wait = _PROMPT_SECONDS if self._line else _LOOK_SECONDS
            if not select.select([number], [], [], wait)[0]:
                if self._stopping.is_set():
                    break
                self._show_question()
                continue
            chunk = os.read(number, 4096)
            if not chunk:
                break
            self._take(self._decoder.decode(chunk))
        if self._line:
            self._end_line()

    def _take(self, text: str) -> None:
        *ended, rest = text.split("\n")
        for part in ended:
            self._line += part
            self._end_line()
        self._line += rest
        if len(self._line) > _LONGEST_LINE:
            self._end_line()

    def _end_line(self) -> None:
        line = self._line.rstrip()
        self._kept.append(_LOG_LINE.sub("", line))
        if self._shown or not (_LOG_LINE.match(line) or line.lower().startswith(_ERROR)):
            _show(line[self._shown :] + "\n")
        self._line, self._shown = "", 0

    def _show_question(self) -> None:
        """Show a line that has no end yet, unless it may still become one that is not shown."""
        line = self._line
        is_open = (
            _MAY_BECOME_LOG_LINE.fullmatch(line) or line.lower().startswith(_ERROR) or _ERROR.startswith(line.lower())
        )
        if len(line) > self._shown and (self._shown or not is_open):
            _show(line[self._shown :])
            self._shown = len(line)


def _show(text: str) -> None:
    # Nobody who reads it is no reason to stop reading: the program would get stuck.
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()

"""Standard output and error of the whole program: any text can be written to them, and a reader that goes ends it quietly."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TextIO

from videovector_operator.cli.failures import INTERRUPTED, READER_GONE, UNREACHABLE
from videovector_operator.cli.output import note


def run_to_the_end(run: Callable[[], None]) -> None:
    """Run the program and write out what it has said, which may be refused only now.

    Whoever reads the output (``| head``) may have enough: that ends the program with 141 and without a word, as other programs
    are ended by SIGPIPE. Here it is no signal, so that what was started for a command is ended with it.
    """
    _accept_any_text()
    try:
        try:
            run()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _leave(READER_GONE)
    except KeyboardInterrupt:
        # Only while the rest is written: a reader that reads no more, and does not go.
        _leave(INTERRUPTED, is_stuck=True)
    except OSError as error:
        with contextlib.suppress(OSError):
            note(f"error: {error.filename or 'the output cannot be written'}: {error.strerror or error}")
        _leave(UNREACHABLE)
    except SystemExit as ended:
        # typer takes a broken pipe for a failure like others: exit code 1.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        _leave(READER_GONE)
    finally:
        # The interpreter gives signals back before it has ended: one more interrupt would take the exit code's place.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _accept_any_text() -> None:
    """Characters that the streams cannot hold become escapes; streams that are closed lead to nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the program runs
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave(code: int, *, is_stuck: bool = False) -> NoReturn:
    """End; what could not be written must not be tried again when the interpreter writes out its buffers."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and (is_stuck or not _can_flush(stream)):
            os.dup2(nowhere, stream.fileno())
    sys.exit(code)


def _can_flush(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True

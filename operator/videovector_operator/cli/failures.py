"""How a command ends when it does not end well: a sentence for people and an exit code for programs.

====  ==============================================================================
code  meaning
====  ==============================================================================
0     fine
1     the thing that was asked about is bad, or is not there
2     the command line makes no sense
3     the cluster or the operator cannot be reached, or does not allow it
130   interrupted
141   whoever read the output has gone (as a program that SIGPIPE ends)
====  ==============================================================================
"""

from __future__ import annotations

from videovector_operator.errors import VideoVectorError

FINE = 0
BAD = 1
USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130
READER_GONE = 141


class CommandError(VideoVectorError):
    """The command cannot go on; ``code`` is the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class RightMissingError(CommandError):
    """The user lacks a right; ``said`` is what the API server said of it."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(UNREACHABLE, message)
        self.said = said


def bad(message: str) -> CommandError:
    """What was asked about is bad, or is not there."""
    return CommandError(BAD, message)


def usage(message: str) -> CommandError:
    """The command line makes no sense."""
    return CommandError(USAGE, message)


def unreachable(message: str) -> CommandError:
    """Somebody does not answer, or does not allow it."""
    return CommandError(UNREACHABLE, message)

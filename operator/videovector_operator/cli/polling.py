"""Asking again and again: a few failures in a row are borne, because an API server that restarts is back soon."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from videovector_operator.cli.failures import UNREACHABLE, CommandError, RightMissingError
from videovector_operator.cli.ports import Clock

T = TypeVar("T")
_FAILURES = 3
_SECONDS = 30.0


class Polls:
    """The questions of one command that waits. Answers that refuse, or say that something is not there, are not borne."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._first_at = 0.0

    def ask(self, question: Callable[[], T]) -> T | None:
        """Ask once; None = no answer, ask again later. Raises CommandError when there was none for too long."""
        try:
            answer = question()
        except RightMissingError:
            raise
        except CommandError as error:
            now = self._clock.now()
            self._failures += 1
            if self._failures == 1:
                self._first_at = now
            is_lasting = self._failures > _FAILURES and now - self._first_at >= _SECONDS
            if error.code != UNREACHABLE or is_lasting:
                raise
            return None
        self._failures = 0
        return answer

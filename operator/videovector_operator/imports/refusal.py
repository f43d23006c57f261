"""Credentials or certificates that are refused: what it says of one call, told from how often, how long, and what else is answered.

A refusal may pass: new keys are not known to every server at once, a Secret is being rotated, an identity service is just
starting. Pure: no I/O, no clock.
"""

from __future__ import annotations

from enum import Enum

_PROOF_READS = 100
"""Answers to others since a refusal, more than could have been on their way: the credentials are good."""


class Verdict(Enum):
    """What to do with a call that was refused."""

    AGAIN = "try it again after a pause"
    FILE = "it is this file that is refused: others are read with the same credentials"
    OVER = "it has been refused for as long as may be waited"


class Refusal:
    """The refusals of one call, from its first one on. ``attempts`` are made at least before it is the file's own."""

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._count = 0
        self._since = 0.0
        self._reads = 0

    def forget(self) -> None:
        """The call was answered: what follows is another refusal."""
        self._count = 0

    def judge(self, *, now: float, reads: int, patience: float, of_all: bool) -> Verdict:
        """Take in a refusal at ``now`` (seconds that only grow).

        ``reads`` counts the source's answers to all readers; ``patience`` is the longest time in seconds that may be waited.
        ``of_all`` = it cannot be this call's alone: a listing, or an untrusted certificate.
        """
        if self._count == 0:
            self._since, self._reads = now, reads
        self._count += 1
        if not of_all and self._count >= self._attempts and reads - self._reads >= _PROOF_READS:
            return Verdict.FILE
        return Verdict.OVER if now - self._since >= patience else Verdict.AGAIN

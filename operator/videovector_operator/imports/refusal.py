"""Credentials or certificates that are refused: what it says of one call, told from how often, how long, and what else is answered.

A refusal may pass: new keys are not known to every server at once, nor are old ones forgotten at once; a Secret is being
rotated; an identity service is just starting. Pure: no I/O, no clock. Times are seconds that only grow.
"""

from __future__ import annotations

from enum import Enum

_PROOF_READS = 100
"""Answers to others since a refusal, more than could have been on their way: the credentials are good for some."""
_CALM_SECONDS = 60.0
"""After so long without any refusal the next one begins another spell."""


class Verdict(Enum):
    """What to do with a call that was refused."""

    AGAIN = "try it again after a pause"
    FILE = "it is this file that is refused: others are read with the same credentials"
    OVER = "it has been refused for as long as may be waited"


class Spell:
    """A time in which now and then something is refused with the same credentials.

    One that has lasted for longer than a rotation may take is none: whatever is refused then is so for its own sake.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._last = 0.0

    def forget(self) -> None:
        """Other credentials are in use."""
        self._began = None

    def note(self, now: float) -> float:
        """Take in a refusal; gives the seconds since the spell began."""
        if self._began is None or now - self._last > _CALM_SECONDS:
            self._began = now
        self._last = now
        return now - self._began


class Refusal:
    """The refusals of one call, from its first one on. ``attempts`` are made at least before it is the file's own."""

    def __init__(self, spell: Spell, attempts: int) -> None:
        self._spell = spell
        self._attempts = attempts
        self._count = 0
        self._since = 0.0
        self._reads = 0

    def forget(self) -> None:
        """The call was answered: what follows is another refusal."""
        self._count = 0

    def judge(self, *, now: float, reads: int, patience: float, of_all: bool) -> Verdict:
        """Take in a refusal.

        ``reads`` counts the source's answers to all readers; ``patience`` is the longest time that may be waited.
        ``of_all`` = it cannot be this call's alone: a listing, or an untrusted certificate.
        """
        if self._count == 0:
            self._since, self._reads = now, reads
        self._count += 1
        has_settled = self._spell.note(now) >= patience
        if has_settled and not of_all and self._count >= self._attempts and reads - self._reads >= _PROOF_READS:
            return Verdict.FILE
        return Verdict.OVER if now - self._since >= patience else Verdict.AGAIN

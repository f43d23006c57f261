"""What servers say, fit for one line of a status: rid of secrets that they repeat, of line breaks and control characters, and short.

In this order: a text that is cut first may end in a part of a secret, which nobody recognises any more. Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable

from videovector_operator.errors import StorageError

_SHORTEST_SECRET = 4
"""Shorter test keys would blot out ordinary words."""
LONGEST_CODE = 128
"""Characters of a provider's error code."""


def quote_server(text: str, secrets: Iterable[str | None], *, longest: int) -> str:
    """Return what of ``text`` may be shown: one line of at most ``longest`` characters, without ``secrets``."""
    line = _without(text, secrets)
    return " ".join("".join(char if char.isprintable() else " " for char in line).split())[:longest]


def scrub(error: StorageError, secrets: Iterable[str | None]) -> StorageError:
    """Take ``secrets`` out of message and code of ``error``, whatever else led them there; a code stays short."""
    known = tuple(secrets)
    error.message = _without(error.message, known)
    error.args = (error.message,)
    error.code = quote_server(error.code, known, longest=LONGEST_CODE)
    return error


def _without(text: str, secrets: Iterable[str | None]) -> str:
    """The longest first: one may be a part of another."""
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text

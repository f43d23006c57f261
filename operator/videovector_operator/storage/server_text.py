"""What servers say, fit for one line of a status: rid of secrets that they repeat, of line breaks and control characters, and short.

In this order: a text that is cut first may end in a part of a secret, which nobody recognises any more. What is decided goes by the
words as they came, what is shown goes through here; our own words do not, or a key called "minio" would blot out host names.
Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from urllib.parse import quote, unquote

_SHORTEST_SECRET = 4
"""Shorter test keys would blot out ordinary words."""
_LONGEST_CODE = 128


def quote_server(text: str, secrets: Iterable[str | None], *, longest: int) -> str:
    """Return what of ``text`` may be shown: one line of at most ``longest`` characters, without ``secrets`` in any form."""
    line = _without(text, secrets)
    return " ".join("".join(char if char.isprintable() else " " for char in line).split())[:longest]


def quote_code(code: str, secrets: Iterable[str | None], known: Container[str]) -> str:
    """Return what of a provider's error code may be shown.

    One of its own words (``known``) stays as it is: it gives nothing away, and is compared with further on, whatever a key is called.
    """
    return code if code in known else quote_server(code, secrets, longest=_LONGEST_CODE)


def _forms(secret: str) -> tuple[str, str, str]:
    """As it is, and as a URL and whoever reads one would have it."""
    return secret, quote(secret, safe="", errors="replace"), unquote(secret)


def _without(text: str, secrets: Iterable[str | None]) -> str:
    """The longest first: one may be a part of another."""
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    for form in sorted(forms, key=lambda form: (-len(form), form)):
        if len(form) >= _SHORTEST_SECRET:
            text = text.replace(form, "***")
    return text

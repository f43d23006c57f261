"""What every store agrees on: keys are Unicode text of 1 to 1,024 bytes, URLs last at most 7 days. Nothing else is refused,
nothing is normalised. Pure.

Keys and prefixes may come from users: ``..``, slashes and percent signs in them are text like any other.
"""

from __future__ import annotations

import re
from datetime import timedelta

from videovector_operator.errors import Invalid

_LONGEST_BYTES = 1024
_SHOWN = 64
_CONTENT_TYPE = re.compile(r"[\x20-\x7e]{1,255}")
_LONGEST_EXPIRY = timedelta(days=7)


def refuse_bad_key(key: str) -> None:
    """Raise Invalid for keys that no object can have."""
    if not key:
        raise Invalid("A key must have 1 to 1024 bytes; this one is empty")
    refuse_bad_prefix(key, "key")


def refuse_bad_prefix(prefix: str, what: str = "prefix") -> None:
    """Raise Invalid for texts that no key can begin with."""
    try:
        size = len(prefix.encode())
    except UnicodeEncodeError:
        raise Invalid(f"The {what} {prefix[:_SHOWN]!r} is not valid Unicode text: it holds half of a pair") from None
    if size > _LONGEST_BYTES:
        raise Invalid(f"A {what} may have at most 1024 bytes; {prefix[:_SHOWN]!r}… has {size}")


def refuse_bad_expiry(expires: timedelta) -> None:
    """Raise Invalid when a URL cannot be valid for so long; the longest that all providers allow is 7 days."""
    if not timedelta(seconds=1) <= expires <= _LONGEST_EXPIRY:
        raise Invalid(f"A URL can be valid for 1 second to 7 days, not for {expires}")


def refuse_bad_content_type(content_type: str) -> None:
    """Raise Invalid for what no header can hold."""
    if not _CONTENT_TYPE.fullmatch(content_type):
        raise Invalid(f"A content type must be plain text of at most 255 characters, not {content_type[:_SHOWN]!r}")

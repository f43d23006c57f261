"""Reads the reply to a ranged GET, the same for every provider: the bytes that were asked for, or an error. Pure."""

from __future__ import annotations

import re

from videovector_operator.errors import Invalid, Unavailable
from videovector_operator.storage.request import Reply

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
ACCEPTED = (206, 200, 416)
"""What a ranged GET's `Request` accepts: the part, the whole (cut by the transport), or nothing behind the end."""


def decode_range(key: str, start: int, length: int, reply: Reply) -> bytes:
    """Check that the reply is the asked slice. Raises Unavailable when it is short, Invalid when it is another one."""
    if reply.status == 416:
        return b""
    if reply.status == 200:
        # The server ignores ranges: the transport has cut the slice out.
        return reply.body
    match = _CONTENT_RANGE.fullmatch(reply.headers.get("content-range", ""))
    if match is None:
        raise Invalid(f"The answer to reading object {key!r} does not say which bytes it holds: check the endpoint")
    first, last, size = int(match[1]), int(match[2]), match[3]
    end = start + length - 1 if size == "*" else min(start + length, int(size)) - 1
    if first != start or last > end:
        raise Invalid(f"The server sent other bytes of object {key!r} than asked for ({first}-{last})")
    if (last < end and size != "*") or len(reply.body) != last - first + 1:
        raise Unavailable(f"The server sent too few bytes of object {key!r} ({len(reply.body)})")
    return reply.body

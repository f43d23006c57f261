"""Ranged reads of objects as they are stored.

Objects that say ``Content-Encoding: gzip`` are decompressed by Google, and ranges of them ignored, unless the request accepts gzip:
so it does. Should something on the way then compress what is stored plain, the bytes are asked for once more as they are.
"""

from __future__ import annotations

from dataclasses import replace

from videovector_operator.errors import Changed, Invalid, Unavailable
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.gcs_address import object_path
from videovector_operator.storage.gcs_objects import pin
from videovector_operator.storage.ranges import ACCEPTED, decode_range
from videovector_operator.storage.request import Reply, Request


class _RecodedError(Exception):
    """The bytes were compressed on the way: they are not the object's."""


async def read_range(
    http: Exchange, bucket: str, key: str, start: int, length: int, *, fingerprint: str | None
) -> bytes:
    """Read part of an object; see the port."""
    if start < 0 or length < 0:
        raise Invalid(f"A range of object {key!r} cannot start at {start} with length {length}")
    path = object_path(bucket, key)
    if length == 0:
        return b""
    request = Request(
        "GET",
        f"read object {key!r}",
        path=path,
        params={"alt": "media"} if fingerprint is None else {"alt": "media", "ifGenerationMatch": pin(fingerprint)},
        headers={"range": f"bytes={start}-{start + length - 1}", "accept-encoding": "gzip"},
        skip=start,
        keep=length,
        accepted=ACCEPTED,
        lean=True,
    )

    def decode(reply: Reply) -> bytes:
        _check_source(key, fingerprint, reply)
        return decode_range(key, start, length, reply)

    def decode_unless_recoded(reply: Reply) -> bytes:
        if _is_recoded(reply):
            raise _RecodedError
        return decode(reply)

    try:
        return await http.send(request, decode_unless_recoded)
    except _RecodedError:
        plain = replace(request, headers={**request.headers, "accept-encoding": "identity"})
        return await http.send(plain, decode)


def _check_source(key: str, fingerprint: str | None, reply: Reply) -> None:
    """Look whose bytes these are: Google says the generation with all of them. Raises Unavailable, and Changed for another version.

    So a web page is no content (the proxy that sent it may be gone in a moment), and a server that ignores conditions is found out.
    """
    generation = reply.headers.get("x-goog-generation", "")
    if reply.status == 200 and not generation:
        hint = "check the endpoint, and whether a proxy's sign-in or error page is in the way"
        raise Unavailable(f"The answer to reading object {key!r} is not Cloud Storage's: {hint}")
    if fingerprint is not None and generation not in ("", fingerprint):
        raise Changed(f"Object {key!r} was changed since it was listed", "conditionNotMet")


def _is_recoded(reply: Reply) -> bool:
    stored = reply.headers.get("x-goog-stored-content-encoding", "")
    return stored == "identity" and reply.headers.get("content-encoding", "identity") != "identity"

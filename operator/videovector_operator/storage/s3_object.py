"""One S3 object as the headers of replies describe it; its key on the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from videovector_operator.errors import AccessDenied, Changed, Invalid, Unavailable
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.object_key import refuse_bad_key
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.s3_answer import not_s3, parse_etag
from videovector_operator.storage.s3_sign import encode_key
from videovector_operator.storage.server_clock import parse_server_date

_CHECKSUMS = ("crc64nvme", "crc32c", "sha256", "crc32", "sha1")


class Found(NamedTuple):
    """An object that was looked up, with all that the server says of it."""

    info: ObjectInfo
    headers: Mapping[str, str]


def path_of(key: str) -> str:
    """Encode a key for the request line. Raises Invalid for keys that no object can have."""
    refuse_bad_key(key)
    return f"/{encode_key(key)}"


async def look_up(http: Exchange, key: str) -> Found:
    """HEAD one object. Raises NotFound."""
    action = f"look up object {key!r}"
    path = path_of(key)

    def decode(reply: Reply) -> Found:
        return _decode_found(key, reply.headers)

    head = Request("HEAD", action, path=path, headers={"x-amz-checksum-mode": "ENABLED"})
    try:
        return await http.send(head, decode)
    except (AccessDenied, Invalid) as error:
        if error.code:
            raise
    # A refused HEAD has no body and so no code; the first byte's GET needs the same right and says why. When it is let through, what was
    # wrong is cured (the clock, a token) or has passed.
    first = Request("GET", action, path=path, headers={"range": "bytes=0-0"}, keep=1, accepted=(200, 206, 416))
    await http.send(first, lambda _: None)
    return await http.send(head, decode)


def check_version(key: str, fingerprint: str | None, reply: Reply) -> None:
    """Check that the reply to a read is an object's, and of the right version: not every server knows If-Match.

    Raises Changed, and Unavailable for what has no ETag: the page of a proxy that is in the way, which may be gone in a moment.
    """
    if reply.status == 416:
        return
    etag = parse_etag(reply.headers.get("etag", ""))
    if not etag:
        raise Unavailable(
            f"{not_s3(f'read object {key!r}').message}, and whether a proxy's sign-in or error page is in the way"
        )
    if fingerprint is not None and etag != fingerprint:
        raise Changed(f"Object {key!r} was changed since it was listed: the server gave another version")


def decode_written(key: str, size: int, content_type: str, headers: Mapping[str, str], now: datetime) -> ObjectInfo:
    """Describe an object from the reply to its PUT: the time is that of the reply. Raises Invalid when there is no ETag."""
    if not headers.get("etag"):
        raise not_s3(f"write object {key!r}")
    checksum = parse_checksum(lambda name: headers.get(f"x-amz-checksum-{name}"))
    return ObjectInfo(
        key, size, parse_etag(headers["etag"]), parse_date(headers, now), content_type=content_type, checksum=checksum
    )


def parse_date(headers: Mapping[str, str], now: datetime) -> datetime:
    """Read the server's clock; ``now`` stands in for a server that does not say it."""
    try:
        return parse_server_date(headers["date"])
    except (KeyError, ValueError):
        return now


def parse_checksum(find: Callable[[str], str | None]) -> str:
    """Give the checksum of the whole object as ``algorithm:base64``; "" when there is only one of its parts' checksums."""
    for name in _CHECKSUMS:
        value = find(name)
        if value and "-" not in value:
            return f"{name}:{value}"
    return ""


def _decode_found(key: str, headers: Mapping[str, str]) -> Found:
    storage_class = headers.get("x-amz-storage-class", "")
    whole = headers.get("x-amz-checksum-type", "") != "COMPOSITE"
    try:
        info = ObjectInfo(
            key,
            int(headers["content-length"]),
            parse_etag(headers["etag"]),
            parse_server_date(headers["last-modified"]),
            "" if storage_class == "STANDARD" else storage_class,
            headers.get("content-type", ""),
            parse_checksum(lambda name: headers.get(f"x-amz-checksum-{name}")) if whole else "",
        )
    except (KeyError, ValueError):
        raise not_s3(f"look up object {key!r}") from None
    return Found(info, headers)

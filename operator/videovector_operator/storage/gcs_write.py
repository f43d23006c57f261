"""Uploads: one request for what fits into a block, a session of blocks (`gcs_session`) for more.

Google verifies an MD5 of every byte (the standard library has it in C) before the object appears. Memory holds three blocks at
the most; what a failed upload had sent is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from base64 import b64encode
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from videovector_operator.errors import AlreadyExists, Changed, StorageError, Unavailable
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.gcs_address import object_path, upload_path
from videovector_operator.storage.gcs_answers import ask
from videovector_operator.storage.gcs_objects import Stored, read_stored
from videovector_operator.storage.gcs_session import Session, begin_session
from videovector_operator.storage.object_key import refuse_bad_content_type
from videovector_operator.storage.parts import cut_parts
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.request import Request, transfer_seconds

BLOCK_BYTES = 16 * 1024 * 1024
"""A multiple of 256 KiB, as sessions want it."""
_MARK = "videovector-write"
"""Custom metadata that makes an object recognisable as what one certain call has created."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is written and how. ``mark`` is a word that is unique to this call, and that nobody can guess."""

    bucket: str
    key: str
    content_type: str
    if_absent: bool
    mark: str

    @property
    def action(self) -> str:
        """For messages."""
        return f"write object {self.key!r}"

    def describe(self) -> dict[str, object]:
        """Google's object resource, as far as it is given."""
        described: dict[str, object] = {"name": self.key, "contentType": self.content_type}
        return {**described, "metadata": {_MARK: self.mark}} if self.if_absent else described

    def conditions(self) -> dict[str, str]:
        """Preconditions as parameters."""
        return {"ifGenerationMatch": "0"} if self.if_absent else {}


async def write_object(http: Exchange, target: Target, chunks: AsyncIterable[bytes]) -> ObjectInfo:
    """Store a stream; see the port."""
    object_path(target.bucket, target.key)
    refuse_bad_content_type(target.content_type)
    parts = cut_parts(chunks, lambda _: BLOCK_BYTES)
    first = await anext(parts, b"")
    second = await anext(parts, None)
    try:
        if second is None:
            return await _upload_whole(http, target, first)
        return await _upload_blocks(http, target, first, second, parts)
    except Changed as error:
        if not target.if_absent:
            raise
        return await _find_own(http, target, error)


async def _upload_whole(http: Exchange, target: Target, data: bytes) -> ObjectInfo:
    """Send description and content in one request."""
    digest = await asyncio.to_thread(hashlib.md5, data, usedforsecurity=False)
    md5 = b64encode(digest.digest()).decode()
    boundary = target.mark
    head = (
        f"--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n"
        f"{json.dumps({**target.describe(), 'md5Hash': md5})}\r\n"
        f"--{boundary}\r\ncontent-type: {target.content_type}\r\n\r\n"
    )
    request = Request(
        "POST",
        target.action,
        path=upload_path(target.bucket),
        params={"uploadType": "multipart", **target.conditions()},
        headers={"content-type": f"multipart/related; boundary={boundary}"},
        body=b"".join((head.encode(), data, f"\r\n--{boundary}--\r\n".encode())),
        extra_seconds=transfer_seconds(len(data)),
    )
    return await _verify(http, target, await ask(http, request, read_stored), md5, len(data))


async def _upload_blocks(
    http: Exchange, target: Target, first: bytes, second: bytes, rest: AsyncIterator[bytes]
) -> ObjectInfo:
    """Send blocks in a session, which is given up when it fails or is cancelled."""
    path = upload_path(target.bucket)
    session = await begin_session(http, target.action, path, target.describe(), target.conditions())
    try:
        stored, md5, size = await _send_blocks(session, first, second, rest)
    except BaseException:
        await session.give_up()
        raise
    return await _verify(http, target, stored, md5, size)


async def _send_blocks(
    session: Session, held: bytes, following: bytes, rest: AsyncIterator[bytes]
) -> tuple[Stored, str, int]:
    """Send all; one block is held back, because the last one ends the upload. Returns the object, MD5 and size of all."""
    digest = hashlib.md5(held, usedforsecurity=False)
    start = 0
    block: bytes | None = following
    while block is not None:
        await session.send(held, start)
        start, held = start + len(held), block
        await asyncio.to_thread(digest.update, held)
        block = await anext(rest, None)
    md5 = b64encode(digest.digest()).decode()
    return await session.end(held, start, md5), md5, start + len(held)


async def _verify(http: Exchange, target: Target, stored: Stored, md5: str, size: int) -> ObjectInfo:
    """Compare what was stored with what was sent: Google has done so already, other servers may not.

    What is damaged is removed, unless somebody has replaced it meanwhile.
    """
    if stored.info.size == size and stored.md5 in ("", md5):
        return stored.info
    path = object_path(target.bucket, target.key)
    params = {"ifGenerationMatch": stored.info.fingerprint}
    await http.send(
        Request("DELETE", target.action, path=path, params=params, accepted=(200, 204, 404, 412)), lambda _: None
    )
    raise Unavailable(f"Cannot {target.action}: the server stored other bytes than were sent; they were removed again")


async def _find_own(http: Exchange, target: Target, error: Changed) -> ObjectInfo:
    """The object is there already; it may be ours, when the answer to an earlier try was lost. Raises AlreadyExists."""
    request = Request("GET", f"look up object {target.key!r}", path=object_path(target.bucket, target.key))
    with contextlib.suppress(StorageError):
        found = await ask(http, request, read_stored)
        if found.metadata.get(_MARK) == target.mark:
            return found.info
    raise exists_already(http, target.key, error.code)


def exists_already(http: Exchange, key: str, code: str) -> AlreadyExists:
    """Say that a conditional create found an object."""
    return AlreadyExists(f"Object {key!r} exists already in {http.place.label} at {http.place.endpoint}", code)

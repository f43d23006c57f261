"""Copies blobs within a storage account: Copy Blob, which Azure may do in its own time; it is asked until the copy is whole.

Every copy is pinned to the version that was looked up first, also when the caller does not name one. A copy that does not come
to its end here is ended, and what it left is removed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from videovector_operator.errors import AccessDenied, AlreadyExists, Changed, NotFound, StorageError, Unavailable
from videovector_operator.storage.azure_address import Address, refuse_lossy_name
from videovector_operator.storage.azure_blobs import MARK, METADATA, changed, decode_head
from videovector_operator.storage.azure_errors import UNEXPLAINED, is_create_conflict
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.ranges import ACCEPTED
from videovector_operator.storage.request import Reply, Request

_FIRST_POLL_SECONDS = 0.25
_LONGEST_POLL_SECONDS = 10.0
_LONGEST_COPY_SECONDS = 3600.0
"""Copies within an account take seconds; one that takes an hour has been forgotten."""
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy. ``source_query`` (a shared access signature, or "") lets Azure read the source; ``mark`` is a unique word;
    ``sleep`` waits seconds.
    """

    http: Exchange
    address: Address
    key: str
    target: str
    from_container: str | None
    if_absent: bool
    source_query: str = field(repr=False)
    mark: str
    sleep: Callable[[float], Awaitable[None]]

    @property
    def source_path(self) -> str:
        """The source's path, relative to the account."""
        return self.address.blob_path(self.key, self.from_container)

    @property
    def target_path(self) -> str:
        """The target's path, relative to the account."""
        return self.address.blob_path(self.target)

    @property
    def source_url(self) -> str:
        """What Azure is told to read."""
        url = f"{self.address.origin}{self.address.base}{self.source_path}"
        return f"{url}?{self.source_query}" if self.source_query else url


@dataclass(frozen=True, slots=True)
class _State:
    """How far a copy is, in the server's words. ``etag`` has its quotes."""

    status: str
    id: str = ""
    etag: str = ""
    mark: str = ""
    description: str = ""

    def is_one_of(self, *words: str) -> bool:
        """Whether the status is one of these words (lowercase)."""
        return self.status.lower() in words


async def copy_blob(copy: Copy, fingerprint: str | None) -> ObjectInfo:
    """Copy; see the port. Raises NotFound, Changed, AlreadyExists."""
    refuse_lossy_name(copy.target)
    state = await _start(copy, await _pin(copy, fingerprint))
    try:
        await _wait(copy, state)
    except BaseException:
        # Also when we are cancelled: a blob that is never finished must not be left.
        await asyncio.shield(asyncio.ensure_future(_abort(copy, state)))
        raise
    return (await look_up(copy.http, copy.address, copy.target)).info


class Found(NamedTuple):
    """A blob, its ETag with quotes, and its metadata as headers."""

    info: ObjectInfo
    etag: str
    metadata: Mapping[str, str]


async def look_up(http: Exchange, address: Address, key: str, container: str | None = None) -> Found:
    """Look one blob up. Raises NotFound."""
    action, path = f"look up object {key!r}", address.blob_path(key, container)
    head = Request("HEAD", action, path=path)
    try:
        return await http.send(head, lambda reply: _decode_found(key, reply))
    except AccessDenied as error:
        if error.code != UNEXPLAINED:
            raise
    # A refused HEAD has no body that says why; the first byte's GET needs the same right. When it is let through, what was wrong is
    # cured (the clock, a token) or has passed.
    first = Request("GET", action, path=path, headers={"range": "bytes=0-0"}, keep=1, accepted=ACCEPTED)
    await http.send(first, lambda _: None)
    return await http.send(head, lambda reply: _decode_found(key, reply))


def _decode_found(key: str, reply: Reply) -> Found:
    metadata = {name.lower(): value for name, value in reply.headers.items() if name.lower().startswith(METADATA)}
    return Found(decode_head(key, reply), reply.headers["etag"], metadata)


async def _pin(copy: Copy, fingerprint: str | None) -> Found:
    """Look the source up. Raises Changed when it is not the version asked for."""
    found = await look_up(copy.http, copy.address, copy.key, copy.from_container)
    if fingerprint not in (None, found.info.fingerprint, found.etag.strip('"')):
        raise changed(copy.key, copy.address.label)
    return found


async def _start(copy: Copy, source: Found) -> _State:
    own = {"if-none-match": "*", **_mark(copy, source.metadata)} if copy.if_absent else {}
    request = Request(
        "PUT",
        f"copy object {copy.key!r} to {copy.target!r}",
        path=copy.target_path,
        headers={"x-ms-copy-source": copy.source_url, "x-ms-source-if-match": source.etag, **own},
        accepted=(202, 201),
        extra_seconds=_START_SECONDS,
        patience=6,
    )
    try:
        return await copy.http.send(request, _decode_state)
    except (AlreadyExists, Changed) as error:
        if not copy.if_absent or not is_create_conflict(error):
            raise
        return await _find_own(copy, error)


def _mark(copy: Copy, metadata: Mapping[str, str]) -> dict[str, str]:
    """The mark, and the source's metadata: who names any must name all. None for metadata that would not come through as it is."""
    if all(value.isascii() and value.isprintable() and value == " ".join(value.split()) for value in metadata.values()):
        return {**metadata, MARK: copy.mark}
    return {}


async def _find_own(copy: Copy, error: StorageError) -> _State:
    """Tell whose condition failed, which Azure does not: the target's, or the source's.

    After a lost answer the target may be this very copy. Raises AlreadyExists or ``error``.
    """
    state = await _poll(copy)
    if state is None:
        raise error
    if state.mark == copy.mark:
        return state
    place = f"{copy.address.label} at {copy.address.endpoint}"
    raise AlreadyExists(f"Object {copy.target!r} exists already in {place}", error.code)


def _decode_state(reply: Reply) -> _State:
    headers = reply.headers
    return _State(
        headers.get("x-ms-copy-status", "success"),
        headers.get("x-ms-copy-id", ""),
        headers.get("etag", ""),
        headers.get(MARK, ""),
        headers.get("x-ms-copy-status-description", ""),
    )


async def _poll(copy: Copy) -> _State | None:
    """Ask how far the target is; None = it is not there."""
    request = Request("HEAD", f"look up object {copy.target!r}", path=copy.target_path)
    try:
        return await copy.http.send(request, _decode_state)
    except NotFound:
        return None


async def _wait(copy: Copy, begun: _State) -> None:
    """Return when the copy is whole. Raises Changed when somebody else wrote the target, Unavailable when Azure gave up."""
    state: _State | None = begun
    delay, waited = _FIRST_POLL_SECONDS, 0.0
    what = f"Copying object {copy.key!r} to {copy.target!r} in {copy.address.label}"
    while state is not None and state.id == begun.id:
        if state.is_one_of("success"):
            return
        if not state.is_one_of("pending"):
            ended = copy.http.quote(state.status, longest=32)
            said = copy.http.quote(state.description, longest=200)
            raise Unavailable(f"{what} ended as {ended}: {said}", "CopyFailed")
        if waited >= _LONGEST_COPY_SECONDS:
            raise Unavailable(f"{what} did not end within {_LONGEST_COPY_SECONDS / 60:.0f} minutes", "CopyPending")
        await copy.sleep(delay)
        waited += delay
        delay = min(2 * delay, _LONGEST_POLL_SECONDS)
        state = await _poll(copy)
    raise Changed(f"{what} was overtaken: somebody else wrote or deleted the target meanwhile", "CopyIdMismatch")


async def _abort(copy: Copy, begun: _State) -> None:
    """End the copy and remove what it left, as far as Azure answers; nothing when the copy is not ours any more."""
    with contextlib.suppress(StorageError):
        request = Request(
            "PUT",
            f"abort the copy to {copy.target!r}",
            path=copy.target_path,
            params={"comp": "copy", "copyid": begun.id},
            headers={"x-ms-copy-action": "abort"},
            accepted=(204,),
        )
        await copy.http.send(request, lambda _: None)
    with contextlib.suppress(StorageError):
        state = await _poll(copy)
        if state is None or state.id != begun.id or not state.is_one_of("aborted", "failed"):
            return
        request = Request(
            "DELETE",
            f"delete object {copy.target!r}",
            path=copy.target_path,
            headers={"if-match": state.etag},
            accepted=(202, 404),
        )
        await copy.http.send(request, lambda _: None)

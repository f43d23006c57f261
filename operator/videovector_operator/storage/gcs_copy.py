"""objects.rewrite: copies on Google's side, in as many calls as an object of any size takes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from videovector_operator.errors import Changed, NotFound, StorageError, Unavailable
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.gcs_address import object_path
from videovector_operator.storage.gcs_answers import Answer, ask
from videovector_operator.storage.gcs_objects import FIELDS, look_up, parse_objects, pin
from videovector_operator.storage.gcs_write import exists_already
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.request import Request

_BYTES_A_CALL = 256 * 1024 * 1024
"""Within one location all is copied in the first call; between continents, so much takes some seconds."""
_CALL_SECONDS = 20.0
_MOST_CALLS = 5 * 1024**4 // _BYTES_A_CALL + 1000
"""The largest object has 5 TiB."""
_MOST_IDLE_CALLS = 20


@dataclass(frozen=True, slots=True)
class Copy:
    """What is copied where: from (bucket, key) to (bucket, key)."""

    source: tuple[str, str]
    target: tuple[str, str]
    fingerprint: str | None
    if_absent: bool

    @property
    def action(self) -> str:
        """For messages."""
        return f"copy object {self.source[1]!r} of bucket '{self.source[0]}' to {self.target[1]!r}"

    def conditions(self) -> dict[str, str]:
        """Preconditions as parameters."""
        pinned = {} if self.fingerprint is None else {"ifSourceGenerationMatch": pin(self.fingerprint)}
        return {**pinned, "ifGenerationMatch": "0"} if self.if_absent else pinned


async def copy_object(http: Exchange, copy: Copy) -> ObjectInfo:
    """Copy an object; see the port."""
    failures: list[StorageError] = []
    try:
        return await _rewrite(http, copy, failures)
    except Changed as error:
        # Google does not say which of the two conditions it was.
        if not copy.if_absent or (copy.fingerprint is not None and not await _exists(http, copy)):
            raise
        if failures and (done := await _find_done(http, copy)):
            return done
        raise exists_already(http, copy.target[1], error.code) from None


async def _rewrite(http: Exchange, copy: Copy, failures: list[StorageError]) -> ObjectInfo:
    goal = object_path(*copy.target).removeprefix("/storage/v1")
    path = f"{object_path(*copy.source)}/rewriteTo{goal}"
    fields = f"done,rewriteToken,totalBytesRewritten,resource({FIELDS})"
    params = {"maxBytesRewrittenPerCall": str(_BYTES_A_CALL), "fields": fields, **copy.conditions()}
    copied, idle = -1, 0
    for _ in range(_MOST_CALLS):
        request = Request("POST", copy.action, path=path, params=params, extra_seconds=_CALL_SECONDS, patience=3)
        answer = await ask(http, request, _read, failures=failures)
        if isinstance(answer, ObjectInfo):
            return answer
        token, total = answer
        idle = 0 if total > copied else idle + 1
        if idle > _MOST_IDLE_CALLS:
            break
        copied, params = total, {**params, "rewriteToken": token}
    raise Unavailable(f"Cannot {copy.action}: Cloud Storage does not get on with it")


def _read(answer: Answer) -> ObjectInfo | tuple[str, int]:
    """The copy, or the token to go on with and how many bytes are done."""
    if answer["done"] is True:
        return parse_objects([answer["resource"]])[0]
    return str(answer["rewriteToken"]), int(answer["totalBytesRewritten"])


async def _exists(http: Exchange, copy: Copy) -> bool:
    try:
        await look_up(http, *copy.target)
    except NotFound:
        return False
    return True


async def _find_done(http: Exchange, copy: Copy) -> ObjectInfo | None:
    """Look for what an earlier try, whose answer was lost, has made: the same content as the source's."""
    with contextlib.suppress(StorageError):
        there, source = await look_up(http, *copy.target), await look_up(http, *copy.source)
        if there.checksum and (there.size, there.checksum) == (source.size, source.checksum):
            return there
    return None

"""One upload session: blocks one after another, each brought over in as many requests as it takes.

Google keeps what has come in units of 256 KiB; after a failure it is asked how much that is, and the rest is sent again.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from videovector_operator.errors import Invalid, StorageError, Throttled, Unavailable
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.gcs_answers import read_answer
from videovector_operator.storage.gcs_errors import DAMAGED
from videovector_operator.storage.gcs_objects import Stored, read_stored
from videovector_operator.storage.request import Reply, Request, transfer_seconds

_GO_ON = 308
_MOST_STEPS = 100
"""Requests that one block may take; each but the failed ones must bring it forward."""
_PERSISTED = re.compile(r"bytes=0-(\d{1,19})")
_GIVEN_UP = (200, 204, 404, 410, 499)
"""Google answers 499 when it has forgotten a session, and 404 or 410 when it had forgotten it before."""


@dataclass(frozen=True, slots=True)
class Session:
    """One begun upload; ``action`` is for messages. ``id`` is a secret: whoever has it may upload."""

    http: Exchange
    action: str
    path: str
    id: str = field(repr=False)

    async def send(self, data: bytes, start: int) -> None:
        """Send a block that is not the last; ``start`` is its place in the object. Raises StorageError."""
        if await self._bring(data, start, None, {}) is not None:
            raise Invalid(f"Cannot {self.action}: the upload ended before its last byte. Check the endpoint")

    async def end(self, data: bytes, start: int, md5: str) -> Stored:
        """Send the last block with the checksum of all; returns the object. Raises StorageError."""
        total = start + len(data)
        headers = {"x-goog-hash": f"md5={md5}"}
        stored: Reply | Stored | None = await self._bring(data, start, total, headers)
        if stored is None:
            # Everything is there, and the server waits to be told that it is everything.
            stored = await self._put(b"", f"bytes */{total}", headers)
        if isinstance(stored, Reply):
            raise Unavailable(f"Cannot {self.action}: the server has every byte and does not end the upload")
        return stored

    async def give_up(self) -> None:
        """Have what was sent forgotten, as far as the server answers; Google does so by itself after a week."""
        with contextlib.suppress(StorageError):
            await self.http.send(self._request("DELETE", {}, b"", _GIVEN_UP), lambda _: None)

    async def _bring(self, data: bytes, start: int, total: int | None, headers: Mapping[str, str]) -> Stored | None:
        """Get a block over. Returns the object when the upload has ended, or None when the server has the block and waits for more."""
        done, end, failures = start, start + len(data), 0
        size = "*" if total is None else str(total)
        for _ in range(_MOST_STEPS):
            part = data if done == start else data[done - start :]
            failure: Throttled | Unavailable | None = None
            try:
                reply = await self._put(part, f"bytes {done}-{end - 1}/{size}", headers, attempts=1)
            except (Throttled, Unavailable) as error:
                if error.code == DAMAGED:
                    # Which block it was, nobody knows.
                    raise
                failure = error
                await self.http.pause(failures + 1, error)
                reply = await self._put(b"", f"bytes */{size}", headers)
            if not isinstance(reply, Reply):
                return reply
            persisted = self._find_persisted(reply, done, end)
            if persisted == end:
                return None
            if persisted > done:
                failures = 0
            else:
                failures += 1
                if failure is None:
                    await self.http.pause(failures, Unavailable(f"Cannot {self.action}: the server takes no bytes"))
            done = persisted
        raise Unavailable(f"Cannot {self.action}: the server takes too few bytes at a time")

    def _find_persisted(self, reply: Reply, done: int, end: int) -> int:
        """Read how many bytes the server has. Raises Unavailable when it has lost some, Invalid when it makes some up."""
        match = _PERSISTED.fullmatch(reply.headers.get("range", ""))
        persisted = int(match[1]) + 1 if match else 0
        if persisted < done:
            raise Unavailable(f"Cannot {self.action}: the server has lost bytes that it had taken")
        if persisted > end:
            raise Invalid(f"Cannot {self.action}: the server says that it has more bytes than were sent")
        return persisted

    async def _put(
        self, data: bytes, content_range: str, headers: Mapping[str, str], attempts: int | None = None
    ) -> Reply | Stored:
        """Send bytes, or none to ask how far it is. Returns the reply when the upload goes on, the object when it has ended."""
        fields = {"content-range": content_range, **headers}
        request = self._request("PUT", fields, data, (200, 201, _GO_ON), attempts=attempts)

        def decode(reply: Reply) -> Reply | Stored:
            return reply if reply.status == _GO_ON else read_answer(self.http, request, reply, read_stored)

        return await self.http.send(request, decode)

    def _request(
        self,
        method: str,
        headers: Mapping[str, str],
        body: bytes,
        accepted: tuple[int, ...],
        *,
        attempts: int | None = None,
    ) -> Request:
        return Request(
            method,
            self.action,
            path=self.path,
            params={"uploadType": "resumable", "upload_id": self.id},
            headers=headers,
            body=body,
            accepted=accepted,
            attempts=attempts,
            extra_seconds=transfer_seconds(len(body)),
        )


async def begin_session(
    http: Exchange, action: str, path: str, described: Mapping[str, object], conditions: Mapping[str, str]
) -> Session:
    """Begin the upload of what ``described`` says (Google's object resource). Raises StorageError."""
    request = Request(
        "POST",
        action,
        path=path,
        params={"uploadType": "resumable", **conditions},
        headers={"content-type": "application/json; charset=UTF-8"},
        body=json.dumps(described).encode(),
    )

    def decode(reply: Reply) -> str:
        # Only the id is taken out of Location: the rest of that URL could lead anywhere.
        found = parse_qs(urlsplit(reply.headers.get("location", "")).query).get("upload_id")
        if not found:
            raise Invalid(f"Cannot {action}: the answer is not Cloud Storage's. Check the endpoint")
        return found[0]

    return Session(http, action, path, await http.send(request, decode))

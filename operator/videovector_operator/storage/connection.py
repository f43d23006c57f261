"""One keep-alive HTTP/1.1 connection: sends a request's bytes, gives back one bounded reply.

Own code on the hottest path (a ranged read for every file of an import): aiohttp's client costs more than all else there.
llhttp (by httptools) parses. No provider's semantics, no retries and no dialling may enter. Any doubt closes the connection.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast

import httptools
from typing_extensions import override

from videovector_operator.errors import Invalid
from videovector_operator.storage.request import Reply
from videovector_operator.storage.transport import refuse_long_skip

_MOST_HEAD_BYTES = 64 * 1024
"""Bytes that may come without bringing the reply forward: headers, interim replies, trailers."""


class StaleError(ConnectionError):
    """A kept-alive connection ended before any byte of the reply: the server had closed it, nothing was wrong."""


class BrokenOffError(ConnectionError):
    """The reply ended before its end."""


class NotHttpError(ValueError):
    """What came is not an HTTP reply, or is one without bounds."""


class Bounds(NamedTuple):
    """How much of a body is wanted. Of a 200 (the server ignores the range) the first ``skip`` bytes are dropped.

    ``keep`` is for accepted replies, ``keep_refused`` for the others.
    """

    accepted: tuple[int, ...]
    skip: int
    keep: int
    keep_refused: int


class Connection(asyncio.Protocol):
    """One exchange at a time. ``silence`` is the longest wait for the next bytes, in seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, silence: float) -> None:
        self.is_open = False
        self.released_at = 0.0
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._silence = silence
        self._transport: asyncio.Transport | None = None
        self._is_used = False
        self._answer: asyncio.Future[Reply] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._heard_at = 0.0

    async def exchange(self, request: bytes, bounds: Bounds) -> Reply:
        """Send ``request`` and return its reply.

        Raises StaleError, BrokenOffError, NotHttpError, OSError or TimeoutError. The connection is usable again when `is_open`.
        """
        self._bounds = bounds
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._status = self._skip = self._missing = self._idle_bytes = 0
        self._has_heard = self._has_head = self._is_complete = self._has_advanced = False
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._answer = answer
        self._heard_at = self._loop.time()
        if self._watch is None:
            self._watch = self._loop.call_later(self._silence, self._check_silence)
        if self._transport is None or not self.is_open:
            self._fail(StaleError())
        else:
            self._transport.write(request)
        try:
            return await answer
        finally:
            if not self._is_complete:
                self.abort()
            self._answer = None
            self._is_used = True

    def abort(self) -> None:
        """Close at once."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    @override
    def data_received(self, data: bytes) -> None:
        """Parse what came; anything outside of an exchange closes the connection."""
        if self._answer is None or self._answer.done():
            self.abort()
            return
        self._has_heard = True
        self._heard_at = self._loop.time()
        self._has_advanced = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.abort()
            self._fail(BrokenOffError() if self._has_head else NotHttpError(type(error).__name__))
            return
        self._idle_bytes = 0 if self._has_advanced else self._idle_bytes + len(data)
        if self._idle_bytes > _MOST_HEAD_BYTES:
            self._fail(NotHttpError("endless headers"))
        elif self._has_head and self._missing <= 0 and not self._is_complete:
            self._finish()

    @override
    def eof_received(self) -> None:
        """Let the transport close."""

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange: a body without a stated length is complete now, everything else is broken off."""
        self.is_open = False
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._answer is None or self._answer.done():
            return
        if not self._has_heard and self._is_used:
            self._fail(StaleError())
        elif exc is None and self._has_head and not self._is_length_stated():
            self._finish()
        else:
            self._fail(exc if isinstance(exc, OSError) else BrokenOffError())

    def on_message_begin(self) -> None:
        """Start a reply; a second one behind it was not asked for."""
        if self._is_complete:
            self.is_open = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are dropped."""
        if not self._has_head:
            self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())

    def on_headers_complete(self) -> None:
        """Decide how much of the body is wanted."""
        if self._has_head:
            return
        status = self._parser.get_status_code()
        if status < 200:
            # An interim reply (100 Continue, 103 Early Hints): the real one follows.
            self._headers = {}
            return
        self._status = status
        self._has_head = self._has_advanced = True
        bounds = self._bounds
        self._missing = bounds.keep if status in bounds.accepted else bounds.keep_refused
        if status == 200 and bounds.skip:
            self._start_skipping(bounds.skip)

    def _start_skipping(self, skip: int) -> None:
        length = self._headers.get("content-length", "")
        if length and int(length) <= skip:
            self._missing = 0
            return
        try:
            refuse_long_skip(skip)
        except Invalid as error:
            self._fail(error)
        self._skip = skip

    def on_body(self, data: bytes) -> None:
        """Keep what is wanted."""
        self._has_advanced = True
        if self._skip:
            dropped = min(self._skip, len(data))
            self._skip -= dropped
            data = data[dropped:]
        if self._missing > 0 and data:
            part = data if len(data) <= self._missing else data[: self._missing]
            self._body.append(part)
            self._missing -= len(part)

    def on_message_complete(self) -> None:
        """Give the reply back; the connection stays open when the server says so."""
        if self._has_head and not self._is_complete:
            self._is_complete = True
            if not self._parser.should_keep_alive():
                self.is_open = False
            self._finish()

    def _finish(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Reply(self._status, self._headers, b"".join(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _is_length_stated(self) -> bool:
        return "content-length" in self._headers or "transfer-encoding" in self._headers

    def _check_silence(self) -> None:
        """End an exchange in which nothing has come for too long. One timer serves many exchanges."""
        self._watch = None
        if self._answer is None or self._answer.done():
            return
        end = self._heard_at + self._silence
        if self._loop.time() >= end:
            self._fail(TimeoutError())
        else:
            self._watch = self._loop.call_at(end, self._check_silence)

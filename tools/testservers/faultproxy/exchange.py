"""One request through the proxy and its answer back, with at most one effect."""

import asyncio
import contextlib
import http
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from .effects import Answer, BodyFault, Break, Effect
from .http1 import PIECE, Framing, Head, Piece, answer_framing, read_body, read_head, request_framing
from .record import Seen

_SMALL_BODY = 1 << 20
_GRACE_SECONDS = 5.0
_NO_EFFECT = Effect("")


class Broken(Exception):  # noqa: N818 - says what has been done on purpose
    """The client's connection ends here, in this way."""

    def __init__(self, how: Break) -> None:
        super().__init__(how)
        self.how = how


@dataclass(frozen=True)
class Side:
    """One of the two connections."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def ended(self) -> bool:
        """Whether the other end has closed it."""
        return self.reader.at_eof() or self.writer.is_closing()

    async def send(self, raw: bytes) -> None:
        """Write, and wait while the other end is slow."""
        self.writer.write(raw)
        await self.writer.drain()

    def reset(self) -> None:
        """End it with RST."""
        with contextlib.suppress(OSError, AttributeError):
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    async def end(self, how: Break) -> None:
        """Reset or close it, or keep it open without a word until the other end closes it."""
        if how == "reset":
            self.reset()
        elif how == "hang":
            while await self.reader.read(PIECE):
                pass
        else:
            self.writer.close()


class Exchange:
    """A request whose head has been read."""

    def __init__(self, head: Head, client: Side, seen: Seen, effect: Effect | None) -> None:
        self._head = head
        self._client = client
        self._seen = seen
        self._effect = effect or _NO_EFFECT

    async def run(self, reach_server: Callable[[], Awaitable[Side]]) -> bool:
        """Do it all; answer whether the connection may carry another request. Raises Broken to end it otherwise."""
        if self._effect.delay:
            await asyncio.sleep(self._effect.delay)
        if not self._effect.forward:
            return await self._stand_in(uploaded=False)
        server = await reach_server()
        await server.send(self._head.raw)
        upload = asyncio.create_task(self._upload(server))
        download = asyncio.create_task(self._download(server))
        try:
            return await self._wait_for(upload, download, server)
        finally:
            for task in (upload, download):
                task.cancel()
            await asyncio.gather(upload, download, return_exceptions=True)

    async def _wait_for(self, upload: asyncio.Task[None], download: asyncio.Task[bool], server: Side) -> bool:
        await asyncio.wait({upload, download}, return_when=asyncio.FIRST_COMPLETED)
        if not upload.done():
            # The answer came first. What is left of the request is taken for a while: a reset might overtake the answer.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({upload}, timeout=_GRACE_SECONDS)
        if upload.done() and (problem := upload.exception()) is not None:
            server.reset()
            raise problem
        goes_on = await download
        return goes_on and upload.done()

    async def _upload(self, server: Side) -> None:
        alive = True
        async for piece in self._spoil(self._request_body(), self._effect.upload):
            self._seen.received += len(piece.raw) if piece.payload else 0
            if alive:
                try:
                    await server.send(piece.raw)
                except OSError:
                    alive = False  # it may have answered all the same: the rest is read for nothing

    async def _download(self, server: Side) -> bool:
        head = await self._final_head(server)
        framing = answer_framing(head, self._head.method)
        if self._effect.answer is not None or self._effect.broken is not None:
            async for _ in read_body(server.reader, framing):
                pass
            return await self._stand_in(uploaded=True) and not head.closes
        self._seen.status = head.status
        self._seen.head = len(head.raw)
        at = self._effect.head
        await self._client.send(head.raw if at is None else flipped(head.raw, at))
        async for piece in self._spoil(read_body(server.reader, framing), self._effect.download):
            self._seen.sent += len(piece.raw) if piece.payload else 0
            await self._client.send(piece.raw)
        if framing == Framing() or head.closes or self._head.closes:
            self._client.writer.close()
            return False
        return True

    async def _final_head(self, server: Side) -> Head:
        """Pass on every "100 Continue", and answer the head behind them."""
        while True:
            head = await read_head(server.reader)
            if head is None:
                raise ConnectionResetError("the server closed the connection without an answer")
            if head.status >= http.HTTPStatus.OK:
                return head
            await self._client.send(head.raw)

    async def _stand_in(self, *, uploaded: bool) -> bool:
        """Do what the effect has instead of the server's answer."""
        if self._effect.broken is not None:
            raise Broken(self._effect.broken)
        assert self._effect.answer is not None
        goes_on = uploaded or await self._take_small_body()
        self._seen.status = self._effect.answer.status
        self._seen.sent = 0 if self._head.method == "HEAD" else len(self._effect.answer.content)
        await self._client.send(build_answer(self._effect.answer, self._head, close=not goes_on))
        if not goes_on:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(_GRACE_SECONDS):
                    async for _ in self._request_body():
                        pass
        return goes_on and not self._head.closes

    async def _take_small_body(self) -> bool:
        """Read a request's body that nobody will get, if that is quick; a client that asks first does not send it."""
        framing = request_framing(self._head)
        if "expect" in self._head.headers or framing.chunked or (framing.length or 0) > _SMALL_BODY:
            return False
        async for _ in self._request_body():
            pass
        return True

    def _request_body(self) -> AsyncIterator[Piece]:
        return read_body(self._client.reader, request_framing(self._head))

    async def _spoil(self, body: AsyncIterator[Piece], fault: BodyFault | None) -> AsyncIterator[Piece]:
        """Pass a body on up to the fault's place; a shorter body breaks at its end."""
        position = 0
        async for piece in body:
            end = position + len(piece.raw)
            if fault is None or not piece.payload or not position <= fault.at < end:
                yield piece
            elif fault.how == "flip":
                yield Piece(flipped(piece.raw, fault.at - position))
            else:
                yield Piece(piece.raw[: fault.at - position])
                raise Broken(fault.how)
            position = end if piece.payload else position
        if fault is not None and fault.how != "flip" and fault.at >= position:
            raise Broken(fault.how)


def flipped(raw: bytes, place: int) -> bytes:
    """Change one bit of one byte, if there is such a byte."""
    return raw[:place] + bytes(byte ^ 1 for byte in raw[place : place + 1]) + raw[place + 1 :]


def build_answer(answer: Answer, request: Head, *, close: bool) -> bytes:
    """Build an answer of the proxy's own."""
    try:
        phrase = http.HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Injected"
    fields = {"Content-Length": str(len(answer.content)), **answer.headers}
    if close:
        fields["Connection"] = "close"
    head = f"HTTP/1.1 {answer.status} {phrase}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return head.encode("latin-1") + b"\r\n" + (b"" if request.method == "HEAD" else answer.content)

"""Sends requests to one object store over one aiohttp session, or the lean pool: time-outs, bounded retries, bounded replies, no redirects.

Who asks and what a refusal means is the provider's `Dialect`; what a reply means is decided by the caller's ``decode``.
Everything raised is a `StorageError`. Raw URLs pass through untouched (yarl's ``encoded=True``), so that every legal key survives.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import aiohttp
from yarl import URL

from videovector_operator.core.retry import LONGEST_RETRY_AFTER_SECONDS
from videovector_operator.errors import Invalid, InvalidCredentials, StorageError, Throttled, Unavailable
from videovector_operator.storage.connection import Bounds
from videovector_operator.storage.pool import ConnectionPool, build_head
from videovector_operator.storage.port import StorageOptions
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.server_text import quote_server
from videovector_operator.storage.transport import (
    GuardedResolver,
    Place,
    build_tls,
    build_transport_error,
    open_session,
    read_body,
)

T = TypeVar("T")
_LONGEST_ERROR_BODY = 64 * 1024
_LARGEST_PIECE = 256 * 1024
_SENSELESS = (ValueError, LookupError, OverflowError, TypeError)
"""What reading a reply raises when a server says what nobody foresaw."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds. ``total`` bounds one call with all its tries; ``silence`` is the longest wait for the next bytes."""

    connect: float = 5.0
    silence: float = 10.0
    total: float = 30.0
    attempts: int = 4
    connections: int = 64
    first_delay: float = 0.1
    longest_delay: float = 5.0


class Signed(NamedTuple):
    """A request as it goes on the wire: ``target`` is path and query, encoded; ``headers`` have lowercase names."""

    target: str
    headers: Mapping[str, str]


class Dialect(Protocol):
    """One provider's way of saying who asks, and of refusing."""

    async def authorize(self, request: Request) -> Signed:
        """Build target and headers with fresh credentials. Raises InvalidCredentials or Unavailable."""
        ...

    def build_error(self, request: Request, reply: Reply) -> StorageError:
        """Translate a reply that was not accepted; no secret may be in it."""
        ...

    def secrets(self) -> tuple[str | None, ...]:
        """Texts that must be taken out of whatever the server says."""
        ...

    def can_renew(self, error: InvalidCredentials) -> bool:
        """Forget what is cached when ``error`` says that it is expired; True when asking again may give others."""
        ...

    def close(self) -> None:
        """Free threads."""
        ...


class Exchange:
    """One store's connections. ``jitter`` gives numbers in [0, 1). Must be made on a running loop. Raises Invalid (CA bundle)."""

    def __init__(
        self,
        place: Place,
        dialect: Dialect,
        limits: Limits,
        options: StorageOptions,
        ca_bundle: str | None = None,
        *,
        jitter: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.place = place
        self._dialect = dialect
        self._limits = limits
        self._total = limits.total if options.timeout_seconds is None else options.timeout_seconds
        self._attempts = limits.attempts if options.attempts is None else options.attempts
        self._pace = options.pace
        self._jitter = jitter
        self._sleep = sleep
        tls = build_tls(ca_bundle)
        resolver = GuardedResolver(options.endpoints, options.names)
        self._session = open_session(limits.connections, limits.connect, limits.silence, resolver, tls)
        self._pool = ConnectionPool(
            place.origin,
            connections=limits.connections,
            connect_seconds=limits.connect,
            silence_seconds=limits.silence,
            resolver=resolver,
            tls=tls,
        )

    async def close(self) -> None:
        """Close every connection."""
        self._dialect.close()
        await self._pool.close()
        await self._session.close()

    def build_error(self, request: Request, reply: Reply) -> StorageError:
        """Translate a reply that is a refusal; for ``decode`` too, as bodies may say failure behind a status that says success."""
        return self._read(request, reply, lambda refused: self._dialect.build_error(request, refused))

    def quote(self, text: str, *, longest: int) -> str:
        """Return what of a server's ``text`` may be shown in a message."""
        return quote_server(text, self._dialect.secrets(), longest=longest)

    async def send(
        self, request: Request, decode: Callable[[Reply], T], *, failures: list[StorageError] | None = None
    ) -> T:
        """Send ``request`` until it succeeds, fails for good, or tries and time are used up.

        Retried: Throttled and Unavailable, from the transport, the reply or ``decode``; expired ambient credentials once.
        ``failures`` collects what was retried: with any, the server may have done the work before. What ``decode`` cannot make
        sense of is Invalid.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._total + request.extra_seconds
        attempts = request.attempts or self._attempts
        attempt, has_renewed = 0, False
        while True:
            attempt += 1
            # Waiting for one's turn is no fault of the server: it does not use up the call's time.
            deadline += await self._wait_for_turn()
            try:
                return self._read(request, await self._send_once(request, deadline - loop.time()), decode)
            except (Throttled, Unavailable) as error:
                delay = self._delay(attempt, error)
                if attempt >= attempts or loop.time() + delay >= deadline:
                    raise
                if failures is not None:
                    failures.append(error)
            except InvalidCredentials as error:
                if has_renewed or not self._dialect.can_renew(error):
                    raise
                has_renewed, delay = True, 0.0
            await self._sleep(delay)

    async def pause(self, tries: int, error: Throttled | Unavailable) -> None:
        """Wait as between two tries of `send`, for work whose next try is another request; ``tries`` were made.

        Raises ``error`` when there were enough, or when the server asks for more time than a call may take.
        """
        delay = self._delay(tries, error)
        if tries >= self._attempts or delay >= self._total:
            raise error
        await self._sleep(delay)

    def _read(self, request: Request, reply: Reply, read: Callable[[Reply], T]) -> T:
        """Read a reply. Raises Invalid for one that nobody foresaw: no server may end a worker by what it says."""
        try:
            return read(reply)
        except _SENSELESS:
            pass
        # Not from within: a traceback would show what the server said, unchecked.
        place = self.place
        raise Invalid(
            f"Cannot {request.action} in {place.label} at {place.endpoint}: the answer is not {place.server}. Check the endpoint"
        )

    async def _wait_for_turn(self) -> float:
        """Wait until the pace allows one more request; returns the seconds that it took."""
        if self._pace is None:
            return 0.0
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._pace.acquire()
        return loop.time() - began

    def _delay(self, attempt: int, error: Throttled | Unavailable) -> float:
        """Capped exponential backoff with full jitter; never less than the server asked for, up to a cap."""
        ceiling: float = min(self._limits.longest_delay, self._limits.first_delay * 2 ** (attempt - 1))
        backoff = ceiling * (0.5 + self._jitter() / 2)
        if not isinstance(error, Throttled):
            return backoff
        asked = min(error.retry_after, LONGEST_RETRY_AFTER_SECONDS)
        if self._pace is not None:
            self._pace.throttled(asked)
        return max(backoff, asked)

    async def _send_once(self, request: Request, seconds: float) -> Reply:
        try:
            # The deadline covers the credentials too: an identity service may be slow.
            async with asyncio.timeout(seconds):
                return await self._exchange(request)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise build_transport_error(request.action, self.place, error) from None

    async def _exchange(self, request: Request) -> Reply:
        signed = await self._dialect.authorize(request)
        if request.lean:
            head = build_head(request.method, signed.target, signed.headers)
            reply = await self._pool.exchange(head, _bounds_of(request))
        else:
            reply = await self._exchange_by_session(request, signed)
        if reply.status not in request.accepted:
            raise self.build_error(request, reply)
        return reply

    async def _exchange_by_session(self, request: Request, signed: Signed) -> Reply:
        url = URL(f"{self.place.origin}{signed.target}", encoded=True)
        # Large bodies go out piece by piece. As a payload, not as a plain buffer: aiohttp sends once more by itself what a kept-alive
        # connection has swallowed, and would send of a buffer only what was not read yet.
        large = len(request.body) > _LARGEST_PIECE
        body = aiohttp.BytesIOPayload(io.BytesIO(request.body)) if large else request.body or None
        async with self._session.request(
            request.method,
            url,
            headers=signed.headers,
            data=body,
            allow_redirects=False,
            timeout=self._times(request.patience),
        ) as response:
            if request.method == "HEAD":
                return Reply(response.status, response.headers)
            bounds = _bounds_of(request)
            skip = bounds.skip if response.status == 200 else 0
            keep = bounds.keep if response.status in bounds.accepted else bounds.keep_refused
            return Reply(response.status, response.headers, await read_body(response, skip, keep))

    def _times(self, patience: float) -> aiohttp.ClientTimeout:
        limits = self._limits
        return aiohttp.ClientTimeout(total=None, sock_connect=limits.connect, sock_read=limits.silence * patience)


def _bounds_of(request: Request) -> Bounds:
    return Bounds(request.accepted, request.skip, request.keep, _LONGEST_ERROR_BODY)

"""Sends signed S3 requests over one aiohttp session, or the lean pool: time-outs, bounded retries, bounded replies, no redirects.

What a reply means is decided by the caller's ``decode`` and by `s3_errors`; everything raised is a `StorageError`.
Raw URLs pass through untouched (yarl's ``encoded=True``), so that every legal key survives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

import aiohttp
from yarl import URL

from videovector_operator.errors import InvalidCredentials, StorageError, Throttled, Unavailable
from videovector_operator.storage.port import StaticCredentials
from videovector_operator.storage.s3_address import Address
from videovector_operator.storage.s3_connection import Bounds
from videovector_operator.storage.s3_credentials import CredentialsProvider
from videovector_operator.storage.s3_errors import CLOCK_SKEW, EXPIRED_CODES, build_error
from videovector_operator.storage.s3_pool import ConnectionPool, build_head
from videovector_operator.storage.s3_request import Reply, Request
from videovector_operator.storage.s3_sign import SignedParts, Signer, encode_query
from videovector_operator.storage.s3_transport import build_transport_error, open_session, read_body, scrub

T = TypeVar("T")
_LONGEST_ERROR_BODY = 64 * 1024


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


class S3Http:
    """One bucket's connection pool. ``clock`` gives aware UTC time, ``jitter`` numbers in [0, 1)."""

    def __init__(
        self,
        address: Address,
        credentials: CredentialsProvider,
        limits: Limits,
        *,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.address = address
        self._credentials = credentials
        self._limits = limits
        self._clock = clock
        self._jitter = jitter
        self._sleep = sleep
        self._signer = Signer(address.region)
        self._skew = timedelta(0)
        self._session = open_session(limits.connections, limits.connect, limits.silence)
        self._pool = ConnectionPool(
            address.origin,
            connections=limits.connections,
            connect_seconds=limits.connect,
            silence_seconds=limits.silence,
        )

    async def close(self) -> None:
        """Close every connection."""
        self._credentials.close()
        await self._pool.close()
        await self._session.close()

    async def send(self, request: Request, decode: Callable[[Reply], T]) -> T:
        """Send ``request`` until it succeeds, fails for good, or tries and time are used up.

        Retried: Throttled and Unavailable, from the transport, the reply or ``decode``; expired ambient credentials once.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.total
        attempts = request.attempts or self._limits.attempts
        attempt = 0
        while True:
            attempt += 1
            try:
                return decode(await self._send_once(request, deadline - loop.time()))
            except (Throttled, Unavailable) as error:
                delay = self._delay(attempt, error)
                if attempt >= attempts or loop.time() + delay >= deadline:
                    raise
            except InvalidCredentials as error:
                if attempt > 1 or error.code not in EXPIRED_CODES or not self._credentials.expire():
                    raise
                delay = 0.0
            await self._sleep(delay)

    def _delay(self, attempt: int, error: Throttled | Unavailable) -> float:
        """Capped exponential backoff with full jitter; never less than the server asked for."""
        ceiling: float = min(self._limits.longest_delay, self._limits.first_delay * 2 ** (attempt - 1))
        backoff = ceiling * (0.5 + self._jitter() / 2)
        return max(backoff, error.retry_after) if isinstance(error, Throttled) else backoff

    async def _send_once(self, request: Request, seconds: float) -> Reply:
        try:
            # The deadline covers the credentials too: an identity service may be slow.
            async with asyncio.timeout(seconds):
                credentials = await self._credentials.current()
                return await self._exchange(request, credentials)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise build_transport_error(request.action, self.address, error) from None

    async def _exchange(self, request: Request, credentials: StaticCredentials) -> Reply:
        path = f"{self.address.path}{request.path}" or "/"
        query = encode_query(request.params) if request.params else ""
        headers = self._signer.sign(
            SignedParts(request.method, path, query, request.body_sha256),
            {"host": self.address.host, **request.headers},
            credentials,
            self._clock() + self._skew,
        )
        target = f"{path}?{query}" if query else path
        if request.lean:
            reply = await self._pool.exchange(build_head(request.method, target, headers), _bounds_of(request))
        else:
            reply = await self._exchange_by_session(request, target, headers)
        if reply.status not in request.accepted:
            raise self._refused(request, reply, credentials)
        return reply

    async def _exchange_by_session(self, request: Request, target: str, headers: Mapping[str, str]) -> Reply:
        url = URL(f"{self.address.origin}{target}", encoded=True)
        async with self._session.request(
            request.method, url, headers=headers, data=request.body or None, allow_redirects=False
        ) as response:
            if request.method == "HEAD":
                return Reply(response.status, response.headers)
            bounds = _bounds_of(request)
            skip = bounds.skip if response.status == 200 else 0
            keep = bounds.keep if response.status in bounds.accepted else bounds.keep_refused
            return Reply(response.status, response.headers, await read_body(response, skip, keep))

    def _refused(self, request: Request, reply: Reply, credentials: StaticCredentials) -> StorageError:
        error = build_error(request.action, self.address, reply)
        if error.code == CLOCK_SKEW:
            self._learn_skew(reply.headers.get("date", ""))
        return scrub(error, credentials)

    def _learn_skew(self, date: str) -> None:
        """Sign the next requests by the server's clock."""
        try:
            self._skew = parsedate_to_datetime(date).astimezone(UTC) - self._clock()
        except ValueError:
            self._skew = timedelta(0)


def _bounds_of(request: Request) -> Bounds:
    return Bounds(request.accepted, request.skip, request.keep, _LONGEST_ERROR_BODY)

"""How S3 requests are signed and how its refusals are read: the S3 side of `exchange`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from videovector_operator.errors import InvalidCredentials, StorageError
from videovector_operator.storage.exchange import Signed
from videovector_operator.storage.port import StaticCredentials
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.s3_address import Address
from videovector_operator.storage.s3_credentials import CredentialsProvider
from videovector_operator.storage.s3_errors import CLOCK_SKEW, EXPIRED_CODES, build_error
from videovector_operator.storage.s3_sign import SignedParts, Signer, encode_query
from videovector_operator.storage.server_clock import Lesson, ServerClock


class S3Dialect:
    """Signature Version 4 for one bucket. ``clock`` gives aware UTC time."""

    def __init__(self, address: Address, credentials: CredentialsProvider, clock: Callable[[], datetime]) -> None:
        self._address = address
        self._credentials = credentials
        self._clock = ServerClock(clock, timedelta(0))
        self._signer = Signer(address.region)
        self._used: StaticCredentials | None = None

    async def authorize(self, request: Request) -> Signed:
        """Sign ``request`` with the present credentials; see `exchange.Dialect`."""
        credentials = self._used = await self._credentials.current()
        path = f"{self._address.path}{request.path}" or "/"
        query = encode_query(request.params) if request.params else ""
        headers = self._signer.sign(
            SignedParts(request.method, path, query, request.body_sha256),
            {"host": self._address.host, **request.headers},
            credentials,
            self.now(),
        )
        return Signed(f"{path}?{query}" if query else path, headers)

    def build_error(self, request: Request, reply: Reply) -> StorageError:
        """Translate a refusal; see `exchange.Dialect`."""
        error = build_error(request, self._address, reply, self.secrets())
        if error.code == CLOCK_SKEW and self._clock.learn(reply.headers.get("date", "")) is not Lesson.LEARNT:
            self._clock.forget()
        return error

    def secrets(self) -> tuple[str | None, ...]:
        """The credentials that were used last; see `exchange.Dialect`."""
        used = self._used
        return (used.secret_access_key, used.session_token, used.access_key_id) if used else ()

    def can_renew(self, error: InvalidCredentials) -> bool:
        """Tell whether expired credentials may be replaced; see `exchange.Dialect`."""
        return error.code in EXPIRED_CODES and self._credentials.expire()

    def close(self) -> None:
        """Free threads."""
        self._credentials.close()

    def now(self) -> datetime:
        """The time by the server's clock, as far as it is known."""
        return self._clock.now()

"""How Cloud Storage requests say who asks, and how its refusals are read: the Google side of `exchange`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import quote

from videovector_operator.errors import InvalidCredentials, StorageError, Unavailable
from videovector_operator.storage.exchange import Signed
from videovector_operator.storage.gcs_address import Address
from videovector_operator.storage.gcs_credentials import Credentials
from videovector_operator.storage.gcs_errors import REQUESTER_PAYS, build_error
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.server_clock import TOO_FAR, Lesson, ServerClock

_LARGEST_SKEW = timedelta(minutes=1)
"""Clocks that differ by more may be why a token was refused."""


class GcsDialect:
    """Bearer tokens for one bucket. ``clock`` gives aware UTC time; ``project`` pays where readers have to."""

    def __init__(self, address: Address, credentials: Credentials, project: str, clock: Callable[[], datetime]) -> None:
        self._address = address
        self.credentials = credentials
        self._project = project
        self._clock = ServerClock(clock, _LARGEST_SKEW)
        self._has_learnt_skew = False
        self._is_payer_needed = False
        self._used = ""

    async def authorize(self, request: Request) -> Signed:
        """Add the present token; see `exchange.Dialect`."""
        token = self._used = await self.credentials.token(self.now())
        headers = {"host": self._address.host, "authorization": f"Bearer {token}", **request.headers}
        if self._is_payer_needed:
            headers["x-goog-user-project"] = self._project
        target = f"{self._address.base}{request.path}"
        return Signed(f"{target}?{encode_query(request.params)}" if request.params else target, headers)

    def build_error(self, request: Request, reply: Reply) -> StorageError:
        """Translate a refusal; see `exchange.Dialect`."""
        error = build_error(request, self._address, reply, (*self.secrets(), request.params.get("upload_id")))
        if error.code == REQUESTER_PAYS and not self._is_payer_needed and self._project:
            self._is_payer_needed = True
            return Unavailable(f"{error.message}. It is tried again with the project of projectId", error.code)
        if isinstance(error, InvalidCredentials):
            lesson = self._clock.learn(reply.headers.get("date", ""))
            if lesson is Lesson.TOO_FAR:
                return InvalidCredentials(f"{error.message}. {TOO_FAR}", error.code)
            self._has_learnt_skew = self._has_learnt_skew or lesson is Lesson.LEARNT
        return error

    def secrets(self) -> tuple[str | None, ...]:
        """The token that was used last; see `exchange.Dialect`."""
        return (self._used,)

    def can_renew(self, error: InvalidCredentials) -> bool:
        """Tell whether another token may be accepted; see `exchange.Dialect`. Google does not say which ones have expired."""
        if not error.code:
            # Not refused by the server: there is no token.
            return False
        refused = not self._has_learnt_skew
        self._has_learnt_skew = False
        return self.credentials.expire(refused=refused)

    def close(self) -> None:
        """Free threads."""
        self.credentials.close()

    def now(self) -> datetime:
        """The time by the server's clock, as far as it is known."""
        return self._clock.now()


def encode_query(params: Mapping[str, str]) -> str:
    """Build a query; each byte but the unreserved is encoded."""
    return "&".join([f"{name}={quote(value, safe='')}" for name, value in params.items()])

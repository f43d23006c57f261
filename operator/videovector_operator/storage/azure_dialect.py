"""How Azure's requests say who asks, and how its refusals are read: the Azure side of `exchange`.

Paths of requests are relative to the account: "/container/name".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from videovector_operator.errors import InvalidCredentials, StorageError, Unavailable
from videovector_operator.storage.azure_address import Address
from videovector_operator.storage.azure_credentials import Credentials
from videovector_operator.storage.azure_errors import CLOCK_SKEW, build_error
from videovector_operator.storage.azure_identity import ENTRA_CODES
from videovector_operator.storage.azure_sign import SignedParts, encode_query, format_http_date
from videovector_operator.storage.exchange import Signed
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.server_clock import TOO_FAR, Lesson, ServerClock

API_VERSION = "2021-12-02"
"""The oldest that has all we ask for, so that servers other than Azure's own know it too."""
_UPLOAD = {"content-type": "application/octet-stream"}
_LARGEST_SKEW = timedelta(minutes=5)
"""Azure refuses dates that differ by more than 15 minutes; it says so in the body, which HEAD does not have."""


class AzureDialect:
    """One container, as one identity. ``clock`` gives aware UTC time."""

    def __init__(self, address: Address, credentials: Credentials, clock: Callable[[], datetime]) -> None:
        self._address = address
        self._credentials = credentials
        self._clock = ServerClock(clock, _LARGEST_SKEW)

    async def authorize(self, request: Request) -> Signed:
        """Add version, date and credentials; see `exchange.Dialect`."""
        headers = {
            "host": self._address.host,
            "x-ms-version": API_VERSION,
            "x-ms-date": format_http_date(self.now()),
            # What aiohttp adds by itself must be signed too.
            **(_UPLOAD if request.method in ("PUT", "POST") else {}),
            **request.headers,
        }
        path = f"{self._address.base}{request.path}" or "/"
        given = await self._credentials.authorize(
            SignedParts(request.method, path, request.params, len(request.body)), headers
        )
        query = "&".join(part for part in (encode_query(request.params), given.query) if part)
        return Signed(f"{path}?{query}" if query else path, {**headers, **given.headers})

    def build_error(self, request: Request, reply: Reply) -> StorageError:
        """Translate a refusal; see `exchange.Dialect`."""
        error = build_error(request, self._address, reply, self.secrets())
        if isinstance(error, InvalidCredentials) or error.code == CLOCK_SKEW:
            return self._explain(error, reply)
        return error

    def secrets(self) -> tuple[str, ...]:
        """What the credentials hold, or have used; see `exchange.Dialect`."""
        return self._credentials.secrets()

    def can_renew(self, error: InvalidCredentials) -> bool:
        """Tell whether other credentials may be had; see `exchange.Dialect`. Not those that Entra ID itself did not give."""
        return bool(error.code) and not error.code.startswith(ENTRA_CODES) and self._credentials.renew()

    def close(self) -> None:
        """Free threads."""
        self._credentials.close()

    def now(self) -> datetime:
        """The time by the server's clock, as far as it is known."""
        return self._clock.now()

    def _explain(self, error: StorageError, reply: Reply) -> StorageError:
        """Say why the credentials were refused where the reply does not: a wrong clock, or an end that they name themselves."""
        lesson = self._clock.learn(reply.headers.get("date", ""))
        if lesson is Lesson.LEARNT:
            return Unavailable(f"{error.message}. The server's clock is used from now on", CLOCK_SKEW)
        if lesson is Lesson.TOO_FAR:
            return type(error)(f"{error.message}. {TOO_FAR}", error.code)
        ended = self._credentials.expired_at(self.now())
        if ended is not None:
            text = f"{error.message}. The shared access signature ended at {ended:%Y-%m-%d %H:%M:%S} UTC"
            return InvalidCredentials(text, error.code)
        return error

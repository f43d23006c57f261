"""Where the credentials of S3 requests come from: a Secret's keys, or the identity of the process's environment.

The second is asked of `s3_identity`, only when needed, in one bounded thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from videovector_operator.errors import InvalidCredentials
from videovector_operator.storage.ambient import Ambient
from videovector_operator.storage.port import StaticCredentials
from videovector_operator.storage.s3_identity import NO_IDENTITY

Load = Callable[[], StaticCredentials | None]
"""Blocking look-up of the environment's present credentials; None = there are none."""


class CredentialsProvider(Protocol):
    """Gives the credentials to sign the next request with."""

    async def current(self) -> StaticCredentials:
        """Return usable credentials. Raises InvalidCredentials or Unavailable."""
        ...

    def expire(self) -> bool:
        """Forget what is cached because the server called it expired; True when asking again may give others."""
        ...

    def close(self) -> None:
        """Free threads."""
        ...


class FixedCredentials:
    """Keys from a Secret; a changed Secret makes a new storage."""

    def __init__(self, credentials: StaticCredentials) -> None:
        self._credentials = credentials

    async def current(self) -> StaticCredentials:
        """Return the keys."""
        return self._credentials

    def expire(self) -> bool:
        """Return False: there are no others."""
        return False

    def close(self) -> None:
        """Do nothing."""


class AmbientCredentials(Ambient[StaticCredentials]):
    """The environment's identity (web identity token, environment variables, instance role)."""

    def __init__(
        self, load: Load, clock: Callable[[], float], *, ask_every_seconds: float = 60.0, timeout_seconds: float = 20.0
    ) -> None:
        def require() -> StaticCredentials:
            found = load()
            if found is None:
                raise InvalidCredentials(NO_IDENTITY)
            return found

        super().__init__(
            require,
            clock,
            name="s3-credentials",
            ask_every_seconds=ask_every_seconds,
            timeout_seconds=timeout_seconds,
        )

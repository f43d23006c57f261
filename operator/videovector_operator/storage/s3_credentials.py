"""Where the credentials of S3 requests come from: a Secret's keys, or the identity of the process's environment.

botocore is imported only for the second, when first needed, and only ever runs in one bounded thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from videovector_operator.errors import InvalidCredentials
from videovector_operator.storage.ambient import Ambient
from videovector_operator.storage.port import StaticCredentials

Load = Callable[[], StaticCredentials | None]
"""Blocking look-up of the environment's present credentials; None = there are none."""

_NO_IDENTITY = (
    "No credentials: name a Secret with accessKeyId and secretAccessKey in credentialsSecretRef, "
    "or give the pods a workload identity (their service account's cloud role)"
)


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
                raise InvalidCredentials(_NO_IDENTITY)
            return found

        super().__init__(
            require,
            clock,
            name="s3-credentials",
            ask_every_seconds=ask_every_seconds,
            timeout_seconds=timeout_seconds,
        )


class BotocoreChain:
    """botocore's chain of credential sources as a `Load`; blocking, may call an identity service."""

    def __init__(self) -> None:
        self._source: _Refreshable | None = None

    def __call__(self) -> StaticCredentials | None:
        """Return the present keys, refreshed by botocore when they are about to expire."""
        import botocore.exceptions
        import botocore.session

        try:
            if self._source is None:
                self._source = botocore.session.Session().get_credentials()
            if self._source is None:
                return None
            keys = self._source.get_frozen_credentials()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError) as error:
            kind = type(error).__name__
            raise InvalidCredentials(f"The environment's credentials cannot be used ({kind}). {_NO_IDENTITY}") from None
        return StaticCredentials(keys.access_key, keys.secret_key, keys.token)


class _Frozen(Protocol):
    access_key: str
    secret_key: str
    token: str | None


class _Refreshable(Protocol):
    def get_frozen_credentials(self) -> _Frozen: ...

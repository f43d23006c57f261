"""The error tree: every error that this project raises on purpose, and what it asks of whoever catches it.

::

    VideoVectorError
    ├── Waiting                 a dependency is not there yet: look again after ``retry_after``
    ├── Stalled                 only the user can fix it: no retry until spec, Secret or token changes
    └── ExternalError           something outside failed and may pass: retry with backoff
        ├── ClusterError        the Kubernetes API
        │   └── Conflict        the object changed, or exists already
        ├── CatalogUnavailable  PostgreSQL
        ├── MediaError          a file's content cannot be read as media (never retried)
        └── StorageError        object storage, translated at the border of `storage`
            ├── NotFound
            ├── AccessDenied
            ├── InvalidCredentials
            ├── Throttled       carries ``retry_after``
            ├── Unavailable
            ├── Changed         the object is no longer the version that was listed
            ├── AlreadyExists   a conditional create found an object under that key
            └── Invalid         the request or the reply makes no sense (wrong region, not an S3 endpoint, ...)

What a storage error means for an object's status is decided in one place, `core.failures`.
Messages go to people (statuses, events, logs): they name the object and the next step and never hold a secret.
This room imports nothing of the project.
"""

from __future__ import annotations


class VideoVectorError(Exception):
    """Root of the tree. ``message`` is plain text for people."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Waiting(VideoVectorError):
    """A dependency is not there yet; look again after ``retry_after`` seconds, or when it changes."""

    def __init__(self, reason: str, message: str, retry_after: float = 30.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class Stalled(VideoVectorError):
    """Only the user can fix this; ``reason`` is a word of `api.v1alpha1.reasons.Reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ExternalError(VideoVectorError):
    """Something outside failed and may pass."""


class ClusterError(ExternalError):
    """The Kubernetes API refused or failed; ``status`` is its HTTP status (0 = no answer)."""

    def __init__(self, message: str, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Conflict(ClusterError):
    """409: the object changed since it was read, or exists already."""


class CatalogUnavailable(ExternalError):
    """PostgreSQL did not answer, or ended the connection."""


class MediaError(ExternalError):
    """The bytes cannot be read as media; ``reason`` is a word of `api.v1alpha1.reasons.FileReason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StorageError(ExternalError):
    """Object storage failed; ``code`` is the provider's own error code, for people ("" = none)."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class NotFound(StorageError):
    """No such object, bucket or container."""


class AccessDenied(StorageError):
    """The credentials are valid, the action is not allowed."""


class InvalidCredentials(StorageError):
    """The credentials are unknown, wrong, expired or missing."""


class Throttled(StorageError):
    """The provider asks us to slow down."""

    def __init__(self, message: str, code: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, code)
        self.retry_after = retry_after


class Unavailable(StorageError):
    """No connection, a time-out, or a 5xx answer."""


class Changed(StorageError):
    """The object is no longer the version that was listed (HTTP 412)."""


class AlreadyExists(StorageError):
    """An object that was to be created only if absent is there already (HTTP 412 on a create)."""


class Invalid(StorageError):
    """The request or the reply makes no sense; retrying the same will not help."""

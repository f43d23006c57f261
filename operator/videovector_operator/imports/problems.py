"""What ends a worker, and what ends only one file: the choices, pure.

No I/O, clock or logging may enter.
"""

from __future__ import annotations

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.core.records import FileResult, FileState
from videovector_operator.errors import (
    AccessDenied,
    Changed,
    ExternalError,
    Invalid,
    MediaError,
    NotFound,
    StorageError,
    VideoVectorError,
)
from videovector_operator.storage.port import UNTRUSTED_CERTIFICATE

_ARCHIVED_CODES = frozenset(("InvalidObjectState", "BlobArchived", "BlobBeingRehydrated"))
_BUCKET_CODES = frozenset(("NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"))


class SourceUnusable(VideoVectorError):  # noqa: N818 - named like the error tree: what is the case
    """Nothing can be read from the source until the user acts: the run fails with this message."""


class SourceOutage(ExternalError):  # noqa: N818 - as above
    """The source did not answer for longer than the settings tolerate: another pod may try later."""


def decide_file_reason(error: StorageError) -> FileReason:
    """Choose the stable reason of a file whose reading failed.

    =============================  =====================
    archived (by its code)         Archived
    no such object                 NotFound
    another version by now         ChangedWhileReading
    not allowed                    AccessDenied
    anything else                  StorageUnavailable
    =============================  =====================
    """
    if error.code in _ARCHIVED_CODES:
        return FileReason.ARCHIVED
    if isinstance(error, NotFound):
        return FileReason.NOT_FOUND
    if isinstance(error, Changed):
        return FileReason.CHANGED_WHILE_READING
    if isinstance(error, AccessDenied):
        return FileReason.ACCESS_DENIED
    return FileReason.STORAGE_UNAVAILABLE


def is_source_gone(error: StorageError, *, listing: bool) -> bool:
    """Whether an error speaks of the source as a whole; a listing that is refused always does."""
    if listing:
        return isinstance(error, (NotFound, AccessDenied, Invalid))
    return error.code in _BUCKET_CODES


def is_trust_broken(error: StorageError) -> bool:
    """Whether the server's certificate is not trusted: another CA bundle may cure it, and it is no file's fault."""
    return error.code == UNTRUSTED_CERTIFICATE


def build_failure(path: str, error: StorageError | MediaError, bytes_read: int) -> FileResult:
    """The result of a file that could not be read, or is no media."""
    reason = error.reason if isinstance(error, MediaError) else decide_file_reason(error)
    return FileResult(path, FileState.FAILED, reason=str(reason), message=error.message, bytes_read=bytes_read)

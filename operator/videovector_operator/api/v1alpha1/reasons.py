"""The vocabulary: every condition type, reason, phase and file reason that users see. Stable words: do not rename.

Nothing but words may enter here.
"""

from __future__ import annotations

from enum import StrEnum


class ConditionType(StrEnum):
    """Condition types, in the order people read them."""

    READY = "Ready"
    """The object is as the user wanted it; for a run: it ended well. Always present."""
    RECONCILING = "Reconciling"
    """Abnormal-true: work is going on or will be retried. Present only while true."""
    STALLED = "Stalled"
    """Abnormal-true: only the user can go on from here. Present only while true."""
    SUCCEEDED = "Succeeded"
    """Runs only: True or False once the run has ended, Unknown before."""


class Reason(StrEnum):
    """Reasons of conditions and Kubernetes Events."""

    # in order
    CONNECTION_TESTED = "ConnectionTested"
    CONNECTION_NOT_TESTED = "ConnectionNotTested"
    INDEX_READY = "IndexReady"
    COMPLETED = "Completed"
    COMPLETED_WITH_FAILURES = "CompletedWithFailures"
    NO_MATCHING_FILES = "NoMatchingFiles"
    # going on
    PENDING = "Pending"
    QUEUED = "Queued"
    SCANNING = "Scanning"
    IMPORTING = "Importing"
    PAUSED = "Paused"
    CANCELLING = "Cancelling"
    WORKER_NOT_STARTING = "WorkerNotStarting"
    # will be tried again
    PROGRESSING_WITH_RETRY = "ProgressingWithRetry"
    CONNECTOR_NOT_READY = "ConnectorNotReady"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    STORAGE_THROTTLED = "StorageThrottled"
    CATALOG_UNAVAILABLE = "CatalogUnavailable"
    CLUSTER_UNAVAILABLE = "ClusterUnavailable"
    INTERNAL_ERROR = "InternalError"
    # only the user can fix it
    INVALID_SPEC = "InvalidSpec"
    SECRET_NOT_FOUND = "SecretNotFound"
    SECRET_KEY_MISSING = "SecretKeyMissing"
    SECRET_INVALID = "SecretInvalid"
    CA_BUNDLE_NOT_FOUND = "CABundleNotFound"
    CA_BUNDLE_INVALID = "CABundleInvalid"
    SERVICE_ACCOUNT_NOT_FOUND = "ServiceAccountNotFound"
    INVALID_CREDENTIALS = "InvalidCredentials"
    ACCESS_DENIED = "AccessDenied"
    BUCKET_NOT_FOUND = "BucketNotFound"
    INVALID_ENDPOINT = "InvalidEndpoint"
    CONNECTOR_NOT_FOUND = "ConnectorNotFound"
    INDEX_NOT_FOUND = "IndexNotFound"
    SCOPE_NOT_ALLOWED = "ScopeNotAllowed"
    INVALID_PATTERN = "InvalidPattern"
    CANCELLED = "Cancelled"
    FAILURE_THRESHOLD_EXCEEDED = "FailureThresholdExceeded"
    SOURCE_UNUSABLE = "SourceUnusable"
    WORKER_FAILED = "WorkerFailed"
    FORBIDDEN = "Forbidden"
    # what the operator did (Events only)
    JOB_CREATED = "JobCreated"
    CONNECTOR_DELETED = "ConnectorDeleted"
    CATALOG_CLEANED = "CatalogCleaned"


class Phase(StrEnum):
    """A run's phase: the contract's status words, capitalised for kubectl."""

    PENDING = "Pending"
    SCANNING = "Scanning"
    IMPORTING = "Importing"
    PAUSED = "Paused"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class FileReason(StrEnum):
    """Why one file was skipped or failed. Stable codes; the message beside them is for people."""

    # skipped
    UNSUPPORTED_TYPE = "UnsupportedType"
    FOLDER_MARKER = "FolderMarker"
    ZERO_BYTES = "ZeroBytes"
    ALREADY_IMPORTED = "AlreadyImported"
    BELOW_EXPORT_BASE_PATH = "BelowExportBasePath"
    CANCELLED = "Cancelled"
    # failed
    UNREADABLE_MEDIA = "UnreadableMedia"
    TRUNCATED_MEDIA = "TruncatedMedia"
    ACCESS_DENIED = "AccessDenied"
    NOT_FOUND = "NotFound"
    CHANGED_WHILE_READING = "ChangedWhileReading"
    ARCHIVED = "Archived"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    WORKER_CRASHED = "WorkerCrashed"

"""What passes between the catalog and its callers: frozen records, no SQL, no connection.

Decisions (`core`), reconcilers, import workers and the catalog know these; the tables are known to the catalog alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


class RunState(StrEnum):
    """State of a run; the contract's words."""

    PENDING = "pending"
    SCANNING = "scanning"
    IMPORTING = "importing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """True when nothing will change any more."""
        return self in (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)


class FileState(StrEnum):
    """State of one file of one run. A leased file whose lease has run out may be claimed by anybody."""

    PENDING = "pending"
    LEASED = "leased"
    IMPORTED = "imported"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """All that a worker needs to know of an ImportJob; written once, before the first pod starts.

    ``source`` is the provider's source without credentials (JSON). ``failure_threshold`` is the text the user wrote
    ("5", "10%") or None = any number of failed files is tolerated. What lies below ``excluded_prefix`` ("" = nothing) is skipped.
    """

    run_id: str
    namespace: str
    name: str
    index_id: str
    connector_id: str
    location: str
    source: Mapping[str, JsonValue]
    source_prefix: str = ""
    file_pattern: str = "*"
    recursive: bool = True
    import_mode: str = "all"
    failure_threshold: str | None = None
    excluded_prefix: str = ""


@dataclass(frozen=True, slots=True)
class RunCounters:
    """Exact counts of a run. total = imported + failed + skipped + still open."""

    total: int = 0
    imported: int = 0
    failed: int = 0
    skipped: int = 0
    bytes_transferred: int = 0


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """One failed or skipped file, as status shows it."""

    path: str
    reason: str
    message: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class RequestRate:
    """How fast a Connector's pods may send: ``limit`` is what the Connector says, ``present`` what is allowed now (requests a
    second). Until ``held_until`` nothing is sent, because the provider asked for it; None = it did not."""

    limit: int
    present: float
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to send ``count`` requests: the first in ``start_in`` seconds (negative = it might have been sent already),
    each further one ``spacing`` seconds later. ``revision`` tells whether it still counts."""

    count: int
    start_in: float
    spacing: float
    revision: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The bounded projection of a run that a status is made from. Lists are ordered by path and cut at the asked limit."""

    run_id: str
    namespace: str
    name: str
    index_id: str
    state: RunState
    scan_done: bool
    cancel_requested: bool
    counters: RunCounters
    current_file: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    reason: str = ""
    message: str = ""
    media_ids: tuple[str, ...] = ()
    failed_files: tuple[FileOutcome, ...] = ()
    skipped_files: tuple[FileOutcome, ...] = ()
    request_rate: RequestRate | None = None
    """Of its Connector, None = no limit."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has not ended, by its id and the ImportJob that it belongs to. ``is_quiet`` = nothing has been heard of it
    for a minute, and no worker holds anything of it."""

    run_id: str
    namespace: str
    name: str
    is_quiet: bool = False


@dataclass(frozen=True, slots=True)
class KindTotals:
    """Media of one kind in an index."""

    count: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an Index's status shows. ``by_kind`` has the keys video, audio, image; last_* speak of the newest finished run."""

    index_id: str
    by_kind: Mapping[str, KindTotals] = field(default_factory=dict)
    last_run_name: str | None = None
    last_run_id: str | None = None
    last_run_state: RunState | None = None
    last_run_imported: int = 0
    last_run_completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ScanLease:
    """The right to scan for one run, until it runs out; ``cursor`` is the last key whose page has been stored."""

    run_id: str
    cursor: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A listed object that matched the pattern. A ``skip_reason`` stores it as skipped at once."""

    path: str
    size: int
    fingerprint: str
    modified_at: datetime
    skip_reason: str | None = None
    skip_message: str = ""


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """A file leased to one worker. ``attempts`` counts this claim too (1 = first try)."""

    path: str
    size: int
    fingerprint: str
    modified_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class RunFile:
    """One file of a run, in the full list. ``size`` in bytes."""

    path: str
    size: int
    state: FileState
    reason: str = ""
    message: str = ""
    media_id: str | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class MediaRecord:
    """Technical metadata of one media item. ``kind`` is video, audio or image; ``technical`` is the full probe as JSON."""

    media_id: str
    kind: str
    title: str
    content_type: str
    container: str
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    technical: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one claimed file: exactly one of imported (``media``), skipped or failed (``state`` + ``reason``)."""

    path: str
    state: FileState
    media: MediaRecord | None = None
    reason: str = ""
    message: str = ""
    bytes_read: int = 0


@dataclass(frozen=True, slots=True)
class RunControl:
    """What a worker is told whenever it touches its run."""

    state: RunState
    cancel_requested: bool
    scan_done: bool
    counters: RunCounters
    request_limit: int | None = None
    """Requests a second that all pods of its Connector may send; None = no limit."""

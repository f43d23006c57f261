"""ImportJob: bring the matching files of a Connector into an Index, once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from videovector_operator.api.v1alpha1.cel import Rule, rules
from videovector_operator.api.v1alpha1.common import (
    MAX_LIST,
    ApiModel,
    LocalReference,
    Resource,
    Status,
    Timestamp,
)
from videovector_operator.api.v1alpha1.connector import ImportMode

_DO_INSTEAD = (
    "an ImportJob runs once: create an ImportJob with another name instead, or delete this one and apply it again"
)
_IMMUTABLE = (
    "connectorRef",
    "indexRef",
    "sourcePrefix",
    "filePattern",
    "recursive",
    "parallelism",
)
_IMMUTABLE_OPTIONAL = ("importMode", "failureThreshold")


def _immutable_rules() -> tuple[Rule, ...]:
    required = tuple(
        Rule(f"self.{f} == oldSelf.{f}", f"spec.{f} cannot be changed; {_DO_INSTEAD}", f) for f in _IMMUTABLE
    )
    optional = tuple(
        Rule(
            f"has(self.{f}) == has(oldSelf.{f}) && (!has(self.{f}) || self.{f} == oldSelf.{f})",
            f"spec.{f} cannot be changed; {_DO_INSTEAD}",
            f,
        )
        for f in _IMMUTABLE_OPTIONAL
    )
    uncancel = Rule("!oldSelf.cancel || self.cancel", f"spec.cancel cannot be taken back; {_DO_INSTEAD}", "cancel")
    return (*required, *optional, uncancel)


FailureThreshold = Annotated[
    int | str,
    Field(
        json_schema_extra={
            "anyOf": None,
            "x-kubernetes-int-or-string": True,
            **rules(
                Rule(
                    "type(self) == int ? self >= 0 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",
                    'failureThreshold must be a number of files (0 or more) or a percentage such as "10%"',
                ),
            ),
        },
    ),
]


class ImportJobSpec(ApiModel):
    """What to import, from where and into which index. Everything but cancel and ttlSecondsAfterFinished is fixed."""

    model_config = ConfigDict(json_schema_extra=rules(*_immutable_rules()))

    connector_ref: LocalReference
    """Connector to import from; it needs the scope import."""
    index_ref: LocalReference
    """Index to import into."""
    source_prefix: Annotated[str, Field(max_length=1024)] = ""
    """Only keys that start with this text (a plain prefix, not a folder)."""
    file_pattern: Annotated[
        str,
        Field(min_length=1, max_length=512),
    ] = "*"
    """Glob: * ? [abc] {mp4,mov}. Without "/" it matches the file name, with "/" the path below sourcePrefix; ** crosses
    folders."""
    recursive: bool = True
    """false = only the level of sourcePrefix itself."""
    import_mode: ImportMode | None = None
    """all or new_only; absent = the Connector's importMode."""
    parallelism: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of worker pods."""
    failure_threshold: FailureThreshold | None = None
    """More failed files than this (a number, or a percentage of all files) make the run fail. Absent = no limit."""
    cancel: bool = False
    """true stops the run; what is imported stays."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31_536_000)] = 86_400
    """How long the worker Job and its pods (and their logs) are kept. The ImportJob itself is never deleted."""


class ImportProgress(ApiModel):
    """Exact counters of the run."""

    total_files: Annotated[int, Field(ge=0)] = 0
    """Files found so far that match."""
    imported: Annotated[int, Field(ge=0)] = 0
    """Files imported."""
    failed: Annotated[int, Field(ge=0)] = 0
    """Files failed."""
    skipped: Annotated[int, Field(ge=0)] = 0
    """Files skipped."""
    bytes_transferred: Annotated[int, Field(ge=0)] = 0
    """Bytes read from storage."""
    current_file: Annotated[str | None, Field(max_length=1024)] = None
    """A file that is being worked on."""
    files_per_second: Annotated[str | None, Field(max_length=16)] = None
    """Speed since the start, as a decimal number."""
    eta: Timestamp | None = None
    """Expected end, once the scan is done."""


class FailedFile(ApiModel):
    """One file that could not be imported."""

    path: Annotated[str, Field(max_length=1024)]
    """Full key."""
    reason: Annotated[str, Field(max_length=64)]
    """Stable code, for instance UnreadableMedia."""
    error: Annotated[str, Field(max_length=1024)] = ""
    """What is wrong and what to do."""
    attempts: Annotated[int, Field(ge=0)] = 0
    """How often it was tried."""


class SkippedFile(ApiModel):
    """One file that was left out."""

    path: Annotated[str, Field(max_length=1024)]
    """Full key."""
    reason: Annotated[str, Field(max_length=64)]
    """Stable code, for instance UnsupportedType."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """Why, in words."""


class ImportJobStatus(Status):
    """How the run goes, or went."""

    phase: Literal["Pending", "Scanning", "Importing", "Paused", "Completed", "Failed", "Cancelled"] = "Pending"
    """Where the run stands."""
    progress: ImportProgress = ImportProgress()
    """Exact counters."""
    started_at: Timestamp | None = None
    """When the first worker began."""
    completed_at: Timestamp | None = None
    """When the run ended."""
    import_mode: ImportMode | None = None
    """The mode in force."""
    queue_position: Annotated[int | None, Field(ge=1)] = None
    """Place in the queue of the Connector (1 = next), while the run waits because of its maxConcurrentRuns."""
    job_name: Annotated[str | None, Field(max_length=63)] = None
    """The batch/v1 Job that does the work."""
    video_ids: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=MAX_LIST)] = ()
    """Ids of imported media, in order of their paths (the first 50)."""
    failed_files: Annotated[tuple[FailedFile, ...], Field(max_length=MAX_LIST)] = ()
    """Failed files, in order of their paths (the first 50)."""
    skipped_files: Annotated[tuple[SkippedFile, ...], Field(max_length=MAX_LIST)] = ()
    """Skipped files, in order of their paths (the first 50)."""
    truncated_lists: Annotated[tuple[Annotated[str, Field(max_length=32)], ...], Field(max_length=3)] = ()
    """Names of the lists above that hold only their first 50 entries; the counts in progress are exact."""
    full_lists: Annotated[str | None, Field(max_length=512)] = None
    """The command that prints the full lists, when one is truncated."""


class ImportJob(Resource[ImportJobSpec, ImportJobStatus]):
    """One import of the matching files of a Connector into an Index."""

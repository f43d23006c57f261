"""The registry of kinds: one entry a custom resource, with the words and columns that its CRD shows.

A kind stands here only when it works. Pure data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from videovector_operator.api.v1alpha1.common import Resource
from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.index import Index


@dataclass(frozen=True, slots=True)
class Column:
    """One printer column; ``wide`` ones appear with ``kubectl get -o wide`` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class KindInfo:
    """What the CRD of one kind says besides its schema."""

    kind: str
    plural: str
    short_names: tuple[str, ...]
    model: type[Resource[Any, Any]]
    columns: tuple[Column, ...]
    selectable_fields: tuple[str, ...] = ()

    @property
    def singular(self) -> str:
        """Lowercase name of one object."""
        return self.kind.lower()


def _condition(name: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{name}")].{part}'


_READY = Column("Ready", _condition("Ready", "status"))
_REASON = Column("Reason", _condition("Ready", "reason"))
_AGE = Column("Age", ".metadata.creationTimestamp", "date")
_MESSAGE = Column("Message", _condition("Ready", "message"), wide=True)
_ID = Column("Id", ".status.id", wide=True)

KINDS: tuple[KindInfo, ...] = (
    KindInfo(
        kind="Connector",
        plural="connectors",
        short_names=("conn",),
        model=Connector,
        columns=(
            Column("Provider", ".spec.provider"),
            Column("Location", ".status.location"),
            _READY,
            _REASON,
            Column("Last Tested", ".status.lastTestedAt", "date"),
            _AGE,
            Column("Scopes", ".spec.scopes", wide=True),
            Column("Mode", ".spec.importMode", wide=True),
            Column("Active", ".status.activeRuns", "integer", wide=True),
            Column("Queued", ".status.queuedRuns", "integer", wide=True),
            _ID,
            _MESSAGE,
        ),
        selectable_fields=(".spec.provider", ".spec.credentialsSecretRef.name"),
    ),
    KindInfo(
        kind="Index",
        plural="indexes",
        short_names=("vidx",),
        model=Index,
        columns=(
            Column("Name", ".status.displayName"),
            Column("Media", ".status.media.total", "integer"),
            Column("Bytes", ".status.sizeBytes", "integer"),
            _READY,
            Column("Last Import", ".status.lastImport.completedAt", "date"),
            _AGE,
            Column("Videos", ".status.media.video.count", "integer", wide=True),
            Column("Audio", ".status.media.audio.count", "integer", wide=True),
            Column("Images", ".status.media.image.count", "integer", wide=True),
            Column("Deletion", ".spec.deletionPolicy", wide=True),
            _ID,
            _MESSAGE,
        ),
        selectable_fields=(".spec.deletionPolicy",),
    ),
    KindInfo(
        kind="ImportJob",
        plural="importjobs",
        short_names=("ij",),
        model=ImportJob,
        columns=(
            Column("Index", ".spec.indexRef.name"),
            Column("Phase", ".status.phase"),
            Column("Reason", _condition("Ready", "reason")),
            Column("Imported", ".status.progress.imported", "integer"),
            Column("Failed", ".status.progress.failed", "integer"),
            Column("Skipped", ".status.progress.skipped", "integer"),
            Column("Total", ".status.progress.totalFiles", "integer"),
            _AGE,
            Column("Connector", ".spec.connectorRef.name", wide=True),
            Column("Queue", ".status.queuePosition", "integer", wide=True),
            Column("Files/s", ".status.progress.filesPerSecond", wide=True),
            Column("Completed", ".status.completedAt", "date", wide=True),
            Column("Job", ".status.jobName", wide=True),
            _ID,
            _MESSAGE,
        ),
        selectable_fields=(".spec.connectorRef.name", ".spec.indexRef.name", ".status.phase"),
    ),
)

BY_KIND: dict[str, KindInfo] = {info.kind: info for info in KINDS}

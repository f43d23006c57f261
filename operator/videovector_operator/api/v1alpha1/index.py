"""Index: a collection of media that imports fill."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from videovector_operator.api.v1alpha1.common import ApiModel, Resource, Status, Timestamp

DeletionPolicy = Literal["Retain", "Delete"]


class IndexSpec(ApiModel):
    """Name and life of the collection."""

    display_name: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    """Name for people. Absent = metadata.name."""
    description: Annotated[str | None, Field(max_length=2048)] = None
    """What the collection is for."""
    deletion_policy: DeletionPolicy = "Retain"
    """What happens to the catalog's entries when this object is deleted: Retain keeps them (an Index of the same name finds
    them again), Delete removes them. Files in storage are never touched."""


class KindCount(ApiModel):
    """Media of one type."""

    count: Annotated[int, Field(ge=0)] = 0
    """Number of media."""
    size_bytes: Annotated[int, Field(ge=0)] = 0
    """Their size in bytes."""


class MediaCounts(ApiModel):
    """Media in the index, in all and by type."""

    total: Annotated[int, Field(ge=0)] = 0
    """All media."""
    video: KindCount = KindCount()
    """Videos."""
    audio: KindCount = KindCount()
    """Audio files."""
    image: KindCount = KindCount()
    """Images."""


class LastImport(ApiModel):
    """The newest import that has ended."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the ImportJob."""
    id: Annotated[str, Field(max_length=64)]
    """Its public id."""
    phase: Annotated[str, Field(max_length=32)]
    """How it ended."""
    imported: Annotated[int, Field(ge=0)] = 0
    """Files that it imported."""
    completed_at: Timestamp | None = None
    """When it ended."""


class IndexStatus(Status):
    """What the index holds."""

    display_name: Annotated[str | None, Field(max_length=255)] = None
    """The name in force."""
    media: MediaCounts = MediaCounts()
    """Media by type."""
    size_bytes: Annotated[int, Field(ge=0)] = 0
    """Size of all media in bytes."""
    last_import: LastImport | None = None
    """The newest import that has ended."""


class Index(Resource[IndexSpec, IndexStatus]):
    """A collection of media: the target of imports."""

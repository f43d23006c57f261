"""Parts that every kind shares: the base model, metadata, conditions and references.

camelCase on the wire, snake_case inside. Field docstrings become the CRD's descriptions.
Nothing of one kind alone may enter, and nothing that does I/O.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

API_GROUP = "videovector.io"
API_VERSION = "v1alpha1"
MAX_LIST = 50
"""Entries of a list in a status; the exact count stands beside it, the full list in the catalog."""


def _to_wire(moment: datetime) -> str:
    # strftime would write the year 1, which some servers mean by "no time", with one digit: no RFC 3339.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


Timestamp = Annotated[datetime, PlainSerializer(_to_wire, return_type=str, when_used="json")]
"""Aware UTC time; RFC 3339 with whole seconds on the wire."""


class ApiModel(BaseModel):
    """Base of all models of the API: immutable, camelCase on the wire, unknown fields ignored (a newer CRD may have them)."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        # What does not fit may be a secret that an older CRD let in; errors are logged.
        hide_input_in_errors=True,
    )


class LocalReference(ApiModel):
    """A reference to an object in the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object, in the same namespace."""


class Condition(ApiModel):
    """One aspect of the object's state, as `metav1.Condition`."""

    type: Annotated[str, Field(max_length=63)]
    """Ready, Reconciling, Stalled, or Succeeded (runs only)."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Annotated[str, Field(max_length=128)]
    """One stable word for programs."""
    message: Annotated[str, Field(max_length=4096)] = ""
    """A sentence for people: what is the case and what to do next."""
    observed_generation: int = 0
    """The metadata.generation that this condition speaks of."""
    last_transition_time: Timestamp
    """When the status of this condition last changed."""


class Status(ApiModel):
    """What every kind's status has."""

    observed_generation: int = -1
    """The newest metadata.generation that is fully dealt with (Ready or Stalled); -1 = not seen yet."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    """Ready always; Reconciling and Stalled only while true; Succeeded for runs."""
    id: Annotated[str | None, Field(max_length=64)] = None
    """Stable public id of the object."""
    last_handled_request: Annotated[str | None, Field(max_length=256)] = None
    """The last value of the annotation videovector.io/requestedAt that was acted on."""


class ObjectMeta(ApiModel):
    """The part of metadata that the operator reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


SpecT = TypeVar("SpecT", bound=ApiModel)
StatusT = TypeVar("StatusT", bound=Status)


class Resource(ApiModel, Generic[SpecT, StatusT]):
    """A custom resource: metadata, spec and status. Kinds subclass it with their models."""

    metadata: ObjectMeta
    spec: SpecT
    status: StatusT

    @property
    def is_deleting(self) -> bool:
        """True once somebody has asked for the deletion."""
        return self.metadata.deletion_timestamp is not None

    @property
    def is_paused(self) -> bool:
        """True while the annotation videovector.io/paused is "true"."""
        return self.metadata.annotations.get(f"{API_GROUP}/paused", "").strip().lower() == "true"

    @property
    def request_token(self) -> str | None:
        """The value of videovector.io/requestedAt, cut to what status can echo; None = no request."""
        return self.metadata.annotations.get(f"{API_GROUP}/requestedAt", "")[:256] or None

"""What one look at an ImportJob's world found: plain records. Nothing here reads or decides."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.index import Index
from videovector_operator.core.records import RunSummary
from videovector_operator.core.turns import Place


@dataclass(frozen=True, slots=True)
class ChildJob:
    """What is seen of the batch/v1 Job. ``trouble`` says in words why its pods do not start, "" = nothing known."""

    name: str
    complete: bool = False
    failed: bool = False
    failed_reason: str = ""
    failed_message: str = ""
    failed_pods: int = 0
    active: int = 0
    ready: int = 0
    suspended: bool = False
    ttl_seconds: int | None = None
    trouble: str = ""
    refused: bool = False
    """Its pods cannot even be created, which is told by Events alone."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is seen. ``child`` must have been read before ``run``: a Job that ended has told the catalog."""

    connector: Connector | None
    index: Index | None
    child: ChildJob | None
    run: RunSummary | None
    stranger: str = ""
    """Name of a batch/v1 Job that is not ours and has the name that ours must have; "" = there is none."""
    age_seconds: float = math.inf
    """Since the ImportJob was created."""
    place: Place = field(default_factory=Place)
    """Its place among those that wait for the Connector."""

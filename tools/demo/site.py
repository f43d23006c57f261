"""What the demo needs of a cluster, whichever it is; and the note that tells `down` what `up` has made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.demo.gcs import GcsPlace
from tools.demo.programs import Kube
from tools.demo.storage import Storage
from tools.devcluster.layout import CACHE

STATE = CACHE / "demo"
_NOTE = STATE / "cluster.json"
RELEASE = "videovector-operator"
SYSTEM_NAMESPACE = "videovector-system"
NAMESPACE = "videovector-demo"
BUCKET = "demo-media"
ARCHIVE_BUCKET = "demo-archive"


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster that the release can be installed on. ``dsn`` None = the chart's own PostgreSQL."""

    kube: Kube
    image: str
    storage: Storage
    archive: GcsPlace
    dsn: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


def remember(kind: str, *, kubeconfig: str | None = None, context: str | None = None) -> None:
    """Note, before anything is made, which cluster the demo is on."""
    STATE.mkdir(parents=True, exist_ok=True)
    _NOTE.write_text(json.dumps({"kind": kind, "kubeconfig": kubeconfig, "context": context}))


def remembered() -> dict[str, str | None]:
    """The note of the last `up`; empty if there is none."""
    noted: dict[str, str | None] = json.loads(_NOTE.read_text()) if _NOTE.exists() else {}
    return noted


def forget() -> None:
    """Remove the note and everything generated."""
    shutil.rmtree(STATE, ignore_errors=True)

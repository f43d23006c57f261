"""Index decisions: what an index shows. Pure."""

from __future__ import annotations

from datetime import datetime

from videovector_operator.api.v1alpha1.index import Index, IndexStatus, KindCount, LastImport, MediaCounts
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import conditions, names
from videovector_operator.core.records import IndexSummary, KindTotals


def owes_cleanup(index: Index) -> bool:
    """True when deleting the object must delete catalog entries too, so that it needs our finalizer."""
    return index.spec.deletion_policy == "Delete"


def has_finalizer(index: Index) -> bool:
    """True when our finalizer is on the object."""
    return names.CATALOG_CLEANUP in index.metadata.finalizers


def index_id_of(index: Index) -> str:
    """Public id of the Index."""
    return names.index_id(index.metadata.namespace, index.metadata.name)


def summarize_index(index: Index, summary: IndexSummary, now: datetime) -> IndexStatus:
    """Build the status from the catalog's totals."""
    media = _counts(summary)
    verdict = conditions.ready(Reason.INDEX_READY, f"{media.total} media")
    generation = index.metadata.generation
    return IndexStatus(
        observed_generation=generation,
        conditions=conditions.build_conditions(
            verdict, previous=index.status.conditions, generation=generation, now=now
        ),
        id=index_id_of(index),
        last_handled_request=index.request_token,
        display_name=index.spec.display_name or index.metadata.name,
        media=media,
        size_bytes=sum(totals.bytes for totals in summary.by_kind.values()),
        last_import=_last_import(summary),
    )


def _counts(summary: IndexSummary) -> MediaCounts:
    def one(kind: str) -> KindCount:
        totals = summary.by_kind.get(kind, KindTotals())
        return KindCount(count=totals.count, size_bytes=totals.bytes)

    return MediaCounts(
        total=sum(totals.count for totals in summary.by_kind.values()),
        video=one("video"),
        audio=one("audio"),
        image=one("image"),
    )


def _last_import(summary: IndexSummary) -> LastImport | None:
    if summary.last_run_name is None or summary.last_run_id is None or summary.last_run_state is None:
        return None
    return LastImport(
        name=summary.last_run_name,
        id=summary.last_run_id,
        phase=summary.last_run_state.value.capitalize(),
        imported=summary.last_run_imported,
        completed_at=summary.last_run_completed_at,
    )

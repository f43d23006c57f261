"""Index: keep our finalizer as deletionPolicy asks, make the index known, project its totals."""

from __future__ import annotations

from dataclasses import dataclass

from videovector_operator.api.v1alpha1.index import Index
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.core.children import build_finalizers
from videovector_operator.core.index import has_finalizer, index_id_of, owes_cleanup, summarize_index
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.notices import Notice
from videovector_operator.reconcilers.outcome import Clock, Outcome


@dataclass(frozen=True, slots=True)
class IndexReconciler:
    """Reconciles one Index at a time; holds no state."""

    cluster: CachedCluster
    catalog: OperatorCatalog
    clock: Clock

    async def reconcile(self, index: Index) -> Outcome:
        """Bring the Index's catalog entry, finalizer and status to what its spec says."""
        if index.is_deleting:
            return await self._finalize(index)
        if owes_cleanup(index) != has_finalizer(index):
            await self._ensure_finalizer(index, wanted=owes_cleanup(index))
        identity = index_id_of(index)
        await self.catalog.ensure_index(identity, index.metadata.namespace, index.metadata.name)
        summary = await self.catalog.observe_index(identity)
        return Outcome(summarize_index(index, summary, self.clock()))

    async def _finalize(self, index: Index) -> Outcome:
        if not has_finalizer(index):
            return Outcome(None)
        notices: tuple[Notice, ...] = ()
        if owes_cleanup(index):
            deleted = await self.catalog.delete_index(index_id_of(index))
            notices = (Notice("Normal", Reason.CATALOG_CLEANED, f"{deleted} media deleted from the catalog"),)
        await self._ensure_finalizer(index, wanted=False)
        return Outcome(None, notices=notices)

    async def _ensure_finalizer(self, index: Index, *, wanted: bool) -> None:
        """Write the whole list under the resourceVersion that was read: somebody else's finalizer is never lost."""
        meta = index.metadata
        patch = {
            "metadata": {
                "finalizers": build_finalizers(index, wanted=wanted),
                "resourceVersion": meta.resource_version,
            }
        }
        await self.cluster.patch(ObjectKey("Index", meta.namespace, meta.name), patch)

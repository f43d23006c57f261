"""The full look: list everything, page by page, and queue all of it. Heals what a watch has missed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.control.routes import CUSTOM_KINDS, key_of
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey

LISTED_KINDS = (*CUSTOM_KINDS, "Job")


async def resync(cluster: CachedCluster, namespaces: Sequence[str], enqueue: Callable[[ObjectKey], None]) -> int:
    """List all watched kinds, forget what is gone, and enqueue every custom resource. Returns how many there are.

    Raises ClusterError.
    """
    known = {key for kind in LISTED_KINDS for key in cluster.keys(kind)}
    seen: set[ObjectKey] = set()
    for kind in LISTED_KINDS:
        selector = f"{names.MANAGED_BY}={names.MANAGER}" if kind == "Job" else ""
        for namespace in namespaces or (None,):
            async for page in cluster.list_pages(kind, namespace, label_selector=selector):
                seen.update(key_of(kind, body) for body in page)
    for key in known - seen:
        # It may be newer than the list: ask for it alone. `get_live` forgets what is gone.
        await cluster.get_live(key)
    found = [key for key in seen if key.kind in CUSTOM_KINDS]
    for key in sorted(found):
        enqueue(key)
    return len(found)

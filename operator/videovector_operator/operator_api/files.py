"""List the files of a run, page by page: what stands behind the bounded lists of an ImportJob's status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.cluster.port import Cluster
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import RunFile
from videovector_operator.operator_api.problems import not_found
from videovector_operator.operator_api.queries import FilesQuery, build_cursor

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FileLister:
    """Lists files of ImportJobs."""

    cluster: Cluster
    catalog: OperatorCatalog

    async def list_files(self, key: ObjectKey, query: FilesQuery) -> Json:
        """One page of an ImportJob's files; ``next`` None = it was the last. Raises ApiProblem (404), CatalogUnavailable."""
        body = await self.cluster.get(key)
        where = f'ImportJob "{key.name}" in namespace "{key.namespace}"'
        if body is None:
            raise not_found(f"there is no {where}")
        run_id = names.import_run_id(body["metadata"]["uid"])
        page = await self.catalog.list_run_files(
            run_id, state=query.state, reason=query.reason, after=query.after, limit=query.limit
        )
        if not page and await self.catalog.observe_run(run_id, list_limit=0) is None:
            raise not_found(f"the catalog knows no run of {where}: it has not begun, or its Index was deleted")
        return {
            "items": [_describe_file(file) for file in page],
            "next": build_cursor(page[-1].path) if len(page) == query.limit else None,
        }


def _describe_file(file: RunFile) -> Json:
    return {
        "path": file.path,
        "size_bytes": file.size,
        "state": file.state.value,
        "reason": file.reason,
        "message": file.message,
        "media_id": file.media_id,
        "attempts": file.attempts,
    }

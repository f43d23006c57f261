"""The cluster port: what the rest of the project may ask of the Kubernetes API.

`cluster.kubernetes_api` is the real one, `cluster.fake` the one for tests; `tests/contract/test_cluster.py` runs over both.
Objects are plain JSON dictionaries here; `api` turns them into models. 404 is None, never an exception.
Every method raises ClusterError (or Conflict) and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from videovector_operator.core.keys import ObjectKey

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """Where a kind lives in the API."""

    prefix: str
    plural: str


RESOURCES: Mapping[str, ResourcePath] = {
    "Connector": ResourcePath("/apis/videovector.io/v1alpha1", "connectors"),
    "Index": ResourcePath("/apis/videovector.io/v1alpha1", "indexes"),
    "ImportJob": ResourcePath("/apis/videovector.io/v1alpha1", "importjobs"),
    "Job": ResourcePath("/apis/batch/v1", "jobs"),
    "Pod": ResourcePath("/api/v1", "pods"),
    "Secret": ResourcePath("/api/v1", "secrets"),
    "ConfigMap": ResourcePath("/api/v1", "configmaps"),
    "ServiceAccount": ResourcePath("/api/v1", "serviceaccounts"),
    "Event": ResourcePath("/api/v1", "events"),
    # Questions rather than objects: created in no namespace and kept nowhere; the answer is in their status.
    "TokenReview": ResourcePath("/apis/authentication.k8s.io/v1", "tokenreviews"),
    "SubjectAccessReview": ResourcePath("/apis/authorization.k8s.io/v1", "subjectaccessreviews"),
}

REVIEWS = frozenset({"TokenReview", "SubjectAccessReview"})


class Cluster(Protocol):
    """The Kubernetes API as the operator needs it."""

    async def get(self, key: ObjectKey) -> Json | None:
        """Read one object; None = there is no such object."""
        ...

    def list_pages(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
    ) -> AsyncIterator[Sequence[Json]]:
        """Yield all objects of a kind, ``limit`` at a time; ``namespace`` None = all namespaces.

        Which fields may be selected by is each kind's own: those of an Event are ``reason``, ``involvedObject.uid`` and the like.
        """
        ...

    async def create(self, manifest: Json) -> Json | None:
        """Create the object; None = one of this name exists already (which is fine for names that are functions).

        A review (`REVIEWS`) is answered instead: in the status of what comes back.
        """
        ...

    async def patch(self, key: ObjectKey, patch: Json) -> Json | None:
        """JSON merge patch; None = there is no such object. Another resourceVersion or uid in it fails with Conflict."""
        ...

    async def patch_status(self, key: ObjectKey, patch: Json) -> Json | None:
        """JSON merge patch of the status subresource; None = there is no such object.

        Another resourceVersion in it fails with Conflict; a uid alone does not: API servers ignore it here.
        """
        ...

"""What `FakeCluster` answers to reviews: who a token is, and who may do what. Nothing is kept but what a test says."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class FakeReviews:
    """``tokens`` maps a token to its user; ``rights`` holds (user or group, namespace, resource/subresource)."""

    tokens: dict[str, Json] = field(default_factory=dict)
    rights: set[tuple[str, str, str]] = field(default_factory=set)
    asked: list[Json] = field(default_factory=list)
    """Every question, as it was put."""

    def answer(self, manifest: Json) -> Json:
        """Answer a review in the status of a copy of it."""
        self.asked.append(copy.deepcopy(manifest))
        judge = self._token if manifest["kind"] == "TokenReview" else self._access
        return {**copy.deepcopy(manifest), "status": judge(manifest["spec"])}

    def _token(self, spec: Json) -> Json:
        user = self.tokens.get(spec["token"])
        if user is None:
            return {"user": {}, "error": "[invalid bearer token, token lookup failed]"}
        return {"authenticated": True, "user": copy.deepcopy(user)}

    def _access(self, spec: Json) -> Json:
        wanted = spec["resourceAttributes"]
        what = "/".join(part for part in (wanted["resource"], wanted.get("subresource", "")) if part)
        who = (spec["user"], *spec.get("groups", ()))
        if any((name, wanted["namespace"], what) in self.rights for name in who):
            return {"allowed": True, "reason": "RBAC: allowed"}
        return {"allowed": False}

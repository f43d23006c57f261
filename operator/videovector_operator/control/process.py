"""One look at one object: read, reconcile, publish, record, and say when to look again.

The one place where errors become statuses and retries. It knows no kind: reconcilers are given by kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from pydantic import ValidationError

from videovector_operator.api.kinds import BY_KIND
from videovector_operator.api.v1alpha1.common import Condition, ObjectMeta, Resource, Status
from videovector_operator.api.v1alpha1.reasons import ConditionType, Reason
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.port import Json
from videovector_operator.control.publish import publish_status
from videovector_operator.core import conditions
from videovector_operator.core.failures import Failure, classify_failure
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.notices import Notice, decide_notices
from videovector_operator.core.retry import backoff_seconds
from videovector_operator.errors import Conflict, VideoVectorError
from videovector_operator.reconcilers.outcome import Outcome

_FIRST_RETRY_SECONDS = 1.0
_RETRY_CAP_SECONDS = 300.0
_PASS_TIMEOUT_SECONDS = 120.0
_log = structlog.get_logger(__name__)

AnyResource = Resource[Any, Any]
Reconciler = Callable[[Any], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Result:
    """What one look came to. ``requeue_after`` None = wait for a trigger; ``wrote`` = the status changed."""

    label: str
    requeue_after: float | None = None
    wrote: bool = False


@dataclass(slots=True)
class Processor:
    """Looks at objects. Holds nothing but the count of failures in a row, which may be lost."""

    cluster: CachedCluster
    reconcilers: Mapping[str, Reconciler]
    record: Callable[[ObjectKey, Json, Notice], None]
    clock: Callable[[], datetime]
    random_unit: Callable[[], float]
    _failures: dict[ObjectKey, int] = field(default_factory=dict)

    async def process(self, key: ObjectKey) -> Result:
        """Look at one object. Raises nothing but CancelledError."""
        try:
            async with asyncio.timeout(_PASS_TIMEOUT_SECONDS):
                return await self._look(key)
        except Conflict:
            return await self._after_conflict(key)
        except TimeoutError:
            _log.error("pass timed out", object=str(key), seconds=_PASS_TIMEOUT_SECONDS)
            return Result("timeout", self._next_try(key, 0.0))
        except VideoVectorError as error:
            _log.warning("status not written", object=str(key), error=error.message)
            return Result("error", self._next_try(key, 0.0))
        except Exception:  # noqa: BLE001 - a bug in one pass must not end the loop for all objects
            _log.exception("pass failed", object=str(key))
            return Result("error", self._next_try(key, 0.0))

    async def _look(self, key: ObjectKey) -> Result:
        body = await self.cluster.get(key)
        if body is None:
            self._failures.pop(key, None)
            return Result("gone")
        try:
            resource = parse_resource(key.kind, body)
        except ValidationError as error:
            return await self._refuse(key, body, error)
        try:
            outcome = await self.reconcilers[key.kind](resource)
        except Conflict:
            raise
        except Exception as error:  # noqa: BLE001 - every error becomes a status; none may end the loop
            return await self._publish_failure(key, body, resource, error)
        wrote = await self._publish(key, body, resource, outcome)
        self._failures.pop(key, None)
        return Result("ok", outcome.requeue_after, wrote)

    async def _publish(self, key: ObjectKey, body: Json, resource: AnyResource, outcome: Outcome) -> bool:
        meta = body["metadata"]
        for notice in outcome.notices:
            self.record(key, meta, notice)
        if outcome.status is None:
            return False
        wrote = await publish_status(self.cluster, key, resource.metadata.uid, outcome.status)
        if wrote:
            for notice in decide_notices(resource.status, outcome.status):
                self.record(key, meta, notice)
        return wrote

    async def _publish_failure(self, key: ObjectKey, body: Json, resource: AnyResource, error: Exception) -> Result:
        failure = classify_failure(error, succeeded=_succeeded_of(resource.status))
        if not isinstance(error, VideoVectorError):
            _log.exception("reconcile failed", object=str(key))
        else:
            _log.warning("reconcile failed", object=str(key), reason=failure.verdict.reason, error=error.message)
        status = self._failed_status(resource, failure)
        wrote = await self._publish(key, body, resource, Outcome(status))
        if failure.retry_after is None:
            return Result("stalled", None, wrote)
        return Result("retry", self._next_try(key, failure.retry_after), wrote)

    def _failed_status(self, resource: AnyResource, failure: Failure) -> Status:
        old: Status = resource.status
        generation = resource.metadata.generation
        built = conditions.build_conditions(
            failure.verdict, previous=old.conditions, generation=generation, now=self.clock()
        )
        seen = conditions.observed_generation(failure.verdict, previous=old.observed_generation, generation=generation)
        return old.model_copy(update={"conditions": built, "observed_generation": seen})

    async def _refuse(self, key: ObjectKey, body: Json, error: ValidationError) -> Result:
        """An object that the models cannot read: an older CRD let it in. Say which field, and wait for the user."""
        first = error.errors(include_url=False, include_input=False)[0]
        field_path = ".".join(str(part) for part in first["loc"])
        message = f"{field_path}: {first['msg']}; correct the object, and upgrade the CRDs with the Helm release"
        meta = ObjectMeta.model_validate(body["metadata"])
        verdict = conditions.stalled(Reason.INVALID_SPEC, message)
        status = Status(
            observed_generation=meta.generation,
            conditions=conditions.build_conditions(
                verdict, previous=_conditions_of(body), generation=meta.generation, now=self.clock()
            ),
        )
        wrote = await publish_status(self.cluster, key, meta.uid, status)
        return Result("invalid", None, wrote)

    async def _after_conflict(self, key: ObjectKey) -> Result:
        """Somebody wrote in between: read the present object and look again at once (with backoff if it goes on)."""
        try:
            await self.cluster.get_live(key)
        except VideoVectorError as error:
            _log.warning("object not read after a conflict", object=str(key), error=error.message)
        is_first = key not in self._failures
        wait = self._next_try(key, 0.0)
        return Result("conflict", 0.0 if is_first else wait)

    def _next_try(self, key: ObjectKey, at_least: float) -> float:
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        wait = backoff_seconds(
            failures, first=_FIRST_RETRY_SECONDS, cap=_RETRY_CAP_SECONDS, random_unit=self.random_unit()
        )
        return max(wait, at_least)


def _succeeded_of(status: Status) -> conditions.Truth | None:
    """What a run's status says of its success: a failed look takes nothing of it back."""
    found = conditions.find_condition(status.conditions, ConditionType.SUCCEEDED)
    return None if found is None else found.status


def _conditions_of(body: Json) -> tuple[Condition, ...]:
    """The conditions that the object has, if they can be read: a look that changes nothing must write nothing."""
    try:
        return Status.model_validate(body.get("status") or {}).conditions
    except ValidationError:
        return ()


def parse_resource(kind: str, body: Json) -> AnyResource:
    """Parse an object into its kind's model. Raises ValidationError."""
    return BY_KIND[kind].model.model_validate({**body, "status": body.get("status") or {}})

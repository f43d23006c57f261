"""Connector: observe the Secret's version, decide whether a test is due, test, summarise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from videovector_operator import errors
from videovector_operator.api.v1alpha1.connector import Connector, ConnectorStatus, PermissionStatus, SampleObject
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.core.conditions import shorten
from videovector_operator.core.connector import TestOutcome, decide_test, keep_paused, summarize_connector
from videovector_operator.core.connector_use import ConnectorUse, summarize_deletion, with_use
from videovector_operator.core.failures import classify_failure
from videovector_operator.reconcilers.outcome import Clock, Outcome, seconds_until
from videovector_operator.reconcilers.source import observe_source, secret_key
from videovector_operator.storage.port import AccessReport, Action, Source, Storage

_MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ConnectorReconciler:
    """Reconciles one Connector at a time; holds no state. ``use_of`` says which runs use a Connector."""

    cluster: CachedCluster
    open_storage: Callable[[Source], Storage]
    clock: Clock
    use_of: Callable[[Connector], ConnectorUse]

    async def reconcile(self, connector: Connector) -> Outcome:
        """Test the connection when it is due, and show who uses it."""
        if connector.is_deleting:
            return Outcome(summarize_deletion(connector, self.use_of(connector), self.clock()))
        status, requeue_after = await self._reconcile_test(connector)
        return Outcome(with_use(status, self.use_of(connector)), requeue_after)

    async def _reconcile_test(self, connector: Connector) -> tuple[ConnectorStatus, float | None]:
        """The status, and in how many seconds to look again. A failed test is a status, not an exception."""
        now = self.clock()
        if connector.is_paused:
            return keep_paused(connector, now), None
        version = await self._observe_credentials_version(connector)
        if not decide_test(connector, credentials_version=version, now=now).due:
            return connector.status, seconds_until(connector.status.next_test_at, now)
        outcome = await self._test(connector)
        ended = self.clock()
        status: ConnectorStatus = summarize_connector(connector, outcome, credentials_version=version, now=ended)
        return status, seconds_until(status.next_test_at, ended)

    async def _observe_credentials_version(self, connector: Connector) -> str | None:
        """Version of the Secret (its uid and resourceVersion), without reading it if the watch knows it."""
        key = secret_key(connector)
        if key is None:
            return None
        body = self.cluster.peek(key) or await self.cluster.get_live(key)
        if body is None:
            return _MISSING
        return f"{body['metadata'].get('uid', '')}/{body['metadata'].get('resourceVersion', '')}"

    async def _test(self, connector: Connector) -> TestOutcome:
        try:
            source = await observe_source(self.cluster, connector)
            report = await self._run_test(source)
        except (errors.StorageError, errors.Stalled) as error:
            return TestOutcome(failure=classify_failure(error))
        return _outcome_of(connector, report)

    async def _run_test(self, source: Source) -> AccessReport:
        storage = self.open_storage(source)
        try:
            return await storage.test_access()
        finally:
            await storage.close()


def _outcome_of(connector: Connector, report: AccessReport) -> TestOutcome:
    permissions = [
        PermissionStatus(
            action=permission.action.value,
            result=permission.verdict.value,
            code=permission.code[:128] or None,
            message=shorten(permission.message, 1024) or None,
        )
        for permission in report.permissions
        if permission.action is not Action.WRITE
    ]
    if "export" in connector.spec.scopes:
        permissions.append(
            PermissionStatus(action="write", result="unknown", message="not tried: a connection test writes nothing")
        )
    sample = tuple(
        SampleObject(path=shorten(item.key, 1024), size_bytes=item.size, last_modified=item.modified_at)
        for item in report.sample[:10]
    )
    return TestOutcome(permissions=tuple(permissions), sample=sample)

"""Connector: observe the versions of what it names, decide whether a test is due, test, summarise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from videovector_operator import errors
from videovector_operator.api.v1alpha1.connector import Connector, ConnectorStatus, PermissionStatus, SampleObject
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.core.conditions import shorten
from videovector_operator.core.connection import TestOutcome, Versions, unknown_permissions
from videovector_operator.core.connector import decide_test, keep_paused, summarize_test
from videovector_operator.core.connector_use import ConnectorUse, summarize_deletion, with_use
from videovector_operator.core.failures import classify_failure
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.paths import export_prefix
from videovector_operator.reconcilers.outcome import Clock, Outcome, seconds_until
from videovector_operator.reconcilers.source import ca_bundle_key, observe_source, observe_worker_source, secret_key
from videovector_operator.storage.port import AccessReport, Source, Storage

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
        status, outcome = await self._reconcile_test(connector)
        return Outcome(with_use(status, self.use_of(connector)), outcome.requeue_after, outcome.notices)

    async def _reconcile_test(self, connector: Connector) -> tuple[ConnectorStatus, Outcome]:
        """The status, and when to look again. A failed test is a status, not an exception."""
        now = self.clock()
        if connector.is_paused:
            return keep_paused(connector, now), Outcome(None)
        versions = Versions(
            await self._observe_version(secret_key(connector)), await self._observe_version(ca_bundle_key(connector))
        )
        if not decide_test(connector, versions=versions, now=now).due:
            return connector.status, Outcome(None, seconds_until(connector.status.next_test_at, now))
        found = await self._test(connector)
        ended = self.clock()
        summary = summarize_test(connector, found, versions=versions, now=ended)
        wait = seconds_until(summary.status.next_test_at, ended)
        return summary.status, Outcome(None, wait, summary.notices)

    async def _observe_version(self, key: ObjectKey | None) -> str | None:
        """Version of an object (its uid and resourceVersion), without reading it if the watch knows it."""
        if key is None:
            return None
        body = self.cluster.peek(key) or await self.cluster.get_live(key)
        if body is None:
            return _MISSING
        return f"{body['metadata'].get('uid', '')}/{body['metadata'].get('resourceVersion', '')}"

    async def _test(self, connector: Connector) -> TestOutcome:
        try:
            prefix = export_prefix(connector.spec)
            if connector.spec.service_account_name is not None:
                # Opening asks nobody, but refuses what workers would be refused: endpoints, and who may see their tokens.
                await self.open_storage(await observe_worker_source(self.cluster, connector)).close()
                why = "not tried: only worker pods have this identity"
                return TestOutcome(unknown_permissions(connector.spec, why), is_tried=False)
            source = await observe_source(self.cluster, connector)
            report = await self._run_test(source, prefix if "export" in connector.spec.scopes else None)
        except (errors.StorageError, errors.Stalled) as error:
            return TestOutcome(failure=classify_failure(error))
        return _outcome_of(report)

    async def _run_test(self, source: Source, write_prefix: str | None) -> AccessReport:
        storage = self.open_storage(source)
        try:
            return await storage.test_access(write_prefix=write_prefix)
        finally:
            await storage.close()


def _outcome_of(report: AccessReport) -> TestOutcome:
    permissions = tuple(
        PermissionStatus(
            action=permission.action.value,
            result=permission.verdict.value,
            code=permission.code[:128] or None,
            message=shorten(permission.message, 1024) or None,
        )
        for permission in report.permissions
    )
    sample = tuple(
        SampleObject(path=shorten(item.key, 1024), size_bytes=item.size, last_modified=item.modified_at)
        for item in report.sample[:10]
    )
    return TestOutcome(permissions=permissions, sample=sample)

"""Connector: observe the versions of what it names, decide whether a test is due, test, summarise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC

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
from videovector_operator.storage.port import AccessReport, ObjectInfo, Source, Storage

_MISSING = "missing"
_LONGEST_TEST_SECONDS = 60.0
"""Of all requests of one test together; each has a time of its own."""
_LARGEST_SIZE = 2**63 - 1
"""What the Kubernetes API can hold."""


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
        try:
            versions = Versions(
                await self._observe_version(secret_key(connector)),
                await self._observe_version(ca_bundle_key(connector)),
            )
        except errors.ClusterError as error:
            # Nothing says that they have changed: a proven connection bears it like a storage server that does not answer.
            versions = Versions(connector.status.observed_credentials, connector.status.observed_ca_bundle)
            found = TestOutcome(failure=classify_failure(error))
        else:
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
                await self._check_place(await observe_worker_source(self.cluster, connector))
                why = "not tried: only worker pods have this identity"
                return TestOutcome(unknown_permissions(connector.spec, why), is_tried=False)
            source = await observe_source(self.cluster, connector)
            report = await self._run_test(source, prefix if "export" in connector.spec.scopes else None)
        except (errors.StorageError, errors.ClusterError, errors.Stalled) as error:
            return TestOutcome(failure=classify_failure(error))
        return _outcome_of(report)

    async def _check_place(self, source: Source) -> None:
        """Refuse what workers would be refused: endpoints, and who may see their tokens."""
        storage = self.open_storage(source)
        try:
            storage.check()
        finally:
            await storage.close()

    async def _run_test(self, source: Source, write_prefix: str | None) -> AccessReport:
        storage = self.open_storage(source)
        try:
            async with asyncio.timeout(_LONGEST_TEST_SECONDS):
                return await storage.test_access(write_prefix=write_prefix)
        except TimeoutError:
            raise errors.Unavailable(
                f"the test took longer than {_LONGEST_TEST_SECONDS:.0f} s: the server answers each request, but slowly"
            ) from None
        finally:
            await storage.close()


def _can_be_published(item: ObjectInfo) -> bool:
    """Servers say all sorts of times and sizes; one that the API server refuses would cost the whole status."""
    try:
        item.modified_at.astimezone(UTC)
    except (OverflowError, ValueError):
        return False
    return 0 <= item.size <= _LARGEST_SIZE


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
        if _can_be_published(item)
    )
    return TestOutcome(permissions=permissions, sample=sample)

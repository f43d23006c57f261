"""Leadership by a Lease: one process acts, the others stand by with warm caches. Losing the Lease ends the process.

The official client's election, with time-outs and network errors made harmless: a request that hangs must not outlive the
renew deadline, or two leaders could act at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.client.models.v1_lease import V1Lease
from kubernetes.aio.client.models.v1_object_meta import V1ObjectMeta
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock
from typing_extensions import override

_NETWORK_ERRORS = (aiohttp.ClientError, OSError, TimeoutError)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """A standby takes over ``duration`` seconds after it has seen the leader's last renewal, give or take a ``retry_period``.

    ``renew_deadline`` + ``retry_period`` + two requests of ``request_timeout`` must stay below ``duration``: so long after
    its last renewal a leader may still act.
    """

    name: str
    namespace: str
    identity: str
    duration: int = 15
    renew_deadline: float = 7.5
    retry_period: float = 2.0
    request_timeout: float = 1.9


class BoundedLeaseLock(LeaseLock):
    """A LeaseLock whose calls end in time and never raise network errors."""

    def __init__(self, settings: LeaseSettings, api: ApiClient) -> None:
        super().__init__(settings.name, settings.namespace, settings.identity, api)
        self._timeout = settings.request_timeout

    @override
    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        """Read the Lease: (True, record), or (False, the error)."""
        try:
            # Not wait_for: Python 3.11's forgets that it was cancelled when the answer comes in the same moment.
            async with asyncio.timeout(self._timeout):
                return await super().get(name, namespace)
        except _NETWORK_ERRORS as error:
            return False, ApiException(status=0, reason=type(error).__name__)

    @override
    async def create(self, name: str, namespace: str, election_record: Any) -> bool:
        """Create the Lease. LeaseLock's own create passes ``pretty=True``, which client 37 refuses."""
        body = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        return await _bounded(self._create(namespace, body), self._timeout)

    async def _create(self, namespace: str, body: V1Lease) -> bool:
        try:
            await self.api_instance.create_namespaced_lease(namespace, body)
        except ApiException as error:
            _log.warning("lease not created", status=error.status)
            return False
        return True

    @override
    async def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        """Renew or take the Lease; the API server refuses it when somebody else was faster."""
        return await _bounded(super().update(name, namespace, updated_record), self._timeout)


async def _bounded(call: Coroutine[Any, Any, bool], timeout: float) -> bool:  # noqa: ASYNC109 - the election polls
    try:
        async with asyncio.timeout(timeout):
            return await call
    except _NETWORK_ERRORS as error:
        _log.warning("lease not written", error=type(error).__name__)
        return False


async def lead(api: ApiClient, settings: LeaseSettings, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait for the Lease, then run ``act`` as long as it is held. Returns when the Lease is lost.

    However this ends, ``act`` has ended before: the client's election leaves it running when it is cancelled itself.
    """
    lock = BoundedLeaseLock(settings, api)
    work = _Work(act)

    async def lost() -> None:
        _log.error("lease lost", lease=settings.name)

    config = Config(
        lock,
        lease_duration=settings.duration,
        renew_deadline=settings.renew_deadline,
        retry_period=settings.retry_period,
        onstarted_leading=work.run,
        onstopped_leading=lost,
    )
    try:
        await LeaderElection(config).run()
    finally:
        await work.end()


class _Work:
    """The leader's work as a task that can be ended and waited for."""

    def __init__(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._act = act
        self._task: asyncio.Task[Any] | None = None
        self._over = False

    async def run(self) -> None:
        if self._over:
            return
        self._task = asyncio.current_task()
        await self._act()

    async def end(self) -> None:
        self._over = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


async def release(api: ApiClient, settings: LeaseSettings) -> None:
    """Give the Lease back at a graceful stop, so that the standby need not wait. Best effort."""
    lock = BoundedLeaseLock(settings, api)
    held, record = await lock.get(settings.name, settings.namespace)
    if not held or getattr(record, "holder_identity", None) != settings.identity:
        return
    lease = lock.lease_reference
    if lease is None or lease.spec is None:
        return
    lease.spec.holder_identity = ""
    lease.spec.lease_duration_seconds = 1
    try:
        async with asyncio.timeout(settings.request_timeout):
            await lock.api_instance.replace_namespaced_lease(settings.name, settings.namespace, lease)
    except (*_NETWORK_ERRORS, ApiException) as error:
        _log.warning("lease not released", error=type(error).__name__)

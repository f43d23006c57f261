"""Leadership on a real API server: one leads, a released Lease is taken over, a lost one ends the leader's work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from kubernetes.aio.client.api.coordination_v1_api import CoordinationV1Api
from kubernetes.aio.client.api_client import ApiClient

from videovector_operator.control.leadership import LeaseSettings, lead, release

pytest_plugins = ["tests.contract.cluster_servers"]
pytestmark = [pytest.mark.contract, pytest.mark.cluster]


DURATION = 10


class Candidate:
    """One process that would lead. By default it keeps its Lease also while the machine stands still for some seconds."""

    def __init__(
        self, api: ApiClient, namespace: str, name: str, *, duration: int = DURATION, renew_deadline: float = 7.0
    ) -> None:
        self.settings = LeaseSettings(
            name="operator",
            namespace=namespace,
            identity=name,
            duration=duration,
            renew_deadline=renew_deadline,
            retry_period=1.0,
        )
        self.api = api
        self.leading = False
        self.terms = 0
        self.task = asyncio.create_task(lead(api, self.settings, self._act))

    async def _act(self) -> None:
        self.leading = True
        self.terms += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.leading = False

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(wanted: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


@pytest.fixture
async def candidates(kubernetes_api: ApiClient, namespace: str) -> AsyncIterator[list[Candidate]]:
    pair = [Candidate(kubernetes_api, namespace, name) for name in ("one", "two")]
    yield pair
    for candidate in pair:
        await candidate.stop()


@pytest.fixture
async def hasty(kubernetes_api: ApiClient, namespace: str) -> AsyncIterator[list[Candidate]]:
    """Candidates for a Lease that runs out soon: where nobody need keep it."""
    pair = [Candidate(kubernetes_api, namespace, name, duration=4, renew_deadline=3.0) for name in ("one", "two")]
    yield pair
    for candidate in pair:
        await candidate.stop()


def leaders(candidates: list[Candidate]) -> list[str]:
    return [candidate.settings.identity for candidate in candidates if candidate.leading]


async def test_one_of_two_leads_and_stays(candidates: list[Candidate]) -> None:
    await until(lambda: bool(leaders(candidates)), "nobody leads")
    first = leaders(candidates)
    deadline = time.monotonic() + DURATION + 1
    while time.monotonic() < deadline:
        assert leaders(candidates) == first
        await asyncio.sleep(0.1)
    assert sum(candidate.terms for candidate in candidates) == 1


async def test_a_released_lease_is_taken_over(candidates: list[Candidate]) -> None:
    await until(lambda: bool(leaders(candidates)), "nobody leads")
    first = next(candidate for candidate in candidates if candidate.leading)
    second = next(candidate for candidate in candidates if not candidate.leading)
    await first.stop()
    assert not first.leading, "the work must end before the Lease is given back"
    await release(first.api, first.settings)
    await until(lambda: second.leading, "the standby did not take over")


async def test_a_standby_cannot_release_the_lease_of_the_leader(
    candidates: list[Candidate], kubernetes_api: ApiClient, namespace: str
) -> None:
    await until(lambda: bool(leaders(candidates)), "nobody leads")
    standby = next(candidate for candidate in candidates if not candidate.leading)
    await release(standby.api, standby.settings)
    lease = await CoordinationV1Api(kubernetes_api).read_namespaced_lease("operator", namespace)
    assert lease.spec is not None
    assert lease.spec.holder_identity == leaders(candidates)[0]


async def test_a_leader_that_died_is_followed_when_its_lease_has_run_out(hasty: list[Candidate]) -> None:
    await until(lambda: bool(leaders(hasty)), "nobody leads")
    first = next(candidate for candidate in hasty if candidate.leading)
    second = next(candidate for candidate in hasty if not candidate.leading)
    await first.stop()
    await until(lambda: second.leading, "the standby did not take over")


async def test_a_lease_taken_by_somebody_else_ends_the_leaders_work(
    hasty: list[Candidate], kubernetes_api: ApiClient, namespace: str
) -> None:
    await until(lambda: bool(leaders(hasty)), "nobody leads")
    first = next(candidate for candidate in hasty if candidate.leading)
    await next(candidate for candidate in hasty if not candidate.leading).stop()
    api = CoordinationV1Api(kubernetes_api)
    thief = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 60}}
    await api.patch_namespaced_lease("operator", namespace, thief, _content_type="application/merge-patch+json")
    await until(first.task.done, "the leader goes on without its lease")
    assert not first.leading

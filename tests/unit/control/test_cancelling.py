"""Whoever is told to end does end, also when what it waits for comes in the same moment: of a leader that does not, two would act."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest
from kubernetes.aio.client.models.v1_lease import V1Lease
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord

from videovector_operator.control.leadership import BoundedLeaseLock, LeaseSettings
from videovector_operator.control.queue import WorkQueue

Round = Callable[[], Awaitable[object]]
Wait = Callable[[asyncio.Event], Round]
TURNS = 8
"""Turns of the loop between what comes and the end: one of them is the same moment for any depth of calls."""


class Leases:
    """An API whose every answer comes when the event does."""

    def __init__(self, comes: asyncio.Event) -> None:
        self._comes = comes

    async def read_namespaced_lease(self, *_: object) -> V1Lease:
        await self._comes.wait()
        return V1Lease()

    async def create_namespaced_lease(self, *_: object) -> V1Lease:
        await self._comes.wait()
        return V1Lease()


def lock_of(comes: asyncio.Event) -> BoundedLeaseLock:
    lock = BoundedLeaseLock(LeaseSettings(name="operator", namespace="here", identity="one"), None)  # type: ignore[arg-type]  # its API is replaced
    lock.api_instance = Leases(comes)  # type: ignore[assignment]  # as much of it as is asked
    return lock


def read_a_lease(comes: asyncio.Event) -> Round:
    lock = lock_of(comes)
    return lambda: lock.get("operator", "here")


def take_a_lease(comes: asyncio.Event) -> Round:
    lock = lock_of(comes)
    record = LeaderElectionRecord("one", "15", "2026-01-01 00:00:00.000000", "2026-01-01 00:00:00.000000")
    return lambda: lock.create("operator", "here", record)


def take_a_key(comes: asyncio.Event) -> Round:
    queue = WorkQueue[int](clock=asyncio.get_running_loop().time)
    queue.add(-1, after=60)  # the wait has a time
    numbers = itertools.count()

    async def add() -> None:
        await comes.wait()
        queue.add(next(numbers))

    adding = asyncio.get_running_loop().create_task(add())

    async def take() -> None:
        queue.done(await queue.get())
        assert adding.done()

    return take


WAITS: dict[str, Wait] = {"read a Lease": read_a_lease, "take a Lease": take_a_lease, "take a key": take_a_key}


async def is_ended(wait: Wait, turns: int) -> bool:
    comes = asyncio.Event()
    work = wait(comes)

    async def work_on() -> None:
        while True:
            await work()
            await asyncio.sleep(0.01)

    task = asyncio.create_task(work_on())
    await asyncio.sleep(0.005)
    comes.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=0.3)
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.01)
    return bool(done)


@pytest.mark.parametrize("name", WAITS)
async def test_an_end_is_never_missed(name: str) -> None:
    assert [await is_ended(WAITS[name], turns) for turns in range(TURNS)] == [True] * TURNS

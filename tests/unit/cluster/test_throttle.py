"""The bucket's arithmetic on a clock that does not move, and its order."""

from __future__ import annotations

import asyncio

from videovector_operator.cluster.throttle import TokenBucket


def bucket(rate: float, burst: int, waits: list[float], now: list[float]) -> TokenBucket:
    return TokenBucket(rate, burst, clock=lambda: now[0], on_wait=waits.append)


async def test_a_burst_passes_and_what_comes_after_it_waits_for_the_rate() -> None:
    waits: list[float] = []
    limiter = bucket(1000.0, 3, waits, [0.0])
    for _ in range(3):
        await limiter.acquire()
    assert waits == []
    await limiter.acquire()
    assert waits == [1 / 1000]


async def test_tokens_come_back_with_time_and_never_exceed_the_burst() -> None:
    waits: list[float] = []
    now = [0.0]
    limiter = bucket(10.0, 2, waits, now)
    for moment in (0.0, 0.0, 0.1, 100.0, 100.0):
        now[0] = moment
        await limiter.acquire()
    assert waits == []
    now[0] = 100.05
    task = asyncio.create_task(limiter.acquire())
    await task
    assert [round(wait, 6) for wait in waits] == [0.05]


async def test_waiters_are_served_in_order() -> None:
    now = [0.0]
    limiter = bucket(1000.0, 1, [], now)
    served: list[int] = []

    async def take(number: int) -> None:
        await limiter.acquire()
        served.append(number)

    await asyncio.gather(*(take(number) for number in range(5)))
    assert served == [0, 1, 2, 3, 4]


async def test_it_works_without_anybody_who_is_told() -> None:
    limiter = TokenBucket(1000.0, 1, clock=lambda: 0.0)
    await limiter.acquire()
    await limiter.acquire()

"""Cuts a stream into parts and sends a few of them at once: what large uploads and copies of all providers have in common.

Memory is bounded by the parts under way and the one that is being filled. No request and no provider's semantics may enter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TypeVar

P = TypeVar("P")
T = TypeVar("T")


async def cut_parts(chunks: AsyncIterable[bytes], size_of: Callable[[int], int]) -> AsyncIterator[bytes]:
    """Regroup ``chunks``: part n (from 1) has ``size_of(n)`` bytes, the last one what is left; an empty stream has no parts."""
    number = 1
    pending = bytearray()
    async for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            missing = size_of(number) - len(pending)
            pending += rest[:missing]
            rest = rest[missing:]
            if len(pending) == size_of(number):
                part, pending = bytes(pending), bytearray()
                yield part
                number += 1
    if pending:
        yield bytes(pending)


async def send_parts(parts: AsyncIterable[P], send: Callable[[int, P], Awaitable[T]], width: int) -> list[T]:
    """Send every part by its number (from 1), at most ``width`` at once; returns the results in order.

    A part is drawn only when there is room for it. The first failure, or a cancellation, ends all that are under way.
    """
    results: dict[int, T] = {}
    running: dict[asyncio.Future[T], int] = {}
    number = 0
    try:
        async for part in parts:
            number += 1
            running[asyncio.ensure_future(send(number, part))] = number
            while len(running) >= width:
                await _collect(running, results)
        while running:
            await _collect(running, results)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return [results[each] for each in range(1, number + 1)]


async def _collect(running: dict[asyncio.Future[T], int], results: dict[int, T]) -> None:
    """Wait until one is done and take its result. Raises what it raised."""
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        results[running.pop(task)] = task.result()

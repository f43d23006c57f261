"""Cuts a stream into parts and sends a few of them at once: what large uploads and copies of all providers have in common.

Memory is bounded by the parts under way and the one that is being filled. No request and no provider's semantics may enter.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TypeVar

P = TypeVar("P")
T = TypeVar("T")


async def cut_parts(chunks: AsyncIterable[bytes], size_of: Callable[[int], int]) -> AsyncGenerator[bytes, None]:
    """Regroup ``chunks``: part n (from 1) has ``size_of(n)`` bytes, the last one what is left; an empty stream has no parts."""
    number = 1
    # BytesIO gives its buffer away without a copy.
    pending = io.BytesIO()
    async for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            missing = size_of(number) - pending.tell()
            pending.write(rest[:missing])
            rest = rest[missing:]
            if pending.tell() == size_of(number):
                part, pending = pending.getvalue(), io.BytesIO()
                yield part
                del part
                number += 1
    if pending.tell():
        yield pending.getvalue()


async def first_of(parts: AsyncIterator[P], count: int) -> AsyncIterator[P]:
    """Draw at most ``count``."""
    for _ in range(count):
        try:
            yield await anext(parts)
        except StopAsyncIteration:
            return


async def put_back(head: list[P], rest: AsyncIterator[P]) -> AsyncIterator[P]:
    """Give what was drawn already, which leaves ``head`` and so the memory, and then the rest."""
    while head:
        yield head.pop(0)
    async for part in rest:
        yield part
        del part


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
            # Its memory must be free as soon as it is sent.
            del part
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

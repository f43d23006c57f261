"""Streams are cut into parts of the right sizes, and a few of them are sent at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.errors import Unavailable
from videovector_operator.storage.parts import cut_parts, send_parts


async def stream(items: Iterable[bytes]) -> AsyncIterator[bytes]:
    for item in items:
        yield item


async def numbers(count: int, drawn: list[int]) -> AsyncIterator[int]:
    for number in range(count):
        drawn.append(number)
        yield number


@given(chunks=st.lists(st.binary(max_size=40), max_size=20), first=st.integers(1, 30), growth=st.integers(0, 5))
async def test_parts_have_their_sizes_and_hold_every_byte(chunks: list[bytes], first: int, growth: int) -> None:
    def size_of(number: int) -> int:
        return first + growth * number

    parts = [part async for part in cut_parts(stream(chunks), size_of)]
    assert b"".join(parts) == b"".join(chunks)
    assert [len(part) for part in parts[:-1]] == [size_of(number) for number in range(1, len(parts))]
    assert not parts or 0 < len(parts[-1]) <= size_of(len(parts))


async def test_no_more_than_the_width_is_under_way_or_drawn() -> None:
    drawn: list[int] = []
    running = most = finished = 0

    async def send(number: int, item: int) -> str:
        nonlocal running, most, finished
        assert number == item + 1
        running += 1
        most = max(most, running)
        assert len(drawn) - finished <= 3
        await asyncio.sleep(0.001 * (7 - number % 7))
        running -= 1
        finished += 1
        return f"part {item}"

    assert await send_parts(numbers(20, drawn), send, 3) == [f"part {item}" for item in range(20)]
    assert most == 3


async def test_the_first_failure_ends_the_others_and_draws_no_more() -> None:
    drawn: list[int] = []
    ended: list[int] = []

    async def send(number: int, item: int) -> None:
        if item == 1:
            raise Unavailable("down")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(item)

    with pytest.raises(Unavailable):
        await send_parts(numbers(1000, drawn), send, 3)
    assert ended == [0, 2]
    assert drawn == [0, 1, 2]


async def test_a_cancellation_ends_what_is_under_way() -> None:
    ended: list[int] = []
    begun = asyncio.Event()

    async def send(number: int, item: int) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(item)

    task = asyncio.create_task(send_parts(numbers(2, []), send, 2))
    await asyncio.wait_for(begun.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended


async def test_a_stream_that_fails_ends_what_is_under_way() -> None:
    ended: list[int] = []

    async def broken() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0)
        raise Unavailable("the source is gone")

    async def send(number: int, item: int) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(item)

    with pytest.raises(Unavailable):
        await send_parts(broken(), send, 3)
    assert ended == [1]

"""Waiting as the storage sees it, without any wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Slept:
    """Records waits instead of waiting; ``then`` happens at each."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.then: Callable[[], Awaitable[object]] | None = None

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if self.then is not None:
            await self.then()
        await asyncio.sleep(0)

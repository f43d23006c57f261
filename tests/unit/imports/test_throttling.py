"""A store that throttles asks everybody to wait: no file fails for it as long as an outage may take. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog

from tests.support.virtual_time import run_virtually
from tests.unit.imports.worlds import SPEC, World
from videovector_operator.errors import Throttled
from videovector_operator.imports.mounts import Mounts
from videovector_operator.imports.problems import SourceOutage
from videovector_operator.imports.settings import ImportSettings
from videovector_operator.imports.source import ImportSource

OUTAGE = ImportSettings().source_outage


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


class Shop:
    """A bucket of two files, the first of which is throttled for ``seconds``; the second is read all the time, if ``busy``."""

    def __init__(self, seconds: float, *, busy: bool = True, retry_after: float = 1.0) -> None:
        self._seconds, self._busy = seconds, busy
        self._error = Throttled("slow down", "SlowDown", retry_after)
        self.world = World()

    async def read(self) -> float:
        """Read the first file; the time that it took."""
        keys = self.world.fill(2)
        source = await ImportSource.open(SPEC.source, self.world.open, Mounts(), ImportSettings(), lambda: 0.5)
        self.world.bucket.fail_always("read_range", self._error, key=keys[0])
        asyncio.get_running_loop().call_at(self._seconds, self.world.bucket.heal)
        others = asyncio.create_task(self._read_steadily(source, keys[1]))
        try:
            await self._read(source, keys[0])
        finally:
            others.cancel()
        return asyncio.get_running_loop().time()

    async def _read(self, source: ImportSource, key: str) -> None:
        await source.read(key, 0, 1, (await self.world.bucket.stat(key)).fingerprint)

    async def _read_steadily(self, source: ImportSource, key: str) -> None:
        while self._busy:
            await self._read(source, key)
            await asyncio.sleep(0.5)


def outcome(work: Callable[[], Awaitable[float]]) -> float | type[Exception]:
    async def settle() -> float | type[Exception]:
        try:
            return await work()
        except (Throttled, SourceOutage) as error:
            assert asyncio.get_running_loop().time() >= OUTAGE
            return type(error)

    return run_virtually(settle())


@pytest.mark.parametrize("busy", [True, False])
@pytest.mark.parametrize("retry_after", [0.0, 1.0, 120.0])
def test_a_file_that_is_throttled_nearly_as_long_as_an_outage_may_take_is_read(busy: bool, retry_after: float) -> None:
    seconds = OUTAGE - 150
    took = outcome(Shop(seconds, busy=busy, retry_after=retry_after).read)
    assert isinstance(took, float)
    assert seconds <= took <= OUTAGE


def test_nobody_sleeps_as_long_as_a_store_may_ask() -> None:
    took = outcome(Shop(10.0, retry_after=86_400.0).read)
    assert took == 300.0


def test_a_file_that_alone_is_throttled_for_ever_fails_alone() -> None:
    assert outcome(Shop(1e9).read) is Throttled


def test_a_store_that_throttles_everybody_for_ever_is_an_outage() -> None:
    assert outcome(Shop(1e9, busy=False).read) is SourceOutage

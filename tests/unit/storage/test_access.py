"""The write test leaves nothing behind, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable

import pytest
from typing_extensions import override

from tests.support.virtual_time import run_virtually
from videovector_operator.control import operator as control
from videovector_operator.errors import Unavailable
from videovector_operator.storage import access
from videovector_operator.storage.access import probe_access
from videovector_operator.storage.fake import FakeStorage
from videovector_operator.storage.port import AccessReport, Action, ObjectInfo, Verdict

REMEDIES = dict.fromkeys(Action, "allow it")


class Late(FakeStorage):
    """Does what it is asked to, and then something happens to the answer."""

    after_write: Callable[[], Awaitable[None]] | None = None
    before_delete: Callable[[], Awaitable[None]] | None = None

    @override
    async def write(
        self, key: str, chunks: AsyncIterable[bytes], *, content_type: str = "text/plain", if_absent: bool = False
    ) -> ObjectInfo:
        written = await super().write(key, chunks, content_type=content_type, if_absent=if_absent)
        if self.after_write is not None:
            await self.after_write()
        return written

    @override
    async def delete(self, key: str) -> None:
        before, self.before_delete = self.before_delete, None
        if before is not None:
            await before()
        await super().delete(key)


@pytest.fixture
def storage() -> Late:
    return Late()


async def lose() -> None:
    raise Unavailable("the connection was closed", "Reset")


async def hang() -> None:
    await asyncio.sleep(3600)


async def probe(storage: Late) -> AccessReport:
    return await probe_access(storage, REMEDIES, write_prefix="exports/", sample_size=5)


async def keys_of(storage: Late) -> list[str]:
    return [item.key async for page in storage.list_pages() for item in page.objects]


async def test_what_was_written_is_removed(storage: Late) -> None:
    report = await probe(storage)
    assert [each.verdict for each in report.permissions][2:] == [Verdict.ALLOWED, Verdict.ALLOWED]
    assert await keys_of(storage) == []


async def test_a_write_whose_answer_was_lost_is_removed_too(storage: Late) -> None:
    storage.after_write = lose
    with pytest.raises(Unavailable, match=r"^the connection was closed$"):
        await probe(storage)
    assert await keys_of(storage) == []


async def test_what_cannot_be_removed_then_is_named(storage: Late) -> None:
    storage.after_write = lose
    storage.fail_always("delete", Unavailable("gone"))
    with pytest.raises(Unavailable) as caught:
        await probe(storage)
    [key] = await keys_of(storage)
    assert caught.value.message == f"the connection was closed; the test object {key!r} may be left there"
    assert (key.startswith("exports/.videovector-write-test-"), caught.value.code) == (True, "Reset")


@pytest.mark.parametrize("moment", ["after_write", "before_delete"])
def test_a_test_that_takes_too_long_leaves_nothing(storage: Late, moment: str) -> None:
    async def take_too_long() -> list[str]:
        setattr(storage, moment, hang)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await probe(storage)
        return await keys_of(storage)

    assert run_virtually(take_too_long()) == []


def test_a_removal_that_hangs_too_is_given_up(storage: Late) -> None:
    storage.after_write = lose
    storage.before_delete = hang
    with pytest.raises(Unavailable, match="may be left there"):
        run_virtually(probe(storage))


def test_a_removal_takes_less_than_an_operator_that_stops() -> None:
    """Else it would be broken off too."""
    assert access._REMOVAL_SECONDS < control._STOP_SECONDS

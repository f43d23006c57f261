"""Credentials that are refused and then are not: nothing is lost for it. And what is refused for good."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mounted import MountedVolume
from tests.support.virtual_time import run_virtually
from tests.unit.imports.worlds import SPEC, World
from videovector_operator.errors import AccessDenied, InvalidCredentials
from videovector_operator.imports.exit_codes import ExitCode
from videovector_operator.imports.mounts import Mounts
from videovector_operator.imports.refusal import Refusal, Verdict
from videovector_operator.imports.settings import ImportSettings
from videovector_operator.imports.source import ImportSource

REFUSED = InvalidCredentials("the credentials were refused", "InvalidAccessKeyId")
NO_IDENTITY = InvalidCredentials("No credentials: name a Secret, or give the pods a workload identity")


def refuse_reads(
    world: World, is_refused: Callable[[str, int], bool], error: InvalidCredentials = REFUSED
) -> Counter[str]:
    """Refuse reads for which ``is_refused(key, times that this key was refused)`` holds; gives how often each was."""
    refused: Counter[str] = Counter()
    real = world.bucket.read_range

    async def read(key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        if is_refused(key, refused[key]):
            refused[key] += 1
            raise error
        return await real(key, start, length, fingerprint=fingerprint)

    world.bucket.read_range = read  # type: ignore[method-assign]  # a server that does not know the keys yet
    return refused


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One with a Secret, which is never rotated."""
    volume = MountedVolume(tmp_path / "credentials")
    volume.write({"accessKeyId": "key", "secretAccessKey": "secret"})
    world = World()
    world.credentials = volume.path
    return world


@pytest.mark.parametrize("share", [1, 2, 3])
async def test_reads_that_are_refused_once_are_read_all_the_same(world: World, share: int) -> None:
    keys = world.fill(12)
    chosen = set(keys[::share])
    refused = refuse_reads(world, lambda key, times: key in chosen and times == 0)
    assert await world.run() is ExitCode.OK
    assert set(refused) == chosen
    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}


async def test_a_first_request_that_is_refused_is_no_verdict_on_the_keys(world: World) -> None:
    keys = world.fill(3)
    world.bucket.fail("list_pages", REFUSED)
    assert await world.run(first_credentials_wait=5.0) is ExitCode.OK
    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}


async def test_an_identity_that_is_still_coming_is_waited_for() -> None:
    world = World()
    keys = world.fill(3)
    world.bucket.fail("list_pages", NO_IDENTITY)
    assert await world.run(first_credentials_wait=0.0) is ExitCode.OK
    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}


async def test_an_identity_that_is_away_for_a_while_costs_no_file() -> None:
    world = World()
    keys = world.fill(8)
    ends = asyncio.get_running_loop().time() + 1.5
    refuse_reads(world, lambda *_: asyncio.get_running_loop().time() < ends, NO_IDENTITY)
    assert await world.run() is ExitCode.OK
    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}


async def test_keys_that_are_refused_for_good_fail_the_run_and_no_file(world: World) -> None:
    keys = world.fill(3)
    refuse_reads(world, lambda *_: True)
    world.bucket.fail_always("list_pages", REFUSED)
    assert await world.run() is ExitCode.USER_MUST_ACT
    assert world.catalog.ending is not None
    assert (world.catalog.ending.reason, world.catalog.ending.message) == ("SourceUnusable", REFUSED.message)
    assert all(row.state != "failed" for key, row in world.catalog.rows.items() if key in keys)


def read_beside_others(answers: int) -> float:
    """Seconds until a file that is always refused fails, while others get so many answers a second."""

    async def read() -> float:
        world = World()
        odd, other = world.fill(2)
        settings = ImportSettings()
        source = await ImportSource.open(SPEC.source, world.open, Mounts(), settings, lambda: 0.5)
        refuse_reads(world, lambda key, _: key == odd)
        fingerprint = (await world.bucket.stat(other)).fingerprint

        async def go_on() -> None:
            while True:
                for _ in range(answers):
                    await source.read(other, 0, 1, fingerprint)
                await asyncio.sleep(1)

        others = asyncio.create_task(go_on())
        with pytest.raises(AccessDenied, match="the credentials were refused"):
            await source.read(odd, 0, 1, (await world.bucket.stat(odd)).fingerprint)
        others.cancel()
        return asyncio.get_running_loop().time()

    return run_virtually(read())


def test_a_file_that_alone_is_refused_fails_soon_where_others_are_read() -> None:
    assert read_beside_others(200) <= 5


def test_a_file_that_alone_is_refused_fails_at_last_where_little_is_read() -> None:
    assert 120 <= read_beside_others(0) <= 140


def test_a_refusal_is_judged_by_attempts_answers_and_time() -> None:
    refusal = Refusal(attempts=3)
    judge = refusal.judge
    assert judge(now=10, reads=5, patience=60, of_all=False) is Verdict.AGAIN
    assert judge(now=11, reads=500, patience=60, of_all=False) is Verdict.AGAIN
    assert judge(now=12, reads=500, patience=60, of_all=False) is Verdict.FILE
    refusal.forget()
    assert [judge(now=at, reads=1000, patience=60, of_all=True) for at in (100, 159, 160)] == [
        Verdict.AGAIN,
        Verdict.AGAIN,
        Verdict.OVER,
    ]

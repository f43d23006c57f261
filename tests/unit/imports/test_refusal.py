"""Credentials that are refused and then are not: nothing is lost for it. And what is refused for good."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mounted import MountedVolume
from tests.support.virtual_time import run_virtually
from tests.unit.imports.worlds import SPEC, World, eventually
from videovector_operator.core.records import FileState
from videovector_operator.errors import AccessDenied, InvalidCredentials
from videovector_operator.imports.exit_codes import ExitCode
from videovector_operator.imports.mounts import Mounts
from videovector_operator.imports.refusal import Refusal, Spell, Verdict
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
def volume(tmp_path: Path) -> MountedVolume:
    volume = MountedVolume(tmp_path / "credentials")
    volume.write({"accessKeyId": "key", "secretAccessKey": "secret"})
    return volume


@pytest.fixture
def world(volume: MountedVolume) -> World:
    """One with a Secret."""
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
    assert await world.run(credentials_wait=30.0) is ExitCode.OK
    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}


async def test_keys_that_are_refused_for_good_fail_the_run_and_no_file(world: World) -> None:
    keys = world.fill(3)
    refuse_reads(world, lambda *_: True)
    world.bucket.fail_always("list_pages", REFUSED)
    assert await world.run() is ExitCode.USER_MUST_ACT
    assert world.catalog.ending is not None
    assert (world.catalog.ending.reason, world.catalog.ending.message) == ("SourceUnusable", REFUSED.message)
    assert all(row.state != "failed" for key, row in world.catalog.rows.items() if key in keys)


async def test_keys_that_are_forgotten_bit_by_bit_cost_no_file(world: World, volume: MountedVolume) -> None:
    """A third of the answers refuse, while the others still take the old keys; then the new ones are mounted."""
    keys = world.fill(600)
    asked = Counter[str]()

    def is_refused(key: str, times: int) -> bool:
        asked["all"] += 1
        return len(world.opened) == 1 and asked["all"] > 100 and (asked["all"] + times) % 3 == 0

    refused = refuse_reads(world, is_refused)
    new = {"accessKeyId": "new", "secretAccessKey": "new"}
    asyncio.get_running_loop().call_later(2.0, volume.write, new)
    assert await world.run(credentials_wait=30.0) is ExitCode.OK
    assert refused
    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}


async def test_a_pod_that_starts_in_the_middle_of_a_rotation_waits_for_it(world: World, volume: MountedVolume) -> None:
    keys = world.fill(12)
    refuse_reads(world, lambda key, _: len(world.opened) == 1 and key in keys[6:])
    first = asyncio.create_task(world.run())
    await eventually(
        lambda: (
            world.catalog.control.scan_done
            and sum(row.state == FileState.IMPORTED for row in world.catalog.rows.values()) >= 4
        )
    )
    world.stop.set()
    await first
    assert world.catalog.ending is None
    world.stop.clear()
    world.opened.clear()
    new = {"accessKeyId": "new", "secretAccessKey": "new"}
    asyncio.get_running_loop().call_later(1.5, volume.write, new)
    assert await world.run(owner="w2", first_credentials_wait=0.0, credentials_wait=30.0) is ExitCode.OK
    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}


def fail_beside_others(answers: int, files: int) -> list[float]:
    """Seconds at which files, one after the other, fail that are always refused, while others get so many answers a second."""

    async def read() -> list[float]:
        world = World()
        other, *odd = world.fill(1 + files)
        source = await ImportSource.open(SPEC.source, world.open, Mounts(), ImportSettings(), lambda: 0.5)
        refuse_reads(world, lambda key, _: key in odd)
        fingerprint = (await world.bucket.stat(other)).fingerprint

        async def go_on() -> None:
            while True:
                for _ in range(answers):
                    await source.read(other, 0, 1, fingerprint)
                await asyncio.sleep(1)

        others = asyncio.create_task(go_on())
        times = []
        for key in odd:
            with pytest.raises(AccessDenied, match="the credentials were refused"):
                await source.read(key, 0, 1, (await world.bucket.stat(key)).fingerprint)
            times.append(asyncio.get_running_loop().time())
        others.cancel()
        return times

    return run_virtually(read())


def test_a_file_that_alone_is_refused_fails_when_a_rotation_would_have_come() -> None:
    first, second, third = fail_beside_others(200, files=3)
    assert 120 <= first <= 140
    # By then it is known that no rotation is under way.
    assert second - first <= 5
    assert third - second <= 5


def test_where_little_is_read_each_file_is_waited_for() -> None:
    first, second = fail_beside_others(0, files=2)
    assert 120 <= first <= 140
    assert 120 <= second - first <= 140


def test_a_refusal_is_judged_by_attempts_answers_and_time() -> None:
    spell = Spell()
    refusal = Refusal(spell, attempts=3)

    def judge(now: float, reads: int, *, of_all: bool = False) -> Verdict:
        return refusal.judge(now=now, reads=reads, patience=30, of_all=of_all)

    assert spell.note(0) == 0
    assert judge(25, 5) is Verdict.AGAIN
    assert judge(31, 500) is Verdict.AGAIN
    assert judge(32, 500) is Verdict.FILE
    refusal.forget()
    assert [judge(at, 1000, of_all=True) for at in (40, 69, 70)] == [Verdict.AGAIN, Verdict.AGAIN, Verdict.OVER]


def test_refusals_far_apart_are_no_spell_and_other_credentials_begin_another() -> None:
    spell = Spell()
    assert [spell.note(now) for now in (10, 70, 130, 191, 200)] == [0, 60, 120, 0, 9]
    spell.forget()
    assert spell.note(201) == 0

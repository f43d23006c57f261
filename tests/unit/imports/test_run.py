"""The whole worker on fakes: what it writes, how it ends, and what it survives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.imports.worlds import QUICK, SPEC, World, eventually
from videovector_operator.catalog.outcome import MAX_ATTEMPTS
from videovector_operator.core.names import media_id
from videovector_operator.core.records import FileState, RunState
from videovector_operator.errors import (
    AccessDenied,
    Changed,
    InvalidCredentials,
    NotFound,
    Unavailable,
)
from videovector_operator.imports.exit_codes import ExitCode
from videovector_operator.storage.port import ListPage


async def test_files_are_imported_failed_and_skipped_each_with_its_reason() -> None:
    world = World()
    keys = world.fill(10)
    world.bucket.put("empty.mp4")
    world.bucket.put("notes.txt", b"x")
    world.bucket.put("folder/")
    world.bucket.put("text.mp4", b"no video at all")

    assert await world.run() is ExitCode.OK

    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}
    assert world.catalog.outcome("empty.mp4") == ("skipped", "ZeroBytes")
    assert world.catalog.outcome("notes.txt") == ("skipped", "UnsupportedType")
    assert world.catalog.outcome("folder/") == ("skipped", "FolderMarker")
    assert world.catalog.outcome("text.mp4") == ("failed", "UnreadableMedia")
    assert world.catalog.ending is not None
    assert world.catalog.ending.reason == "CompletedWithFailures"
    assert set(world.catalog.media) == {
        media_id("idx_1", "s3://bucket", key, world.catalog.rows[key].candidate.fingerprint) for key in keys
    }


async def test_the_record_holds_what_the_probe_found() -> None:
    world = World()
    (key,) = [key for key in world.fill(4) if key.endswith("mp4")]
    await world.run()
    (record,) = [record for record in world.catalog.media.values() if record.content_type == "video/mp4"]
    assert (record.kind, record.container, record.video_codec) == ("video", "mp4", "h264")
    assert (record.width, record.height, record.frame_rate, record.duration_seconds) == (64, 48, 10.0, 0.3)
    assert record.title == key.rpartition("/")[2]
    assert record.technical["size"] == world.catalog.rows[key].candidate.size


async def test_no_match_completes_and_says_so() -> None:
    world = World(replace(SPEC, file_pattern="*.mkv"))
    world.fill(5)
    assert await world.run() is ExitCode.OK
    assert world.catalog.ending is not None
    assert (world.catalog.ending.state, world.catalog.ending.reason) == (RunState.COMPLETED, "NoMatchingFiles")


async def test_the_prefix_and_one_level_are_the_listings_business() -> None:
    world = World(replace(SPEC, source_prefix="in/a", recursive=False))
    for key in ("in/a.png", "in/ab/c.png", "in/b.png"):
        world.bucket.put(key, b"\x89PNG")
    await world.run()
    assert list(world.catalog.rows) == ["in/a.png"]


async def test_a_run_that_is_gone_or_over_is_nobodys_work() -> None:
    assert await World(None).run() is ExitCode.OK
    world = World()
    world.catalog.control = replace(world.catalog.control, state=RunState.CANCELLED)
    assert await world.run() is ExitCode.OK
    assert world.opened == []


async def test_one_files_refusal_fails_that_file_only() -> None:
    world = World()
    keys = world.fill(8)
    world.bucket.fail_always("read_range", AccessDenied("no", "AccessDenied"), key=keys[1])
    world.bucket.fail_always("read_range", NotFound("gone", "NoSuchKey"), key=keys[2])
    world.bucket.fail_always("read_range", Changed("changed"), key=keys[3])
    world.bucket.fail_always("read_range", AccessDenied("cold", "InvalidObjectState"), key=keys[4])
    world.bucket.fail_always("read_range", Unavailable("HTTP 500"), key=keys[5])
    assert await world.run(source_outage=20.0) is ExitCode.OK
    assert [world.catalog.outcome(key)[1] for key in keys] == [
        *("", "AccessDenied", "NotFound", "ChangedWhileReading", "Archived", "StorageUnavailable", "", "")
    ]


async def test_the_last_files_own_trouble_is_told_from_an_outage_by_asking_the_source() -> None:
    world = World()
    (key,) = world.fill(1)
    world.bucket.fail_always("read_range", Unavailable("HTTP 500"), key=key)
    assert await world.run(source_outage=20.0) is ExitCode.OK
    assert world.catalog.outcome(key) == ("failed", "StorageUnavailable")


async def test_an_outage_fails_no_file() -> None:
    world = World()
    keys = world.fill(6)
    world.bucket.fail_always("read_range", Unavailable("down"))
    working = asyncio.create_task(world.run(source_outage=20.0, lonely_attempts=1000))
    await eventually(lambda: [call for call, _ in world.bucket.calls].count("read_range") >= 10)
    world.bucket.heal()
    assert await working is ExitCode.OK
    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}


async def test_an_outage_that_lasts_gives_the_files_back() -> None:
    world = World()
    keys = world.fill(6)
    world.bucket.fail_always("read_range", Unavailable("down"))
    listed = world.bucket.list_pages

    async def list_until_read(
        prefix: str = "", *, recursive: bool = True, start_after: str = "", page_size: int = 1000
    ) -> AsyncIterator[ListPage]:
        if world.catalog.control.scan_done:
            raise Unavailable("down")
        async for page in listed(prefix, recursive=recursive, start_after=start_after, page_size=page_size):
            yield page

    world.bucket.list_pages = list_until_read  # type: ignore[method-assign]  # the fake fails by call, not by time
    assert await world.run() is ExitCode.RETRY
    assert {world.catalog.rows[key].state for key in keys} == {FileState.PENDING}
    assert {world.catalog.rows[key].attempts for key in keys} == {0}


@pytest.mark.parametrize("error", [NotFound("no such bucket", "NoSuchBucket"), AccessDenied("denied", "AccessDenied")])
async def test_a_source_that_cannot_be_listed_fails_the_run(error: NotFound | AccessDenied) -> None:
    world = World()
    world.bucket.fail_always("list_pages", error)
    assert await world.run() is ExitCode.USER_MUST_ACT
    assert world.catalog.ending is not None
    assert (world.catalog.ending.reason, world.catalog.ending.message) == ("SourceUnusable", error.message)


async def test_wrong_credentials_fail_the_run_soon() -> None:
    world = World()
    world.bucket.fail_always("list_pages", InvalidCredentials("the credentials were refused", "InvalidAccessKeyId"))
    assert await world.run() is ExitCode.USER_MUST_ACT
    assert world.catalog.ending is not None
    assert world.catalog.ending.message == "the credentials were refused"


async def test_one_key_whose_signature_is_refused_fails_alone() -> None:
    world = World()
    keys = world.fill(6)
    refusal = InvalidCredentials("the signature does not match", "SignatureDoesNotMatch")
    world.bucket.fail_always("read_range", refusal, key=keys[2])
    assert await world.run(credentials_wait=0.2) is ExitCode.OK
    assert world.catalog.outcome(keys[2]) == ("failed", "AccessDenied")
    assert {world.catalog.outcome(key) for key in keys if key != keys[2]} == {("imported", "")}


async def test_a_missing_key_in_the_secret_is_named(tmp_path: Path) -> None:
    world = World()
    world.credentials = tmp_path
    (tmp_path / "accessKeyId").write_text("AKIA123")
    assert await world.run() is ExitCode.USER_MUST_ACT
    assert world.catalog.ending is not None
    assert "secretAccessKey" in world.catalog.ending.message
    assert "AKIA123" not in world.catalog.ending.message


async def test_what_was_exported_is_skipped_and_said() -> None:
    world = World(replace(SPEC, excluded_prefix="0000/"))
    keys = world.fill(6)
    world.bucket.put("films/a.mp4", b"no film")
    assert await world.run() is ExitCode.OK
    assert {world.catalog.outcome(key) for key in keys} == {("skipped", "BelowExportBasePath")}
    assert world.catalog.outcome("films/a.mp4")[0] == "failed"


async def test_a_bad_pattern_fails_the_run() -> None:
    world = World(replace(SPEC, file_pattern="{a,b}" * 20))
    assert await world.run() is ExitCode.USER_MUST_ACT
    assert world.catalog.ending is not None
    assert world.catalog.ending.reason == "InvalidPattern"


async def test_a_catalog_that_comes_back_is_waited_for() -> None:
    world = World()
    world.fill(3)
    world.catalog.outages = 2
    assert await world.run(catalog_outage=20.0) is ExitCode.OK
    assert world.catalog.control.counters.imported == 3


async def test_a_catalog_that_stays_away_is_another_pods_work() -> None:
    world = World()
    world.catalog.outages = 1_000_000
    assert await world.run(catalog_outage=0.1) is ExitCode.RETRY


class Gate:
    """Lets reads pass one by one."""

    def __init__(self, world: World, open_for: int) -> None:
        self.left = open_for
        self.waiting = 0
        self._real = world.bucket.read_range
        world.bucket.read_range = self.read  # type: ignore[method-assign]  # a slow bucket

    async def read(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        self.waiting += 1
        while self.left <= 0:
            await asyncio.sleep(0.001)
        self.left -= 1
        self.waiting -= 1
        return await self._real(key, start, length, fingerprint=fingerprint)


async def test_cancel_stops_the_files_being_read_and_keeps_what_was_imported() -> None:
    world = World()
    world.fill(50)
    gate = Gate(world, 10)
    working = asyncio.create_task(world.run())
    await eventually(lambda: world.catalog.control.counters.imported == 10)
    world.catalog.request_cancel()
    assert await working is ExitCode.OK
    assert gate.left <= 0
    states = [row.state for row in world.catalog.rows.values()]
    assert states.count(FileState.IMPORTED) == 10
    assert set(states) == {FileState.IMPORTED, FileState.SKIPPED}
    assert world.catalog.ending is not None
    assert world.catalog.ending.state is RunState.CANCELLED


async def test_stop_stores_what_is_done_and_gives_back_the_rest() -> None:
    world = World()
    world.fill(50)
    gate = Gate(world, 10)
    working = asyncio.create_task(world.run(register_interval=60.0, register_batch=1000))
    await eventually(lambda: gate.left == 0 and gate.waiting == QUICK.in_flight and world.catalog.control.scan_done)
    world.stop.set()
    assert await working is ExitCode.INTERRUPTED
    states = [row.state for row in world.catalog.rows.values()]
    assert states.count(FileState.IMPORTED) == 10
    assert FileState.LEASED not in states
    assert {row.attempts for row in world.catalog.rows.values() if row.state is FileState.PENDING} == {0}
    # Another one goes on from there.
    gate.left = 1000
    world.stop.clear()
    assert await world.run("w2") is ExitCode.OK
    assert world.catalog.control.counters.imported == 50


async def test_files_whose_claim_is_on_its_way_are_given_back_too() -> None:
    world = World()
    world.fill(50)
    world.catalog.claim_answer_seconds = 0.1
    working = asyncio.create_task(world.run())
    await eventually(lambda: any(row.state is FileState.LEASED for row in world.catalog.rows.values()))
    world.stop.set()
    assert await working is ExitCode.INTERRUPTED
    assert FileState.LEASED not in {row.state for row in world.catalog.rows.values()}


async def test_the_current_file_and_counters_are_told_while_they_change() -> None:
    world = World()
    keys = world.fill(12)
    gate = Gate(world, 5)
    working = asyncio.create_task(world.run())
    await eventually(lambda: world.catalog.control.counters.imported == 5 and bool(world.catalog.current_files))
    assert set(world.catalog.current_files) <= set(keys)
    gate.left = 100
    assert await working is ExitCode.OK


async def test_two_workers_share_a_run() -> None:
    world = World()
    keys = world.fill(60)
    assert set(await asyncio.gather(world.run("w1"), world.run("w2"))) == {ExitCode.OK}
    reads = [key for call, key in world.bucket.calls if call == "read_range"]
    assert sorted(reads) == sorted(keys)


async def test_a_worker_that_vanished_is_inherited_after_its_lease() -> None:
    world = World()
    keys = world.fill(20)
    gate = Gate(world, 5)
    first = asyncio.create_task(world.run("w1", lease=0.5))
    await eventually(lambda: world.catalog.control.counters.imported == 5)
    # As kill -9 does: nothing is stored or given back any more.
    world.catalog.outages = 10**9
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    world.catalog.outages = 0
    gate.left = 1000
    assert await world.run("w2") is ExitCode.OK
    assert {world.catalog.outcome(key) for key in keys} == {("imported", "")}


async def test_a_file_that_kills_its_workers_takes_no_other_with_it() -> None:
    world = World()
    keys = world.fill(12)
    deadly = keys[5]
    real_read = world.bucket.read_range

    class Killed(BaseException):
        pass

    async def read(key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        if key == deadly:
            world.catalog.outages = 10**9  # a dead process says nothing any more
            raise Killed
        return await real_read(key, start, length, fingerprint=fingerprint)

    world.bucket.read_range = read  # type: ignore[method-assign]  # the file that kills
    for attempt in range(MAX_ATTEMPTS + 1):
        world.catalog.outages = 0
        world.catalog.expire_leases()
        with contextlib.suppress(BaseExceptionGroup):
            assert await world.run(f"w{attempt}") is ExitCode.OK
            break
    assert world.catalog.outcome(deadly) == ("failed", "WorkerCrashed")
    assert {world.catalog.outcome(key) for key in keys if key != deadly} == {("imported", "")}

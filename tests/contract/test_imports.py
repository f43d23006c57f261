"""The import worker on a real S3 gateway and a real PostgreSQL: what it writes, and what no kill can change."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from tests.contract.catalog_tables import Tables
from tests.contract.import_servers import SMALL, MediaServer, assert_catalogued_once, kill
from tests.support.local_storage import open_local
from tools.sample_media import QUICKSTART
from tools.testservers import VersityGateway
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.records import RunState
from videovector_operator.imports.exit_codes import ExitCode
from videovector_operator.storage.port import ListPage, Pace, Source, Storage

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract

KILLS = 10


@pytest.fixture(scope="module")
def media_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaServer]:
    with VersityGateway(f"import-tests-{os.getpid()}") as gateway:
        yield MediaServer(gateway, tmp_path_factory.mktemp("media"))


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Wait until the awaitable of ``condition()`` gives true."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_the_quickstart_has_exactly_the_expected_outcomes(
    media_server: MediaServer, catalog: PostgresCatalog
) -> None:
    spec = media_server.spec("job_quick", "quickstart/")
    assert await media_server.work(catalog, spec) is ExitCode.OK

    run = await catalog.observe_run("job_quick")
    assert run is not None
    assert (run.state, run.reason) == (RunState.COMPLETED, "CompletedWithFailures")
    expected = {f"quickstart/{sample.path}": (sample.outcome, sample.reason) for sample in QUICKSTART}
    files = await catalog.list_run_files("job_quick")
    assert {file.path: (file.state.value, file.reason) for file in files} == expected
    assert (run.counters.total, run.counters.imported, run.counters.failed, run.counters.skipped) == (13, 9, 2, 2)
    index = await catalog.observe_index(spec.index_id)
    kinds = [sample.kind for sample in QUICKSTART if sample.outcome == "imported"]
    assert {kind: totals.count for kind, totals in index.by_kind.items()} == {
        kind: kinds.count(kind) for kind in ("video", "audio", "image")
    }


async def test_the_second_new_only_run_skips_everything(media_server: MediaServer, catalog: PostgresCatalog) -> None:
    first = media_server.spec("job_first", "small/", import_mode="new_only")
    second = media_server.spec("job_second", "small/", import_mode="new_only", index_id=first.index_id)
    assert await media_server.work(catalog, first) is ExitCode.OK
    assert await media_server.work(catalog, second) is ExitCode.OK
    run = await catalog.observe_run("job_second", list_limit=1)
    assert run is not None
    assert (run.counters.imported, run.counters.skipped) == (0, SMALL)
    assert run.skipped_files[0].reason == "AlreadyImported"


async def test_pattern_and_level_decide_what_is_counted(media_server: MediaServer, catalog: PostgresCatalog) -> None:
    pattern = media_server.spec("job_pattern", "quickstart/", file_pattern="videos/**/*.{mov,webm}")
    assert await media_server.work(catalog, pattern) is ExitCode.OK
    run = await catalog.observe_run("job_pattern")
    assert run is not None
    assert run.counters.total == run.counters.imported == 2

    flat = media_server.spec("job_flat", "quickstart/videos/", recursive=False)
    assert await media_server.work(catalog, flat) is ExitCode.OK
    assert {file.path for file in await catalog.list_run_files("job_flat")} == {
        "quickstart/videos/clip.mkv",
        "quickstart/videos/clip.mp4",
    }


async def test_no_match_completes_and_says_so(media_server: MediaServer, catalog: PostgresCatalog) -> None:
    assert await media_server.work(catalog, media_server.spec("job_none", "nothing-here/")) is ExitCode.OK
    run = await catalog.observe_run("job_none")
    assert run is not None
    assert (run.state, run.reason, run.counters.total) == (RunState.COMPLETED, "NoMatchingFiles", 0)
    assert "nothing-here/" in run.message


async def test_a_missing_bucket_fails_the_run_for_the_user(media_server: MediaServer, catalog: PostgresCatalog) -> None:
    spec = media_server.spec("job_bucket", "")
    spec = media_server.spec("job_bucket", "", source={**spec.source, "bucket": "no-such-bucket"})
    assert await media_server.work(catalog, spec) is ExitCode.USER_MUST_ACT
    run = await catalog.observe_run("job_bucket")
    assert run is not None
    assert (run.state, run.reason) == (RunState.FAILED, "SourceUnusable")
    assert "no-such-bucket" in run.message


async def test_wrong_credentials_fail_the_run_without_showing_them(
    media_server: MediaServer, catalog: PostgresCatalog
) -> None:
    secret = media_server.credentials / "secretAccessKey"
    right = secret.read_text()
    secret.write_text("wrong-secret-value")
    try:
        assert await media_server.work(catalog, media_server.spec("job_denied", "small/")) is ExitCode.USER_MUST_ACT
    finally:
        secret.write_text(right)
    run = await catalog.observe_run("job_denied")
    assert run is not None
    assert run.reason == "SourceUnusable"
    assert "wrong-secret-value" not in run.message


class Meddling:
    """A storage that lets a test act between the listing and the reading."""

    def __init__(self, real: Storage, act: Callable[[], None]) -> None:
        self._real = real
        self._act = act

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    async def list_pages(
        self, prefix: str = "", *, recursive: bool = True, start_after: str = "", page_size: int = 1000
    ) -> AsyncIterator[ListPage]:
        async for page in self._real.list_pages(
            prefix, recursive=recursive, start_after=start_after, page_size=page_size
        ):
            self._act()
            yield page


async def test_files_that_vanish_or_change_between_list_and_read(
    media_server: MediaServer, catalog: PostgresCatalog
) -> None:
    picture = media_server.client.get_object(Bucket="media", Key="quickstart/images/still.png")["Body"].read()
    for name in ("changed", "kept", "vanished"):
        media_server.put(f"moving/{name}.png", picture)

    def act() -> None:
        media_server.client.delete_object(Bucket="media", Key="moving/vanished.png")
        media_server.put("moving/changed.png", picture + b"more")

    def open_source(source: Source, pace: Pace) -> Storage:
        return Meddling(open_local(source, pace), act)  # type: ignore[return-value]  # delegates the rest

    spec = media_server.spec("job_moving", "moving/")
    assert await media_server.work(catalog, spec, open_source=open_source) is ExitCode.OK
    files = await catalog.list_run_files("job_moving")
    assert {file.path: (file.state.value, file.reason) for file in files} == {
        "moving/changed.png": ("failed", "ChangedWhileReading"),
        "moving/kept.png": ("imported", ""),
        "moving/vanished.png": ("failed", "NotFound"),
    }


async def test_two_workers_share_a_run(media_server: MediaServer, catalog: PostgresCatalog, tables: Tables) -> None:
    spec = media_server.spec("job_two", "small/")
    codes = await asyncio.gather(*(media_server.work(catalog, spec, owner) for owner in ("w1", "w2", "w3")))
    assert codes == [ExitCode.OK] * 3
    await assert_catalogued_once(tables, spec, media_server.fingerprints("small/"))


async def test_cancel_keeps_what_was_imported(
    media_server: MediaServer, catalog: PostgresCatalog, tables: Tables
) -> None:
    spec = media_server.spec("job_cancel", "small/")
    reads = itertools.count(1)

    class Stuck(Meddling):
        async def read_range(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
            if next(reads) > SMALL / 2:
                await asyncio.Event().wait()  # until the read is given up
            return await self._real.read_range(key, start, length, fingerprint=fingerprint)

    working = asyncio.create_task(
        media_server.work(catalog, spec, open_source=lambda source, pace: Stuck(open_local(source, pace), lambda: None))  # type: ignore[arg-type,return-value]  # delegates the rest
    )

    async def has_begun() -> bool:
        run = await catalog.observe_run("job_cancel")
        return run is not None and run.counters.imported >= 5

    await eventually(has_begun)
    await catalog.request_cancel("job_cancel")
    assert await working is ExitCode.OK
    run = await catalog.observe_run("job_cancel")
    assert run is not None
    counters = run.counters
    assert run.state is RunState.CANCELLED
    assert 5 <= counters.imported < counters.total
    assert counters.imported + counters.skipped == counters.total
    media = await tables.value("SELECT count(*) FROM media WHERE index_id = %s", spec.index_id)
    assert media == counters.imported
    reasons = await tables.rows(
        "SELECT DISTINCT reason FROM run_files WHERE run_id = 'job_cancel' AND state = 'skipped'"
    )
    assert [row["reason"] for row in reasons] == ["Cancelled"]


async def test_sigterm_gives_the_work_back_at_once(
    media_server: MediaServer, catalog: PostgresCatalog, tables: Tables, dsn: str
) -> None:
    spec = media_server.spec("job_term", "small/")
    await catalog.admit_run(spec)
    process = await media_server.start_process(dsn, "job_term", "w1")

    async def has_claimed() -> bool:
        return bool(
            await tables.value("SELECT count(*) FROM run_files WHERE run_id = 'job_term' AND state = 'imported'")
        )

    await eventually(has_claimed)
    process.send_signal(signal.SIGTERM)
    code = await asyncio.wait_for(process.wait(), 20)
    assert code in (ExitCode.INTERRUPTED, ExitCode.OK)
    assert await tables.value("SELECT count(*) FROM run_files WHERE run_id = 'job_term' AND state = 'leased'") == 0
    assert await media_server.work(catalog, spec, "w2") is ExitCode.OK
    await assert_catalogued_once(tables, spec, media_server.fingerprints("small/"))


@pytest.mark.parametrize("seed", range(KILLS))
async def test_kill_9_at_a_random_point_changes_nothing(
    media_server: MediaServer, catalog: PostgresCatalog, tables: Tables, dsn: str, seed: int
) -> None:
    chance = random.Random(seed)
    spec = media_server.spec(f"job_kill_{seed}", "small/")
    await catalog.admit_run(spec)
    process = await media_server.start_process(dsn, spec.run_id, "victim")
    listed, imported = chance.choice([(1, 0), (10, 0), (SMALL, 0), (SMALL, chance.randrange(1, SMALL))])

    async def is_time() -> bool:
        (row,) = await tables.rows("SELECT total, imported, state FROM runs WHERE run_id = %s", spec.run_id)
        is_reached = int(str(row["total"])) >= listed and int(str(row["imported"])) >= imported
        return is_reached or row["state"] == "completed"

    await eventually(is_time)
    await asyncio.sleep(chance.random() * 0.05)
    kill(process)
    await process.wait()
    assert await media_server.work(catalog, spec, "heir") is ExitCode.OK
    await assert_catalogued_once(tables, spec, media_server.fingerprints("small/"))

"""What the operator does with the catalog: one suite over PostgreSQL and the fake that reconciler tests use."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.catalog_driver import Driver, FakeDriver, PostgresDriver
from tests.contract.catalog_samples import make_spec, observe
from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.core.names import media_id
from videovector_operator.core.records import FileOutcome, FileState, KindTotals, RunCounters, RunState

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract

NOTHING = {"video": KindTotals(), "audio": KindTotals(), "image": KindTotals()}


@pytest.fixture(params=["postgres", "fake"])
def driver(request: pytest.FixtureRequest) -> Driver:
    if request.param == "fake":
        return FakeDriver(FakeCatalog(lambda: datetime.now(UTC)))
    return PostgresDriver(request.getfixturevalue("catalog"))


@pytest.fixture
def operator_catalog(driver: Driver) -> OperatorCatalog:
    return driver.catalog


async def test_an_unknown_index_has_zeros(operator_catalog: OperatorCatalog) -> None:
    summary = await operator_catalog.observe_index("idx_none")

    assert summary.by_kind == NOTHING
    assert summary.last_run_id is None


async def test_ensure_index_is_safe_to_repeat(operator_catalog: OperatorCatalog) -> None:
    for name in ("films", "renamed"):
        await operator_catalog.ensure_index("idx_1", "media", name)

    assert (await operator_catalog.observe_index("idx_1")).by_kind == NOTHING


async def test_a_new_run_is_pending_and_creating_it_again_changes_nothing(operator_catalog: OperatorCatalog) -> None:
    assert await operator_catalog.observe_run("job_1") is None
    await operator_catalog.admit_run(make_spec())
    first = await observe(operator_catalog, "job_1")
    await operator_catalog.admit_run(make_spec(threshold="1"))

    assert await observe(operator_catalog, "job_1") == first
    assert (first.state, first.counters, first.name, first.namespace) == (
        RunState.PENDING,
        RunCounters(),
        "import-job_1",
        "media",
    )
    assert (first.started_at, first.completed_at, first.scan_done, first.cancel_requested) == (None, None, False, False)


async def test_a_run_is_seen_from_start_to_end(driver: Driver, operator_catalog: OperatorCatalog) -> None:
    await operator_catalog.admit_run(make_spec())
    await driver.start("job_1")
    assert (await observe(operator_catalog, "job_1")).state is RunState.SCANNING
    await driver.list_files("job_1", ["a", "b", "c"])
    assert (await observe(operator_catalog, "job_1")).counters == RunCounters(total=3)
    await driver.do_files("job_1", imports=["a", "b"], failures=["c"])
    await driver.finish("job_1")

    run = await observe(operator_catalog, "job_1")
    assert (run.state, run.reason) == (RunState.COMPLETED, "CompletedWithFailures")
    assert run.message == "Imported 2 of 3 files, 1 failed."
    assert run.counters == RunCounters(total=3, imported=2, failed=1, bytes_transferred=30)
    assert run.media_ids == tuple(media_id("idx_1", "s3://bucket", path, "v1") for path in "ab")
    assert run.failed_files == (FileOutcome("c", "UnreadableMedia", "not media", 1),)
    assert run.started_at is not None
    assert run.completed_at is not None
    assert run.created_at <= run.started_at <= run.completed_at <= run.updated_at
    assert (await observe(operator_catalog, "job_1", list_limit=1)).media_ids == run.media_ids[:1]


async def test_an_index_shows_its_media_and_its_newest_finished_run(
    driver: Driver, operator_catalog: OperatorCatalog
) -> None:
    await operator_catalog.admit_run(make_spec("job_1"))
    await driver.list_files("job_1", ["a", "b"])
    await driver.do_files("job_1", imports=["a", "b"], failures=[])
    await driver.finish("job_1")
    await operator_catalog.admit_run(make_spec("job_2"))

    index = await operator_catalog.observe_index("idx_1")
    assert index.by_kind == {**NOTHING, "video": KindTotals(2, 200)}
    assert (index.last_run_id, index.last_run_name, index.last_run_state) == (
        "job_1",
        "import-job_1",
        RunState.COMPLETED,
    )
    assert index.last_run_imported == 2
    assert index.last_run_completed_at == (await observe(operator_catalog, "job_1")).completed_at


async def test_cancelling_before_anybody_began_ends_the_run_at_once(operator_catalog: OperatorCatalog) -> None:
    await operator_catalog.admit_run(make_spec())

    for _ in range(2):
        await operator_catalog.request_cancel("job_1")
        run = await observe(operator_catalog, "job_1")
        assert (run.state, run.reason) == (RunState.CANCELLED, "Cancelled")
        assert run.completed_at is not None
    await operator_catalog.request_cancel("job_unknown")


async def test_cancelling_a_run_at_work_asks_its_workers(driver: Driver, operator_catalog: OperatorCatalog) -> None:
    await operator_catalog.admit_run(make_spec())
    await driver.list_files("job_1", ["a"])

    await operator_catalog.request_cancel("job_1")
    await operator_catalog.request_cancel("job_1")
    run = await observe(operator_catalog, "job_1")
    assert (run.state, run.cancel_requested) == (RunState.IMPORTING, True)
    await driver.finish("job_1")
    assert (await observe(operator_catalog, "job_1")).counters == RunCounters(total=1, skipped=1)


async def test_cancelling_an_ended_run_changes_nothing(driver: Driver, operator_catalog: OperatorCatalog) -> None:
    await operator_catalog.admit_run(make_spec())
    await driver.list_files("job_1", [])
    await driver.finish("job_1")
    before = await observe(operator_catalog, "job_1")

    await operator_catalog.request_cancel("job_1")
    assert await observe(operator_catalog, "job_1") == before


@pytest.mark.parametrize(
    ("state", "counters"),
    [
        (RunState.FAILED, RunCounters(total=2, failed=2)),
        (RunState.CANCELLED, RunCounters(total=2, skipped=2)),
    ],
)
async def test_ending_a_run_from_outside_closes_its_files_once(
    driver: Driver, operator_catalog: OperatorCatalog, state: RunState, counters: RunCounters
) -> None:
    await operator_catalog.admit_run(make_spec())
    await driver.list_files("job_1", ["a", "b"])

    assert await operator_catalog.end_run("job_1", state, "WorkerFailed", "The workers are gone.") is True
    run = await observe(operator_catalog, "job_1")
    assert (run.state, run.reason, run.message) == (state, "WorkerFailed", "The workers are gone.")
    assert run.counters == counters
    assert await operator_catalog.end_run("job_1", RunState.FAILED, "WorkerFailed", "again") is False
    assert await observe(operator_catalog, "job_1") == run
    assert await operator_catalog.end_run("job_unknown", state, "WorkerFailed", "") is False


async def test_a_run_is_not_completed_from_outside(operator_catalog: OperatorCatalog) -> None:
    await operator_catalog.admit_run(make_spec())

    with pytest.raises(ValueError, match="completed"):
        await operator_catalog.end_run("job_1", RunState.COMPLETED, "Completed", "")


async def test_changed_runs_are_those_touched_lately_by_the_catalogs_clock(
    driver: Driver, operator_catalog: OperatorCatalog
) -> None:
    for run_id in ("job_1", "job_2"):
        await operator_catalog.admit_run(make_spec(run_id))
    await driver.start("job_1")

    assert await operator_catalog.changed_runs(timedelta(days=1)) == [
        ("media", "import-job_2", "idx_1"),
        ("media", "import-job_1", "idx_1"),
    ]
    assert await operator_catalog.changed_runs(timedelta(0)) == []


@pytest.mark.parametrize("batch", [1, 5000])
async def test_deleting_an_index_deletes_all_that_is_its(
    driver: Driver, operator_catalog: OperatorCatalog, batch: int
) -> None:
    for run_id, index_id in (("job_1", "idx_1"), ("job_2", "idx_2")):
        await operator_catalog.admit_run(make_spec(run_id, index_id))
        await driver.list_files(run_id, ["a", "b", "c"])
        await driver.do_files(run_id, imports=["a", "b"], failures=["c"])

    assert await operator_catalog.delete_index("idx_1", batch=batch) == 2
    assert await operator_catalog.observe_run("job_1") is None
    assert (await operator_catalog.observe_index("idx_1")).by_kind == NOTHING
    assert (await operator_catalog.observe_index("idx_2")).by_kind["video"].count == 2
    assert (await observe(operator_catalog, "job_2")).counters.total == 3
    assert await operator_catalog.delete_index("idx_1", batch=batch) == 0


async def test_the_full_list_of_files_comes_page_by_page(driver: Driver, operator_catalog: OperatorCatalog) -> None:
    await operator_catalog.admit_run(make_spec())
    await driver.list_files("job_1", ["a", "b", "c", "d"])
    await driver.do_files("job_1", imports=["a", "c"], failures=["b", "d"])

    async def paths(**query: Any) -> list[str]:
        return [file.path for file in await operator_catalog.list_run_files("job_1", **query)]

    assert await paths() == ["a", "b", "c", "d"]
    assert await paths(limit=3) == ["a", "b", "c"]
    assert await paths(after="c", limit=3) == ["d"]
    assert await paths(state=FileState.FAILED, limit=1) == ["b"]
    assert await paths(state=FileState.FAILED, after="b") == ["d"]
    assert await operator_catalog.list_run_files("job_unknown") == []


async def test_the_list_of_files_can_be_of_one_reason(driver: Driver, operator_catalog: OperatorCatalog) -> None:
    await operator_catalog.admit_run(make_spec())
    await driver.list_files("job_1", ["a", "b", "c"])
    await driver.do_files("job_1", imports=["a"], failures=["b", "c"])
    (reason,) = {file.reason for file in await operator_catalog.list_run_files("job_1", state=FileState.FAILED)}

    async def paths(**query: Any) -> list[str]:
        return [file.path for file in await operator_catalog.list_run_files("job_1", **query)]

    assert reason
    assert await paths(reason=reason) == ["b", "c"]
    assert await paths(reason=reason, after="b") == ["c"]
    assert await paths(reason=reason, limit=1) == ["b"]
    assert await paths(reason="Other") == []
    assert await paths(reason=reason, state=FileState.IMPORTED) == []


async def test_every_change_of_a_run_wakes_the_listener(driver: Driver, operator_catalog: OperatorCatalog) -> None:
    await operator_catalog.admit_run(make_spec())
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def listen() -> None:
        async for run_id in operator_catalog.listen():
            heard.put_nowait(run_id)

    async def change_until_heard(change: Callable[[], Awaitable[object]]) -> None:
        """Listening begins some time after the task: only the first change may have to be repeated."""
        async with asyncio.timeout(10):
            while heard.empty():
                await change()
                await asyncio.sleep(0.02)
        while not heard.empty():
            heard.get_nowait()

    listener = asyncio.create_task(listen())
    numbers = iter(range(1000))
    await change_until_heard(lambda: operator_catalog.admit_run(make_spec(f"job_x{next(numbers)}")))
    try:
        steps: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: driver.start("job_1"),
            lambda: driver.list_files("job_1", ["a", "b"]),
            lambda: driver.do_files("job_1", imports=["a"], failures=[]),
            lambda: operator_catalog.request_cancel("job_1"),
            lambda: driver.finish("job_1"),
        )
        for step in steps:
            await step()
            async with asyncio.timeout(10):
                while await heard.get() != "job_1":
                    pass
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def test_ping_is_content_with_a_catalog_in_order(operator_catalog: OperatorCatalog) -> None:
    await operator_catalog.ping()

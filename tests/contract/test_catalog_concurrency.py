"""Many workers on one run: every file exactly once, whoever dies, and counters that equal counts."""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest

from tests.contract.catalog_samples import (
    LEASE,
    begin,
    failed,
    imported,
    make_candidate,
    make_spec,
    observe,
    scan,
)
from tests.contract.catalog_tables import Tables, assert_counters_are_exact
from videovector_operator.catalog.outcome import MAX_ATTEMPTS
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.records import RunState

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract

SHORT = timedelta(milliseconds=50)
DEATHS = MAX_ATTEMPTS - 1
"""Of workers of one run: however slow the machine is, no file meets so many that it is given up."""


async def import_all(
    catalog: PostgresCatalog,
    owner: str,
    *,
    run_id: str = "job_1",
    index_id: str = "idx_1",
    lease: timedelta = LEASE,
    results: list[tuple[str, int]] | None = None,
) -> None:
    """A worker's loop: claim, register, until the run has ended."""
    while True:
        claimed = await catalog.claim_files(run_id, owner, 7, lease)
        if results is not None:
            results.extend((file.path, file.attempts) for file in claimed)
        await catalog.register_files(run_id, owner, [imported(file.path, index_id=index_id) for file in claimed])
        if (await catalog.finish_run(run_id)).state.is_terminal:
            return
        await asyncio.sleep(0)


async def test_parallel_workers_import_every_file_exactly_once(catalog: PostgresCatalog, tables: Tables) -> None:
    paths = [f"{number:04}" for number in range(400)]
    await catalog.admit_run(make_spec())
    await scan(catalog, paths)
    seen: list[tuple[str, int]] = []

    await asyncio.gather(*(import_all(catalog, f"w{number}", results=seen) for number in range(6)))

    assert Counter(seen) == Counter((path, 1) for path in paths)
    assert await tables.value("SELECT count(*) FROM events WHERE type = 'media.created'") == 400
    assert await tables.value("SELECT count(*) FROM events WHERE type = 'import_job.completed'") == 1
    assert (await observe(catalog, "job_1")).counters.imported == 400
    await assert_counters_are_exact(tables)


@pytest.mark.parametrize("seed", range(3))
async def test_workers_that_die_at_any_point_lose_nothing_and_double_nothing(
    catalog: PostgresCatalog, dsn: str, tables: Tables, seed: int
) -> None:
    """Workers are cancelled at random moments, connections and all; others finish when the leases have run out."""
    paths = [f"{number:04}" for number in range(200)]
    await catalog.admit_run(make_spec())
    await scan(catalog, paths)
    chance = random.Random(seed)

    async def doomed(number: int, connected: asyncio.Event) -> None:
        async with PostgresCatalog(dsn, max_connections=1) as own:
            await own.load_run("job_1")
            connected.set()
            await import_all(own, f"doomed{number}", lease=SHORT)

    for number in range(DEATHS):
        connected = asyncio.Event()
        task = asyncio.create_task(doomed(number, connected))
        await asyncio.wait_for(connected.wait(), 30)
        await asyncio.sleep(chance.uniform(0.0, 0.08))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(60):
        await asyncio.gather(*(import_all(catalog, f"w{number}") for number in range(2)))

    counters = (await observe(catalog, "job_1")).counters
    assert counters.imported + counters.failed == 200
    assert counters.failed == 0
    assert await tables.value("SELECT count(*) FROM media") == 200
    assert await tables.value("SELECT count(*) FROM events WHERE type = 'media.created'") == 200
    await assert_counters_are_exact(tables)


async def test_two_workers_that_register_the_same_file_at_once_count_one_result(
    catalog: PostgresCatalog, tables: Tables
) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["a"])
    await catalog.claim_files("job_1", "w1", 1, LEASE)
    await tables.change("UPDATE run_files SET lease_until = clock_timestamp() - interval '1s'")

    async def take_over() -> None:
        await catalog.claim_files("job_1", "w2", 1, LEASE)
        await catalog.register_files("job_1", "w2", [failed("a")])

    await asyncio.gather(take_over(), catalog.register_files("job_1", "w1", [imported("a")]))
    counters = (await observe(catalog, "job_1")).counters
    assert counters.imported + counters.failed == 1
    assert await tables.value("SELECT count(*) FROM media") == counters.imported
    await assert_counters_are_exact(tables)


async def test_the_same_results_sent_twice_at_once_count_once(catalog: PostgresCatalog, tables: Tables) -> None:
    paths = [f"{number:02}" for number in range(50)]
    await catalog.admit_run(make_spec())
    await scan(catalog, paths)
    await catalog.claim_files("job_1", "w1", 50, LEASE)

    results = [imported(path) for path in paths]
    await asyncio.gather(*(catalog.register_files("job_1", "w1", results) for _ in range(4)))
    assert (await observe(catalog, "job_1")).counters.imported == 50
    await assert_counters_are_exact(tables)


async def test_runs_on_one_index_share_its_media_and_its_totals(catalog: PostgresCatalog, tables: Tables) -> None:
    paths = [f"{number:03}" for number in range(100)]
    runs = [f"job_{number}" for number in range(4)]
    for number, run_id in enumerate(runs):
        await catalog.admit_run(make_spec(run_id, mode="new_only" if number % 2 else "all"))
        await scan(catalog, paths, run_id)

    await asyncio.gather(*(import_all(catalog, f"w{run_id}", run_id=run_id) for run_id in runs))
    assert await tables.value("SELECT count(*) FROM media") == 100
    assert await tables.value("SELECT count(*) FROM events WHERE type = 'media.created'") == 100
    for run_id in runs:
        assert (await observe(catalog, run_id)).state is RunState.COMPLETED
        await assert_counters_are_exact(tables, run_id)


async def test_claims_go_on_while_the_scan_stores_pages(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await begin(catalog)

    async def list_all() -> None:
        for page in range(20):
            keys = [f"{page:02}-{number:02}" for number in range(20)]
            assert await catalog.add_candidates("job_1", "w1", [make_candidate(key) for key in keys], keys[-1], LEASE)
        assert await catalog.finish_scan("job_1", "w1")

    await asyncio.gather(list_all(), *(import_all(catalog, f"w{number}") for number in range(3)))
    run = await observe(catalog, "job_1")
    assert (run.state, run.counters.imported, run.counters.total) == (RunState.COMPLETED, 400, 400)
    await assert_counters_are_exact(tables)


async def test_many_finishers_write_one_ending(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["a"])
    await catalog.request_cancel("job_1")

    calls = [catalog.finish_run("job_1") for _ in range(4)]
    calls += [catalog.fail_run("job_1", "SourceUnusable", "x"), catalog.fail_run("job_1", "SourceUnusable", "y")]
    states = {control.state for control in await asyncio.gather(*calls)}
    assert len(states) == 1
    assert await tables.value("SELECT count(*) FROM events WHERE type <> 'import_job.started'") == 1
    await assert_counters_are_exact(tables)


async def test_cancelling_in_the_middle_of_work_leaves_exact_counters(catalog: PostgresCatalog, tables: Tables) -> None:
    paths = [f"{number:04}" for number in range(2000)]
    await catalog.admit_run(make_spec())
    await scan(catalog, paths)

    async def cancel_soon() -> None:
        while (await observe(catalog, "job_1")).counters.imported < 30:
            await asyncio.sleep(0)
        await catalog.request_cancel("job_1")

    await asyncio.gather(cancel_soon(), *(import_all(catalog, f"w{number}") for number in range(3)))
    run = await observe(catalog, "job_1")
    assert run.state is RunState.CANCELLED
    assert run.counters.imported + run.counters.skipped == 2000
    await assert_counters_are_exact(tables)


async def test_deleting_an_index_under_work_leaves_no_row_behind(catalog: PostgresCatalog, tables: Tables) -> None:
    paths = [f"{number:04}" for number in range(300)]
    await catalog.admit_run(make_spec())
    await scan(catalog, paths)

    async def delete_soon() -> int:
        while (await observe(catalog, "job_1")).counters.imported < 30:
            await asyncio.sleep(0)
        return await catalog.delete_index("idx_1", batch=20)

    deletion = asyncio.create_task(delete_soon())
    await asyncio.gather(*(import_all(catalog, f"w{number}") for number in range(3)))
    assert await deletion >= 30
    for table in ("media", "runs", "run_files", "index_totals", "indexes"):
        assert await tables.value(f"SELECT count(*) FROM {table}") == 0, table

"""What workers do before there are results: start, scan, claim, renew, give back. On a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta

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
from tests.contract.catalog_tables import Tables, assert_counters_are_exact, events, expire_leases
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.records import RunCounters, RunSpec, RunState, ScanLease

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract

ODD_KEYS = [
    "a b",
    "a//b",
    "../up",
    "plus+percent%20",
    "ümlaut",
    "\U0001f3ac",
    "nul\x00",
    "one\x01two",
    "new\nline",
    "\t",
    "\\N",
    "\\.",
]


async def test_the_spec_comes_back_as_it_was_written(catalog: PostgresCatalog) -> None:
    spec = RunSpec(
        "job_1",
        "media",
        "july",
        "idx_1",
        "conn_1",
        "s3://b@h:1",
        {"n": 1, "x": ["\x00", None]},
        "p\x01",
        "*.{a,b}",
        False,
        "new_only",
        "5%",
    )
    await catalog.admit_run(spec)

    assert await catalog.load_run("job_1") == spec
    assert await catalog.load_run("job_2") is None


async def test_start_run_starts_once(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())

    first = await catalog.start_run("job_1")
    started_at = (await observe(catalog, "job_1")).started_at
    assert await catalog.start_run("job_1") == first
    assert first.state is RunState.SCANNING
    assert (await observe(catalog, "job_1")).started_at == started_at
    assert await events(tables) == ["import_job.started"]


async def test_a_deleted_run_tells_its_workers_to_stop(catalog: PostgresCatalog) -> None:
    control = await catalog.start_run("job_gone")

    assert control.state is RunState.CANCELLED
    assert control.cancel_requested
    assert await catalog.claim_scan("job_gone", "w1", LEASE) is None
    assert await catalog.claim_files("job_gone", "w1", 10, LEASE) == []
    assert await catalog.add_candidates("job_gone", "w1", [make_candidate("a")], "a", LEASE) is False
    assert await catalog.finish_scan("job_gone", "w1") is False
    for answer in (
        await catalog.renew_leases("job_gone", "w1", LEASE, current_file="a"),
        await catalog.register_files("job_gone", "w1", [imported("a")]),
        await catalog.finish_run("job_gone"),
        await catalog.fail_run("job_gone", "SourceUnusable", "gone"),
    ):
        assert answer == control
    await catalog.release_files("job_gone", "w1", ["a"])


async def test_one_scanner_at_a_time_until_its_lease_runs_out(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await begin(catalog, owner="w1")
    await catalog.add_candidates("job_1", "w1", [make_candidate("a\x00")], "a\x00", LEASE)

    assert await catalog.claim_scan("job_1", "w2", LEASE) is None
    assert await catalog.claim_scan("job_1", "w1", LEASE) == ScanLease("job_1", "a\x00")

    await tables.change("UPDATE runs SET scan_until = clock_timestamp() - interval '1s'")
    assert await catalog.claim_scan("job_1", "w2", LEASE) == ScanLease("job_1", "a\x00")
    assert await catalog.add_candidates("job_1", "w1", [make_candidate("b")], "b", LEASE) is False
    assert await catalog.finish_scan("job_1", "w1") is False
    assert (await observe(catalog, "job_1")).counters.total == 1

    assert await catalog.finish_scan("job_1", "w2") is True
    assert await catalog.finish_scan("job_1", "w2") is True
    assert await catalog.claim_scan("job_1", "w3", LEASE) is None
    assert (await observe(catalog, "job_1")).state is RunState.IMPORTING


async def test_a_page_stored_twice_counts_once(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await begin(catalog)
    page = [make_candidate("a"), make_candidate("b", skip="ZeroBytes"), make_candidate("b", skip="ZeroBytes")]

    for _ in range(2):
        assert await catalog.add_candidates("job_1", "w1", page, "b", LEASE)
        assert (await observe(catalog, "job_1")).counters == RunCounters(total=2, skipped=1)
    await assert_counters_are_exact(tables)


async def test_an_empty_page_moves_the_cursor(catalog: PostgresCatalog) -> None:
    await catalog.admit_run(make_spec())
    await begin(catalog)

    assert await catalog.add_candidates("job_1", "w1", [], "far", LEASE)
    assert await catalog.claim_scan("job_1", "w1", LEASE) == ScanLease("job_1", "far")


async def test_source_objects_remember_when_a_version_was_first_seen(catalog: PostgresCatalog, tables: Tables) -> None:
    columns = "SELECT fingerprint, first_seen_at, fingerprint_seen_at, last_seen_at, xmin::text FROM source_objects"
    await catalog.admit_run(make_spec())
    await begin(catalog)
    await catalog.add_candidates("job_1", "w1", [make_candidate("a")], "a", LEASE)
    (new,) = await tables.rows(columns)

    await catalog.add_candidates("job_1", "w1", [make_candidate("a")], "a", LEASE)
    assert await tables.rows(columns) == [new], "an unchanged object is not written"

    await catalog.add_candidates("job_1", "w1", [make_candidate("a", fingerprint="v2")], "a", LEASE)
    (changed,) = await tables.rows(columns)
    assert changed["fingerprint"] == "v2"
    assert changed["first_seen_at"] == new["first_seen_at"]
    assert changed["fingerprint_seen_at"] > new["fingerprint_seen_at"]

    await tables.change("UPDATE source_objects SET last_seen_at = last_seen_at - interval '2 days'")
    await catalog.add_candidates("job_1", "w1", [make_candidate("a", fingerprint="v2")], "a", LEASE)
    (seen,) = await tables.rows(columns)
    assert seen["last_seen_at"] >= changed["last_seen_at"]
    assert seen["fingerprint_seen_at"] == changed["fingerprint_seen_at"]


async def test_keys_of_every_kind_go_round(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ODD_KEYS)

    claimed = await catalog.claim_files("job_1", "w1", 100, LEASE)
    assert [file.path for file in claimed] == sorted(ODD_KEYS, key=lambda key: key.encode())
    await catalog.register_files(
        "job_1", "w1", [failed(key) for key in ODD_KEYS[::2]] + [imported(key) for key in ODD_KEYS[1::2]]
    )
    run = await observe(catalog, "job_1")
    assert {file.path for file in run.failed_files} == set(ODD_KEYS[::2])
    assert len(run.media_ids) == len(ODD_KEYS) // 2
    await assert_counters_are_exact(tables)


async def test_claims_lease_in_path_order_and_never_twice(catalog: PostgresCatalog) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["c", "a", "b"])

    (first, second) = await catalog.claim_files("job_1", "w1", 2, LEASE)
    assert (first.path, second.path) == ("a", "b")
    assert (first.size, first.fingerprint, first.attempts) == (100, "v1", 1)
    assert [file.path for file in await catalog.claim_files("job_1", "w2", 2, LEASE)] == ["c"]
    assert await catalog.claim_files("job_1", "w1", 2, LEASE) == []


async def test_nothing_is_claimed_after_a_cancellation(catalog: PostgresCatalog) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["a"])
    await catalog.request_cancel("job_1")

    assert await catalog.claim_files("job_1", "w1", 10, LEASE) == []


async def test_an_abandoned_file_goes_to_somebody_else_and_the_late_result_counts_nothing(
    catalog: PostgresCatalog, tables: Tables
) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["a"])
    await catalog.claim_files("job_1", "w1", 1, LEASE)
    await expire_leases(tables)

    (again,) = await catalog.claim_files("job_1", "w2", 1, LEASE)
    assert (again.path, again.attempts) == ("a", 2)
    assert (await catalog.register_files("job_1", "w1", [failed("a")])).counters.failed == 0
    await catalog.release_files("job_1", "w1", ["a"])
    assert (await catalog.register_files("job_1", "w2", [imported("a")])).counters.imported == 1
    await assert_counters_are_exact(tables)


async def test_an_expired_lease_that_nobody_took_still_counts(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["a"])
    await catalog.claim_files("job_1", "w1", 1, LEASE)
    await expire_leases(tables)

    assert (await catalog.register_files("job_1", "w1", [imported("a")])).counters.imported == 1


async def test_renewed_leases_are_not_abandoned(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await begin(catalog)
    await catalog.add_candidates("job_1", "w1", [make_candidate("a")], "a", LEASE)
    await catalog.claim_files("job_1", "w1", 1, LEASE)
    await expire_leases(tables)
    await tables.change("UPDATE runs SET scan_until = clock_timestamp() - interval '1s'")

    control = await catalog.renew_leases("job_1", "w1", LEASE, current_file="dir/\x00a")
    assert control.state is RunState.SCANNING
    assert await catalog.claim_files("job_1", "w2", 1, LEASE) == []
    assert await catalog.claim_scan("job_1", "w2", LEASE) is None
    assert (await observe(catalog, "job_1")).current_file == "dir/\x00a"


async def test_released_files_are_claimed_again_as_if_never_tried(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["a", "b"])
    await catalog.claim_files("job_1", "w1", 2, LEASE)

    for _ in range(2):
        await catalog.release_files("job_1", "w1", ["a"])
    (again,) = await catalog.claim_files("job_1", "w2", 5, LEASE)
    assert (again.path, again.attempts) == ("a", 1)


async def test_a_file_that_kills_its_workers_fails_after_five_attempts(
    catalog: PostgresCatalog, tables: Tables
) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["poison"])
    for attempt in range(1, 6):
        (file,) = await catalog.claim_files("job_1", f"w{attempt}", 1, LEASE)
        assert file.attempts == attempt
        assert (await catalog.finish_run("job_1")).state is RunState.IMPORTING
        await expire_leases(tables)

    assert await catalog.claim_files("job_1", "w6", 1, LEASE) == []
    run = await observe(catalog, "job_1")
    assert [(file.path, file.reason, file.attempts) for file in run.failed_files] == [("poison", "WorkerCrashed", 5)]
    assert (await catalog.finish_run("job_1")).state is RunState.COMPLETED
    await assert_counters_are_exact(tables)


async def test_finish_run_gives_up_poison_files_too(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["poison"])
    for attempt in range(5):
        await catalog.claim_files("job_1", f"w{attempt}", 1, LEASE)
        await expire_leases(tables)

    control = await catalog.finish_run("job_1")
    assert (control.state, control.counters.failed) == (RunState.COMPLETED, 1)


async def test_leases_follow_the_database_clock_alone(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["a"])
    await catalog.claim_files("job_1", "w1", 1, timedelta(milliseconds=1))
    deadline = asyncio.get_running_loop().time() + 10
    while not (again := await catalog.claim_files("job_1", "w2", 1, LEASE)):
        assert asyncio.get_running_loop().time() < deadline

    assert again[0].attempts == 2
    ahead = await tables.value("SELECT extract(epoch FROM lease_until - clock_timestamp())::float AS s FROM run_files")
    assert 0 < ahead <= LEASE.total_seconds()
    assert (await observe(catalog, "job_1")).created_at <= datetime.now(UTC) + timedelta(seconds=5)

"""What workers do with the catalog, method by method, on a real PostgreSQL."""

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
    scan,
    skipped,
    work,
)
from videovector_operator.core.names import media_id
from videovector_operator.core.records import FileResult, FileState, RunCounters, RunSpec, RunState

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


async def expire_leases(tables):
    await tables.change("UPDATE run_files SET lease_until = clock_timestamp() - interval '1s' WHERE state = 'leased'")


async def events(tables, kind="%"):
    return [
        row["type"] for row in await tables.rows("SELECT type FROM events WHERE type LIKE %s ORDER BY sequence", kind)
    ]


async def assert_counters_are_exact(tables, run_id="job_1"):
    """The incremental counters and totals equal what a count of the rows gives."""
    (kept,) = await tables.rows(
        "SELECT total, imported, failed, skipped, bytes_transferred FROM runs WHERE run_id = %s", run_id
    )
    (counted,) = await tables.rows(
        """SELECT count(*) AS total, count(*) FILTER (WHERE state = 'imported') AS imported,
                  count(*) FILTER (WHERE state = 'failed') AS failed, count(*) FILTER (WHERE state = 'skipped') AS skipped,
                  coalesce(sum(bytes_read), 0)::bigint AS bytes_transferred
           FROM run_files WHERE run_id = %s""",
        run_id,
    )
    assert kept == counted
    totals = await tables.rows("SELECT index_id, kind, count, bytes FROM index_totals WHERE count <> 0 ORDER BY 1, 2")
    counted_totals = await tables.rows(
        "SELECT index_id, kind, count(*) AS count, sum(size)::bigint AS bytes FROM media GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert totals == counted_totals


async def test_the_spec_comes_back_as_it_was_written(catalog):
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
    await catalog.ensure_run(spec)

    assert await catalog.load_run("job_1") == spec
    assert await catalog.load_run("job_2") is None


async def test_start_run_starts_once(catalog, tables):
    await catalog.ensure_run(make_spec())

    first = await catalog.start_run("job_1")
    started_at = (await catalog.observe_run("job_1")).started_at
    assert await catalog.start_run("job_1") == first
    assert first.state is RunState.SCANNING
    assert (await catalog.observe_run("job_1")).started_at == started_at
    assert await events(tables) == ["import_job.started"]


async def test_a_deleted_run_tells_its_workers_to_stop(catalog):
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


async def test_one_scanner_at_a_time_until_its_lease_runs_out(catalog, tables):
    await catalog.ensure_run(make_spec())
    await begin(catalog, owner="w1")
    await catalog.add_candidates("job_1", "w1", [make_candidate("a\x00")], "a\x00", LEASE)

    assert await catalog.claim_scan("job_1", "w2", LEASE) is None
    assert (await catalog.claim_scan("job_1", "w1", LEASE)).cursor == "a\x00"

    await tables.change("UPDATE runs SET scan_until = clock_timestamp() - interval '1s'")
    assert (await catalog.claim_scan("job_1", "w2", LEASE)).cursor == "a\x00"
    assert await catalog.add_candidates("job_1", "w1", [make_candidate("b")], "b", LEASE) is False
    assert await catalog.finish_scan("job_1", "w1") is False
    assert (await catalog.observe_run("job_1")).counters.total == 1

    assert await catalog.finish_scan("job_1", "w2") is True
    assert await catalog.finish_scan("job_1", "w2") is True
    assert await catalog.claim_scan("job_1", "w3", LEASE) is None
    assert (await catalog.observe_run("job_1")).state is RunState.IMPORTING


async def test_a_page_stored_twice_counts_once(catalog, tables):
    await catalog.ensure_run(make_spec())
    await begin(catalog)
    page = [make_candidate("a"), make_candidate("b", skip="ZeroBytes"), make_candidate("b", skip="ZeroBytes")]

    for _ in range(2):
        assert await catalog.add_candidates("job_1", "w1", page, "b", LEASE)
        assert (await catalog.observe_run("job_1")).counters == RunCounters(total=2, skipped=1)
    await assert_counters_are_exact(tables)


async def test_an_empty_page_moves_the_cursor(catalog):
    await catalog.ensure_run(make_spec())
    await begin(catalog)

    assert await catalog.add_candidates("job_1", "w1", [], "far", LEASE)
    assert (await catalog.claim_scan("job_1", "w1", LEASE)).cursor == "far"


async def test_source_objects_remember_when_a_version_was_first_seen(catalog, tables):
    columns = "SELECT fingerprint, first_seen_at, fingerprint_seen_at, last_seen_at, xmin::text FROM source_objects"
    await catalog.ensure_run(make_spec())
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


async def test_keys_of_every_kind_go_round(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ODD_KEYS)

    claimed = await catalog.claim_files("job_1", "w1", 100, LEASE)
    assert [file.path for file in claimed] == sorted(ODD_KEYS, key=lambda key: key.encode())
    await catalog.register_files(
        "job_1", "w1", [failed(key) for key in ODD_KEYS[::2]] + [imported(key) for key in ODD_KEYS[1::2]]
    )
    run = await catalog.observe_run("job_1")
    assert {file.path for file in run.failed_files} == set(ODD_KEYS[::2])
    assert len(run.media_ids) == len(ODD_KEYS) // 2
    await assert_counters_are_exact(tables)


async def test_claims_lease_in_path_order_and_never_twice(catalog):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["c", "a", "b"])

    (first, second) = await catalog.claim_files("job_1", "w1", 2, LEASE)
    assert (first.path, second.path) == ("a", "b")
    assert (first.size, first.fingerprint, first.attempts) == (100, "v1", 1)
    assert [file.path for file in await catalog.claim_files("job_1", "w2", 2, LEASE)] == ["c"]
    assert await catalog.claim_files("job_1", "w1", 2, LEASE) == []


async def test_nothing_is_claimed_after_a_cancellation(catalog):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["a"])
    await catalog.request_cancel("job_1")

    assert await catalog.claim_files("job_1", "w1", 10, LEASE) == []


async def test_an_abandoned_file_goes_to_somebody_else_and_the_late_result_counts_nothing(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["a"])
    await catalog.claim_files("job_1", "w1", 1, LEASE)
    await expire_leases(tables)

    (again,) = await catalog.claim_files("job_1", "w2", 1, LEASE)
    assert (again.path, again.attempts) == ("a", 2)
    assert (await catalog.register_files("job_1", "w1", [failed("a")])).counters.failed == 0
    await catalog.release_files("job_1", "w1", ["a"])
    assert (await catalog.register_files("job_1", "w2", [imported("a")])).counters.imported == 1
    await assert_counters_are_exact(tables)


async def test_an_expired_lease_that_nobody_took_still_counts(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["a"])
    await catalog.claim_files("job_1", "w1", 1, LEASE)
    await expire_leases(tables)

    assert (await catalog.register_files("job_1", "w1", [imported("a")])).counters.imported == 1


async def test_renewed_leases_are_not_abandoned(catalog, tables):
    await catalog.ensure_run(make_spec())
    await begin(catalog)
    await catalog.add_candidates("job_1", "w1", [make_candidate("a")], "a", LEASE)
    await catalog.claim_files("job_1", "w1", 1, LEASE)
    await expire_leases(tables)
    await tables.change("UPDATE runs SET scan_until = clock_timestamp() - interval '1s'")

    control = await catalog.renew_leases("job_1", "w1", LEASE, current_file="dir/\x00a")
    assert control.state is RunState.SCANNING
    assert await catalog.claim_files("job_1", "w2", 1, LEASE) == []
    assert await catalog.claim_scan("job_1", "w2", LEASE) is None
    assert (await catalog.observe_run("job_1")).current_file == "dir/\x00a"


async def test_released_files_are_claimed_again_as_if_never_tried(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["a", "b"])
    await catalog.claim_files("job_1", "w1", 2, LEASE)

    for _ in range(2):
        await catalog.release_files("job_1", "w1", ["a"])
    (again,) = await catalog.claim_files("job_1", "w2", 5, LEASE)
    assert (again.path, again.attempts) == ("a", 1)


async def test_a_file_that_kills_its_workers_fails_after_five_attempts(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["poison"])
    for attempt in range(1, 6):
        (file,) = await catalog.claim_files("job_1", f"w{attempt}", 1, LEASE)
        assert file.attempts == attempt
        assert (await catalog.finish_run("job_1")).state is RunState.IMPORTING
        await expire_leases(tables)

    assert await catalog.claim_files("job_1", "w6", 1, LEASE) == []
    run = await catalog.observe_run("job_1")
    assert [(file.path, file.reason, file.attempts) for file in run.failed_files] == [("poison", "WorkerCrashed", 5)]
    assert (await catalog.finish_run("job_1")).state is RunState.COMPLETED
    await assert_counters_are_exact(tables)


async def test_finish_run_gives_up_poison_files_too(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["poison"])
    for attempt in range(5):
        await catalog.claim_files("job_1", f"w{attempt}", 1, LEASE)
        await expire_leases(tables)

    control = await catalog.finish_run("job_1")
    assert (control.state, control.counters.failed) == (RunState.COMPLETED, 1)


async def test_registering_writes_media_events_counters_and_totals(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["a", "b", "c", "d"])
    results = [imported("a", title="T\x00"), imported("b", kind="audio"), failed("c"), skipped("d")]

    for _ in range(2):
        control = await work(catalog, results)
        assert control.counters == RunCounters(4, imported=2, failed=1, skipped=1, bytes_transferred=30)
    (media, _) = await tables.rows("SELECT * FROM media ORDER BY path")
    assert (media["title"], media["kind"], media["size"], media["duration_seconds"]) == ("T\ufffd", "video", 100, 2.5)
    assert (media["run_id"], media["location"], media["fingerprint"]) == ("job_1", "s3://bucket", "v1")
    assert await events(tables, "media.%") == ["media.created"] * 2
    (event, _) = await tables.rows("SELECT * FROM events WHERE type = 'media.created' ORDER BY sequence")
    assert event["id"].startswith("evt_")
    assert event["data"]["video_id"] == event["media_id"] == media["media_id"]
    assert event["data"]["job_id"] == "job_1"
    await assert_counters_are_exact(tables)


async def test_a_result_that_makes_no_sense_is_refused_whole(catalog):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["a", "b"])
    await catalog.claim_files("job_1", "w1", 2, LEASE)

    with pytest.raises(ValueError, match="'b'"):
        await catalog.register_files("job_1", "w1", [imported("a"), FileResult("b", FileState.IMPORTED)])
    assert (await catalog.observe_run("job_1")).counters.imported == 0


async def test_new_only_skips_what_an_earlier_run_imported_and_takes_a_new_version(catalog, tables):
    await catalog.ensure_run(make_spec("job_1"))
    await scan(catalog, ["same", "changed"])
    await work(catalog, [imported("same"), imported("changed")])
    await catalog.finish_run("job_1")

    await catalog.ensure_run(make_spec("job_2", mode="new_only"))
    await scan(catalog, ["same", make_candidate("changed", fingerprint="v2"), "new"], "job_2")
    run = await catalog.observe_run("job_2")
    assert [(file.path, file.reason) for file in run.skipped_files] == [("same", "AlreadyImported")]
    assert [file.path for file in await catalog.claim_files("job_2", "w1", 10, LEASE)] == ["changed", "new"]

    other_index = make_spec("job_3", "idx_2", mode="new_only")
    await catalog.ensure_run(other_index)
    await scan(catalog, ["same"], "job_3")
    assert len(await catalog.claim_files("job_3", "w1", 10, LEASE)) == 1
    await assert_counters_are_exact(tables, "job_2")


async def test_new_only_runs_that_overlap_import_a_file_once(catalog, tables):
    for run_id in ("job_1", "job_2"):
        await catalog.ensure_run(make_spec(run_id, mode="new_only"))
        await scan(catalog, ["a"], run_id)
        await catalog.claim_files(run_id, "w1", 1, LEASE)

    assert (await catalog.register_files("job_1", "w1", [imported("a")])).counters.imported == 1
    late = await catalog.register_files("job_2", "w1", [imported("a")])
    assert (late.counters.imported, late.counters.skipped) == (0, 1)
    assert (await catalog.observe_run("job_2")).skipped_files[0].reason == "AlreadyImported"
    assert await events(tables, "media.%") == ["media.created"]
    await assert_counters_are_exact(tables, "job_2")


async def test_new_only_keeps_what_this_very_run_made(catalog, tables):
    """The media was committed, the worker died before it could say so, and the file comes again."""
    await catalog.ensure_run(make_spec(mode="new_only"))
    await scan(catalog, ["a"])
    await work(catalog, [imported("a")])
    await tables.change("UPDATE run_files SET state = 'pending', media_id = NULL, bytes_read = 0")
    await tables.change("UPDATE runs SET imported = 0, bytes_transferred = 0")

    assert (await work(catalog, [imported("a")], owner="w2")).counters.imported == 1
    assert await events(tables, "media.%") == ["media.created"]
    await assert_counters_are_exact(tables)


async def test_mode_all_refreshes_media_and_makes_no_second_event(catalog, tables):
    for run_id, title in (("job_1", "old"), ("job_2", "new")):
        await catalog.ensure_run(make_spec(run_id))
        await scan(catalog, ["a"], run_id)
        control = await work(catalog, [imported("a", title=title)], run_id)
        assert control.counters.imported == 1
        assert (await catalog.observe_run(run_id)).media_ids == (media_id("idx_1", "s3://bucket", "a", "v1"),)

    assert [(row["title"], row["run_id"]) for row in await tables.rows("SELECT * FROM media")] == [("new", "job_1")]
    assert await events(tables, "media.%") == ["media.created"]
    await assert_counters_are_exact(tables, "job_2")


async def test_progress_events_come_at_most_every_ten_seconds(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["a", "b", "c"])
    await catalog.claim_files("job_1", "w1", 3, LEASE)

    await catalog.register_files("job_1", "w1", [imported("a")])
    assert await events(tables, "%progress") == []
    await tables.change("UPDATE runs SET started_at = started_at - interval '11s'")
    await catalog.register_files("job_1", "w1", [imported("b")])
    await catalog.register_files("job_1", "w1", [imported("c")])
    (event,) = await tables.rows("SELECT data FROM events WHERE type = 'import_job.progress'")
    assert event["data"]["progress"]["imported"] == 2


@pytest.mark.parametrize(
    ("results", "state", "reason", "event"),
    [
        ([imported("a"), imported("b")], "completed", "Completed", "import_job.completed"),
        ([imported("a"), failed("b")], "completed", "CompletedWithFailures", "import_job.partial_completed"),
        ([], "completed", "NoMatchingFiles", "import_job.completed"),
    ],
)
async def test_finish_run_ends_once_when_nothing_is_open(catalog, tables, results, state, reason, event):
    await catalog.ensure_run(make_spec())
    await scan(catalog, [result.path for result in results])
    if results:
        assert (await catalog.finish_run("job_1")).state is RunState.IMPORTING
        await work(catalog, results)

    for _ in range(2):
        assert (await catalog.finish_run("job_1")).state == state
    run = await catalog.observe_run("job_1")
    assert (run.reason, bool(run.message), run.completed_at is not None) == (reason, True, True)
    assert (await events(tables, "import_job.%"))[1:] == [event]


async def test_nothing_ends_while_the_scan_goes_on(catalog):
    await catalog.ensure_run(make_spec())
    await begin(catalog)

    assert (await catalog.finish_run("job_1")).state is RunState.SCANNING


async def test_cancellation_keeps_what_was_imported_and_skips_the_rest(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["a", "b", "c"])
    await catalog.claim_files("job_1", "w1", 2, LEASE)
    await catalog.register_files("job_1", "w1", [imported("a")])
    await catalog.request_cancel("job_1")
    assert (await catalog.renew_leases("job_1", "w1", LEASE)).cancel_requested

    control = await catalog.finish_run("job_1")
    assert (control.state, control.counters.imported, control.counters.skipped) == (RunState.CANCELLED, 1, 2)
    assert (await catalog.register_files("job_1", "w1", [imported("b")])).counters == control.counters
    run = await catalog.observe_run("job_1")
    assert {file.reason for file in run.skipped_files} == {"Cancelled"}
    assert (await events(tables, "import_job.%"))[1:] == ["import_job.partial_completed"]
    await assert_counters_are_exact(tables)


async def test_too_many_failures_end_the_run_at_once(catalog, tables):
    await catalog.ensure_run(make_spec(threshold="1"))
    await begin(catalog)
    await catalog.add_candidates("job_1", "w1", [make_candidate(path) for path in "abcd"], "d", LEASE)
    await catalog.claim_files("job_1", "w1", 3, LEASE)

    assert not (await catalog.register_files("job_1", "w1", [failed("a")])).state.is_terminal
    control = await catalog.register_files("job_1", "w1", [failed("b")])
    assert (control.state, control.counters) == (
        RunState.FAILED,
        RunCounters(4, 0, failed=2, skipped=2, bytes_transferred=20),
    )
    run = await catalog.observe_run("job_1")
    assert run.reason == "FailureThresholdExceeded"
    assert [(file.path, file.reason) for file in run.skipped_files] == [("c", "Cancelled"), ("d", "Cancelled")]
    assert await catalog.add_candidates("job_1", "w1", [make_candidate("e")], "e", LEASE) is False
    assert (await events(tables, "import_job.%"))[1:] == ["import_job.failed"]
    await assert_counters_are_exact(tables)


async def test_a_percentage_is_judged_when_the_total_is_known(catalog):
    await catalog.ensure_run(make_spec(threshold="50%"))
    await begin(catalog)
    await catalog.add_candidates("job_1", "w1", [make_candidate("a")], "a", LEASE)
    assert not (await work(catalog, [failed("a")])).state.is_terminal

    await catalog.finish_scan("job_1", "w1")
    assert (await catalog.finish_run("job_1")).state is RunState.FAILED


async def test_fail_run_says_why_and_skips_what_was_not_tried(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["a", "b"])

    for message in ("no such bucket", "again"):
        control = await catalog.fail_run("job_1", "BucketNotFound", message)
        assert (control.state, control.counters.skipped) == (RunState.FAILED, 2)
    run = await catalog.observe_run("job_1")
    assert (run.reason, run.message) == ("BucketNotFound", "no such bucket")
    assert (await events(tables, "import_job.%"))[1:] == ["import_job.failed"]


async def test_lists_in_the_summary_are_bounded_and_ordered(catalog):
    await catalog.ensure_run(make_spec())
    await scan(catalog, [f"{number:03}" for number in range(12)])
    await work(
        catalog, [failed(f"{number:03}") for number in range(6)] + [imported(f"{number:03}") for number in range(6, 12)]
    )

    run = await catalog.observe_run("job_1", list_limit=4)
    assert [file.path for file in run.failed_files] == ["000", "001", "002", "003"]
    assert len(run.media_ids) == 4
    assert (run.counters.failed, run.counters.imported) == (6, 6)


async def test_leases_follow_the_database_clock_alone(catalog, tables):
    await catalog.ensure_run(make_spec())
    await scan(catalog, ["a"])
    await catalog.claim_files("job_1", "w1", 1, timedelta(milliseconds=1))
    deadline = asyncio.get_running_loop().time() + 10
    while not (again := await catalog.claim_files("job_1", "w2", 1, LEASE)):
        assert asyncio.get_running_loop().time() < deadline

    assert again[0].attempts == 2
    ahead = await tables.value("SELECT extract(epoch FROM lease_until - clock_timestamp())::float AS s FROM run_files")
    assert 0 < ahead <= LEASE.total_seconds()
    assert (await catalog.observe_run("job_1")).created_at <= datetime.now(UTC) + timedelta(seconds=5)

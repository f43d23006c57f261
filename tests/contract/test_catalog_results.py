"""Results of files, and how runs end, on a real PostgreSQL."""

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
    skipped,
    work,
)
from tests.contract.catalog_tables import Tables, assert_counters_are_exact, events
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.names import media_id
from videovector_operator.core.records import FileResult, FileState, RunCounters, RunState

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract


async def test_registering_writes_media_events_counters_and_totals(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
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


async def test_a_result_that_makes_no_sense_is_refused_whole(catalog: PostgresCatalog) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["a", "b"])
    await catalog.claim_files("job_1", "w1", 2, LEASE)

    with pytest.raises(ValueError, match="'b'"):
        await catalog.register_files("job_1", "w1", [imported("a"), FileResult("b", FileState.IMPORTED)])
    assert (await observe(catalog, "job_1")).counters.imported == 0


async def test_new_only_skips_what_an_earlier_run_imported_and_takes_a_new_version(
    catalog: PostgresCatalog, tables: Tables
) -> None:
    await catalog.admit_run(make_spec("job_1"))
    await scan(catalog, ["same", "changed"])
    await work(catalog, [imported("same"), imported("changed")])
    await catalog.finish_run("job_1")

    await catalog.admit_run(make_spec("job_2", mode="new_only"))
    await scan(catalog, ["same", make_candidate("changed", fingerprint="v2"), "new"], "job_2")
    run = await observe(catalog, "job_2")
    assert [(file.path, file.reason) for file in run.skipped_files] == [("same", "AlreadyImported")]
    assert [file.path for file in await catalog.claim_files("job_2", "w1", 10, LEASE)] == ["changed", "new"]

    other_index = make_spec("job_3", "idx_2", mode="new_only")
    await catalog.admit_run(other_index)
    await scan(catalog, ["same"], "job_3")
    assert len(await catalog.claim_files("job_3", "w1", 10, LEASE)) == 1
    await assert_counters_are_exact(tables, "job_2")


async def test_new_only_runs_that_overlap_import_a_file_once(catalog: PostgresCatalog, tables: Tables) -> None:
    for run_id in ("job_1", "job_2"):
        await catalog.admit_run(make_spec(run_id, mode="new_only"))
        await scan(catalog, ["a"], run_id)
        await catalog.claim_files(run_id, "w1", 1, LEASE)

    assert (await catalog.register_files("job_1", "w1", [imported("a")])).counters.imported == 1
    late = await catalog.register_files("job_2", "w1", [imported("a")])
    assert (late.counters.imported, late.counters.skipped) == (0, 1)
    assert (await observe(catalog, "job_2")).skipped_files[0].reason == "AlreadyImported"
    assert await events(tables, "media.%") == ["media.created"]
    await assert_counters_are_exact(tables, "job_2")


async def test_new_only_keeps_what_this_very_run_made(catalog: PostgresCatalog, tables: Tables) -> None:
    """The media was committed, the worker died before it could say so, and the file comes again."""
    await catalog.admit_run(make_spec(mode="new_only"))
    await scan(catalog, ["a"])
    await work(catalog, [imported("a")])
    await tables.change("UPDATE run_files SET state = 'pending', media_id = NULL, bytes_read = 0")
    await tables.change("UPDATE runs SET imported = 0, bytes_transferred = 0")

    assert (await work(catalog, [imported("a")], owner="w2")).counters.imported == 1
    assert await events(tables, "media.%") == ["media.created"]
    await assert_counters_are_exact(tables)


async def test_mode_all_refreshes_media_and_makes_no_second_event(catalog: PostgresCatalog, tables: Tables) -> None:
    for run_id, title in (("job_1", "old"), ("job_2", "new")):
        await catalog.admit_run(make_spec(run_id))
        await scan(catalog, ["a"], run_id)
        control = await work(catalog, [imported("a", title=title)], run_id)
        assert control.counters.imported == 1
        assert (await observe(catalog, run_id)).media_ids == (media_id("idx_1", "s3://bucket", "a", "v1"),)

    assert [(row["title"], row["run_id"]) for row in await tables.rows("SELECT * FROM media")] == [("new", "job_1")]
    assert await events(tables, "media.%") == ["media.created"]
    await assert_counters_are_exact(tables, "job_2")


async def test_progress_events_come_at_most_every_ten_seconds(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
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
async def test_finish_run_ends_once_when_nothing_is_open(
    catalog: PostgresCatalog, tables: Tables, results: list[FileResult], state: str, reason: str, event: str
) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, [result.path for result in results])
    if results:
        assert (await catalog.finish_run("job_1")).state is RunState.IMPORTING
        await work(catalog, results)

    for _ in range(2):
        assert (await catalog.finish_run("job_1")).state == state
    run = await observe(catalog, "job_1")
    assert (run.reason, bool(run.message), run.completed_at is not None) == (reason, True, True)
    assert (await events(tables, "import_job.%"))[1:] == [event]


async def test_nothing_ends_while_the_scan_goes_on(catalog: PostgresCatalog) -> None:
    await catalog.admit_run(make_spec())
    await begin(catalog)

    assert (await catalog.finish_run("job_1")).state is RunState.SCANNING


async def test_cancellation_keeps_what_was_imported_and_skips_the_rest(
    catalog: PostgresCatalog, tables: Tables
) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["a", "b", "c"])
    await catalog.claim_files("job_1", "w1", 2, LEASE)
    await catalog.register_files("job_1", "w1", [imported("a")])
    await catalog.request_cancel("job_1")
    assert (await catalog.renew_leases("job_1", "w1", LEASE)).cancel_requested

    control = await catalog.finish_run("job_1")
    assert (control.state, control.counters.imported, control.counters.skipped) == (RunState.CANCELLED, 1, 2)
    assert (await catalog.register_files("job_1", "w1", [imported("b")])).counters == control.counters
    run = await observe(catalog, "job_1")
    assert {file.reason for file in run.skipped_files} == {"Cancelled"}
    assert (await events(tables, "import_job.%"))[1:] == ["import_job.partial_completed"]
    await assert_counters_are_exact(tables)


async def test_too_many_failures_end_the_run_at_once(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec(threshold="1"))
    await begin(catalog)
    await catalog.add_candidates("job_1", "w1", [make_candidate(path) for path in "abcd"], "d", LEASE)
    await catalog.claim_files("job_1", "w1", 3, LEASE)

    assert not (await catalog.register_files("job_1", "w1", [failed("a")])).state.is_terminal
    control = await catalog.register_files("job_1", "w1", [failed("b")])
    assert (control.state, control.counters) == (
        RunState.FAILED,
        RunCounters(4, 0, failed=2, skipped=2, bytes_transferred=20),
    )
    run = await observe(catalog, "job_1")
    assert run.reason == "FailureThresholdExceeded"
    assert [(file.path, file.reason) for file in run.skipped_files] == [("c", "Cancelled"), ("d", "Cancelled")]
    assert await catalog.add_candidates("job_1", "w1", [make_candidate("e")], "e", LEASE) is False
    assert (await events(tables, "import_job.%"))[1:] == ["import_job.failed"]
    await assert_counters_are_exact(tables)


async def test_a_percentage_is_judged_when_the_total_is_known(catalog: PostgresCatalog) -> None:
    await catalog.admit_run(make_spec(threshold="50%"))
    await begin(catalog)
    await catalog.add_candidates("job_1", "w1", [make_candidate("a")], "a", LEASE)
    assert not (await work(catalog, [failed("a")])).state.is_terminal

    await catalog.finish_scan("job_1", "w1")
    assert (await catalog.finish_run("job_1")).state is RunState.FAILED


async def test_fail_run_says_why_and_skips_what_was_not_tried(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, ["a", "b"])

    for message in ("no such bucket", "again"):
        control = await catalog.fail_run("job_1", "BucketNotFound", message)
        assert (control.state, control.counters.skipped) == (RunState.FAILED, 2)
    run = await observe(catalog, "job_1")
    assert (run.reason, run.message) == ("BucketNotFound", "no such bucket")
    assert (await events(tables, "import_job.%"))[1:] == ["import_job.failed"]


async def test_lists_in_the_summary_are_bounded_and_ordered(catalog: PostgresCatalog) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, [f"{number:03}" for number in range(12)])
    await work(
        catalog, [failed(f"{number:03}") for number in range(6)] + [imported(f"{number:03}") for number in range(6, 12)]
    )

    run = await observe(catalog, "job_1", list_limit=4)
    assert [file.path for file in run.failed_files] == ["000", "001", "002", "003"]
    assert len(run.media_ids) == 4
    assert (run.counters.failed, run.counters.imported) == (6, 6)

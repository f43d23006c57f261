from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.control.departures import Departures
from videovector_operator.core import names
from videovector_operator.core.records import RunSpec, RunState

NOW = datetime(2026, 11, 22, tzinfo=UTC)


async def test_the_run_of_a_deleted_import_is_cancelled_and_an_unknown_one_is_no_matter() -> None:
    catalog = FakeCatalog(lambda: NOW)
    run_id = names.import_run_id("uid-1")
    spec = RunSpec(run_id, "media", "first", "idx_1", "conn_1", "s3://media", {})
    await catalog.admit_run(spec)
    departures = Departures(catalog)
    departures.note("uid-unknown")
    departures.note("uid-1")
    task = asyncio.create_task(departures.run())
    try:
        async with asyncio.timeout(5):
            while (run := await catalog.observe_run(run_id)) is None or not run.state.is_terminal:
                await asyncio.sleep(0.01)
    finally:
        task.cancel()

    assert run.state is RunState.CANCELLED
    assert "ImportJob was deleted" in run.message

"""The operator dies after any write of an import, to the API server or the catalog, and nothing is different in the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.unit.reconcilers.import_house import FILMS, FIRST, ImportHouse, Json
from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError


class Killed(BaseException):
    """The process is gone: nothing catches it."""


async def live(house: ImportHouse) -> None:
    """A whole life, with whatever faults the house has."""
    house.apply_all()
    await house.settle()
    house.job_status(active=1, ready=1)
    house.work(scan_done=False)
    await house.settle()
    await house.complete()


def final_state(house: ImportHouse) -> Json:
    """All that must be the same however often the operator died on the way."""
    status = {name: value for name, value in house.status(FIRST).items() if name != "id"}
    jobs = [body["spec"] for body in house.fake.find_all("Job")]
    return {"status": status, "jobs": jobs, "secrets": len(house.fake.find_all("Secret")), "index": house.status(FILMS)}


@pytest.fixture
async def undisturbed() -> tuple[Json, int]:
    house = ImportHouse()
    await live(house)
    return final_state(house), len(house.fake.writes)


@pytest.mark.parametrize("how", ["killed", "answer lost"])
async def test_dying_after_any_single_write_changes_nothing_in_the_end(undisturbed: tuple[Json, int], how: str) -> None:
    expected, writes = undisturbed
    assert writes >= 8
    for number in range(1, writes + 1):
        house = ImportHouse()
        strike_at(house, number, Killed() if how == "killed" else ClusterError("connection lost"))
        await live(house)
        assert final_state(house) == expected, f"died after write {number}: {house.fake.writes[number - 1]}"
        assert house.jobs_made() == 1
        assert len(house.catalog.events) == 2


class DyingCatalog(FakeCatalog):
    """A catalog whose caller dies once, right after the named method has done its work."""

    def __init__(self, house: ImportHouse, method: str) -> None:
        super().__init__(house.clock)
        done = getattr(self, method)

        async def do_and_die(*arguments: Any, **options: Any) -> Any:
            await done(*arguments, **options)
            delattr(self, method)
            raise Killed

        setattr(self, method, do_and_die)


async def cancelled_life(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    house.job_status(active=1, ready=1)
    house.work(scan_done=False)
    house.fake.edit(FIRST, {"spec": {"cancel": True}})
    await house.settle()
    house.catalog.set_run(house.run_id, scan_done=True)
    house.catalog.finish(house.run_id)
    await house.settle()


async def failed_life(house: ImportHouse) -> None:
    house.apply_all()
    await house.settle()
    house.job_status(active=1, ready=1)
    house.work(scan_done=False)
    house.job_ends("Failed", "BackoffLimitExceeded", "too many")
    await house.settle()


@pytest.mark.parametrize(
    ("method", "life", "phase"),
    [
        ("ensure_index", live, "Completed"),
        ("admit_run", live, "Completed"),
        ("request_cancel", cancelled_life, "Cancelled"),
        ("end_run", failed_life, "Failed"),
    ],
)
async def test_dying_after_any_write_to_the_catalog_changes_nothing_in_the_end(
    method: str, life: Callable[[ImportHouse], Awaitable[None]], phase: str
) -> None:
    plain, house = ImportHouse(), ImportHouse()
    await life(plain)
    house.catalog = DyingCatalog(house, method)
    house.restart()
    die_when_killed(house)
    await life(house)
    assert method not in vars(house.catalog), "it did not die"
    assert (house.phase(), final_state(house)) == (phase, final_state(plain))
    assert house.catalog.events == plain.catalog.events
    assert house.jobs_made() == 1


def strike_at(house: ImportHouse, number: int, error: BaseException) -> None:
    """Let the ``number``-th write be the last thing that the process does; then a new one takes over."""

    def strike(_: object) -> None:
        if len(house.fake.writes) == number:
            raise error

    house.fake.after_write = strike
    die_when_killed(house)


def die_when_killed(house: ImportHouse) -> None:
    """Let a new process take over when the present one is killed."""
    look = house.look

    async def look_or_die(key: ObjectKey) -> Any:
        try:
            return await look(key)
        except Killed:
            house.restart()
            return await look(key)

    house.look = look_or_die  # type: ignore[method-assign]  # the test's own double

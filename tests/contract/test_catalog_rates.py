"""The line in which all pods of a Connector wait: one suite over PostgreSQL and the fake, and PostgreSQL beside `core.pace`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from tests.contract.catalog_samples import LEASE, begin, imported, make_candidate, make_spec, observe, scan, work
from tests.contract.catalog_tables import Tables
from tests.support.windows import most_in_a_window
from videovector_operator.catalog import rates
from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.port import OperatorCatalog, RequestRates
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core import pace
from videovector_operator.core.pace import Line, reserve, slow_down
from videovector_operator.core.records import Reservation

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract

CONNECTOR = "conn_1"
LIMIT = 100
STATES = 60
CLOCKS = 0.01
"""Seconds by which PostgreSQL's clock and this process's may run apart during a test."""


class World(NamedTuple):
    """The operator's face, and two pods' ways to one line."""

    operator: OperatorCatalog
    pods: Sequence[RequestRates]

    @property
    def pod(self) -> RequestRates:
        return self.pods[0]

    async def reserve(self, count: int = 1, pod: int = 0) -> Reservation:
        reservation = await self.pods[pod].reserve_requests(CONNECTOR, count)
        assert reservation is not None
        return reservation

    async def warm(self) -> None:
        """Open the pods' connections: making them takes longer than any call."""
        await asyncio.gather(*(self.pods[number % 2].confirm_reservation(CONNECTOR, -1) for number in range(32)))


def since(moment: float) -> float:
    """Seconds that have passed at most, by whichever clock."""
    return time.monotonic() - moment + CLOCKS


@pytest.fixture(params=["postgres", "fake"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fake":
        fake = FakeCatalog(lambda: datetime.now(UTC))
        yield World(fake, (fake.rates, fake.rates))
        return
    dsn = request.getfixturevalue("dsn")
    async with PostgresCatalog(dsn, max_connections=8) as one, PostgresCatalog(dsn, max_connections=8) as two:
        yield World(one, (one, two))


async def test_without_a_limit_nothing_needs_to_be_reserved(world: World) -> None:
    assert await world.pod.reserve_requests(CONNECTOR, 5) is None
    assert not await world.pod.confirm_reservation(CONNECTOR, 0)
    await world.pod.report_throttled(CONNECTOR, 5.0)
    await world.operator.set_request_limit(CONNECTOR, None)
    assert await world.pod.reserve_requests(CONNECTOR, 5) is None


async def test_moments_follow_each_other_for_all_pods(world: World) -> None:
    await world.operator.set_request_limit(CONNECTOR, LIMIT)
    began = time.monotonic()
    first = await world.reserve(10)
    assert first.count == 10
    assert first.spacing == pytest.approx(1 / LIMIT)
    assert -pace.BURST_SECONDS <= first.start_in <= 0.001
    asked = time.monotonic()
    second = await world.reserve(10**6, pod=1)
    assert second.count == LIMIT * pace.BATCH_SECONDS
    assert first.start_in + 0.1 - since(began) <= second.start_in <= first.start_in + 0.1 + 0.001
    third = await world.reserve(1)
    assert second.start_in + 0.25 - since(asked) <= third.start_in <= second.start_in + 0.25 + 0.001


async def test_each_connector_has_its_own_line(world: World) -> None:
    await world.operator.set_request_limit(CONNECTOR, 1)
    await world.operator.set_request_limit("conn_2", LIMIT)
    for _ in range(4):
        await world.reserve()
    other = await world.pod.reserve_requests("conn_2", 1)
    assert other is not None
    assert other.start_in <= 0.001


async def test_throttling_halves_the_rate_holds_everybody_and_voids_what_is_out(world: World) -> None:
    await world.operator.set_request_limit(CONNECTOR, LIMIT)
    before = await world.reserve(20)
    assert await world.pods[1].confirm_reservation(CONNECTOR, before.revision)
    reported = time.monotonic()
    await world.pod.report_throttled(CONNECTOR, 30.0)
    assert not await world.pods[1].confirm_reservation(CONNECTOR, before.revision)
    held = await world.reserve(5, pod=1)
    assert 30 - since(reported) <= held.start_in <= 30
    assert held.spacing == pytest.approx(2 / LIMIT)
    assert await world.pod.confirm_reservation(CONNECTOR, held.revision)


async def test_a_burst_of_refusals_counts_once(world: World) -> None:
    await world.operator.set_request_limit(CONNECTOR, LIMIT)
    await world.warm()
    began = time.monotonic()
    await asyncio.gather(*(world.pods[number % 2].report_throttled(CONNECTOR, 20.0) for number in range(30)))
    # 20 s from a second later on are longer: on a machine that slow the line is drawn anew, once a second and not more.
    in_their_own_right = int(since(began) / pace.SAME_BURST_SECONDS)
    reservation = await world.reserve()
    assert reservation.spacing == pytest.approx(2 / LIMIT)
    assert 1 <= reservation.revision <= 1 + in_their_own_right
    reported = time.monotonic()
    await world.pod.report_throttled(CONNECTOR, 100.0)
    longer = await world.reserve()
    assert 100 - since(reported) <= longer.start_in <= 100
    assert longer.spacing == pytest.approx(2 / LIMIT), "held for longer, but not slowed down again"


async def test_nobody_waits_longer_than_the_cap(world: World) -> None:
    await world.operator.set_request_limit(CONNECTOR, LIMIT)
    reported = time.monotonic()
    await world.pod.report_throttled(CONNECTOR, 86_400.0)
    held = await world.reserve()
    assert 300 - since(reported) <= held.start_in <= 300


async def test_the_limit_is_changed_taken_off_and_set_again(world: World) -> None:
    await world.operator.set_request_limit(CONNECTOR, LIMIT)
    first = await world.reserve()
    await world.operator.set_request_limit(CONNECTOR, LIMIT)
    assert await world.pod.confirm_reservation(CONNECTOR, first.revision), "nothing has changed"
    await world.operator.set_request_limit(CONNECTOR, 10)
    assert not await world.pod.confirm_reservation(CONNECTOR, first.revision)
    second = await world.reserve()
    assert second.spacing == pytest.approx(0.1)
    assert second.start_in <= pace.TRUST_SECONDS + 0.1
    await world.operator.set_request_limit(CONNECTOR, None)
    assert await world.pod.reserve_requests(CONNECTOR, 1) is None
    assert not await world.pod.confirm_reservation(CONNECTOR, second.revision)
    await world.operator.set_request_limit(CONNECTOR, 20)
    third = await world.reserve()
    assert third.spacing == pytest.approx(0.05)
    assert third.revision > second.revision


async def test_a_runs_summary_says_how_fast_its_connector_may_be_asked(world: World) -> None:
    await world.operator.admit_run(make_spec())
    assert (await observe(world.operator)).request_rate is None
    await world.operator.set_request_limit(CONNECTOR, LIMIT)
    rate = (await observe(world.operator)).request_rate
    assert rate is not None
    assert (rate.limit, rate.present, rate.held_until) == (LIMIT, LIMIT, None)
    before = datetime.now(UTC)
    await world.pod.report_throttled(CONNECTOR, 30.0)
    after = datetime.now(UTC)
    held = (await observe(world.operator)).request_rate
    assert held is not None
    assert held.present == pytest.approx(LIMIT / 2)
    assert held.held_until is not None
    hold, clocks = timedelta(seconds=30), timedelta(seconds=CLOCKS)
    assert before + hold - clocks <= held.held_until <= after + hold + clocks
    await world.operator.set_request_limit(CONNECTOR, None)
    assert (await observe(world.operator)).request_rate is None


async def test_pods_at_work_never_exceed_the_limit_and_use_it_up(world: World) -> None:
    """Six pods over two ways that ask as fast as they can and send as early as they may, by their own clocks."""
    await world.operator.set_request_limit(CONNECTOR, LIMIT)
    await world.warm()
    chance, sent = random.Random(7), []
    on_the_way, late = [0.0], [0.0]
    began = time.monotonic()

    async def pod(number: int) -> None:
        while (asked := time.monotonic()) < began + 2.0:
            reservation = await world.reserve(chance.randrange(1, 12), pod=number % 2)
            heard = time.monotonic()
            on_the_way.append(heard - asked)
            for turn in range(reservation.count):
                moment = heard + reservation.start_in + turn * reservation.spacing
                await asyncio.sleep(moment - time.monotonic())
                late.append(time.monotonic() - moment)
                sent.append(max(moment, heard))

    await asyncio.gather(*(pod(number) for number in range(6)))
    # The answers lay the moments out from when they are heard: later than the line says by no more than their way took.
    for width in (0.1, 0.5, 1.0):
        most = LIMIT * (width + pace.BURST_SECONDS + max(on_the_way) + CLOCKS) + 1
        assert most_in_a_window(sent, width) <= most
    standstill = max(*on_the_way, *late)
    assert len(sent) >= LIMIT * (0.9 * 2.0 - standstill), "but for the longest time in which the machine let nobody ask"


# What is PostgreSQL's alone.


async def test_workers_hear_of_the_limit_whenever_they_touch_their_run(catalog: PostgresCatalog) -> None:
    await catalog.admit_run(make_spec())
    assert (await catalog.start_run("job_1")).request_limit is None
    await catalog.set_request_limit(CONNECTOR, LIMIT)
    assert (await catalog.start_run("job_1")).request_limit == LIMIT
    await scan(catalog, [make_candidate("a"), make_candidate("b")])
    assert (await work(catalog, [imported("a")])).request_limit == LIMIT
    assert (await catalog.renew_leases("job_1", "w1", LEASE)).request_limit == LIMIT
    await catalog.set_request_limit(CONNECTOR, None)
    assert (await catalog.renew_leases("job_1", "w1", LEASE)).request_limit is None
    await catalog.set_request_limit("conn_2", LIMIT)
    assert (await catalog.finish_run("job_1")).request_limit is None


async def read_line(tables: Tables) -> Line:
    (row,) = await tables.rows(
        """
        SELECT max_per_second, rate, extract(epoch FROM next_free_at)::float8 AS next_free_at, revision,
               extract(epoch FROM decreased_at)::float8 AS decreased_at, extract(epoch FROM held_until)::float8 AS held_until
        FROM request_rates WHERE connector_id = %s
        """,
        CONNECTOR,
    )
    return Line(
        limit=row["max_per_second"],
        rate=row["rate"],
        next_free_at=row["next_free_at"],
        decreased_at=row["decreased_at"],
        held_until=row["held_until"],
        revision=row["revision"],
    )


async def put_line(tables: Tables, chance: random.Random) -> None:
    """A line in any state that it may be in."""
    limit = chance.choice([1, 3, 50, 1000])
    await tables.change(
        """
        UPDATE request_rates SET max_per_second = %s, rate = %s, next_free_at = clock_timestamp() + make_interval(secs => %s),
            decreased_at = clock_timestamp() - make_interval(secs => %s),
            held_until = clock_timestamp() + make_interval(secs => %s)
        """,
        limit,
        max(1.0, limit * chance.random()),
        chance.uniform(-2, 3),
        chance.choice([0.2, 0.6, 1.5, 8.0, 1000.0]),
        chance.choice([-1000.0, -3.5, -0.5, 0.7, 2.5]),
    )


async def now_of(tables: Tables) -> float:
    return float(await tables.value("SELECT extract(epoch FROM clock_timestamp())::float8"))


def begun(line: Line, reservation: Reservation) -> Line:
    """The line as it was when the reservation's first moment was given out."""
    return replace(line, next_free_at=line.next_free_at - reservation.count * reservation.spacing)


def assert_between(found: Line, early: Line, late: Line) -> None:
    """What PostgreSQL made is what `core.pace` makes at some moment between two."""
    assert found.limit == early.limit
    assert found.revision in (early.revision, late.revision)
    if early.revision != late.revision:
        return  # a second was over in between: both are right
    for name in ("rate", "next_free_at", "decreased_at", "held_until"):
        one, value, other = getattr(early, name), getattr(found, name), getattr(late, name)
        assert min(one, other) - 1e-5 <= value <= max(one, other) + 1e-5, (name, early, found, late)


async def test_postgresql_reserves_as_the_arithmetic_says(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.set_request_limit(CONNECTOR, 1)
    for seed in range(STATES):
        chance = random.Random(seed)
        await put_line(tables, chance)
        count = chance.choice([1, 5, 10_000])
        before, early = await read_line(tables), await now_of(tables)
        reservation = await catalog.reserve_requests(CONNECTOR, count)
        late = await now_of(tables)
        after = await read_line(tables)
        (first, expected), (last, later) = reserve(before, count, early), reserve(before, count, late)
        assert reservation is not None
        assert expected is not None
        assert later is not None
        assert_between(begun(after, reservation), begun(first, expected), begun(last, later))
        assert reservation.revision == expected.revision
        assert expected.count <= reservation.count <= later.count
        assert later.spacing - 1e-9 <= reservation.spacing <= expected.spacing + 1e-9
        assert expected.start_in - (late - early) - 1e-5 <= reservation.start_in <= expected.start_in + 1e-5


async def test_postgresql_slows_down_as_the_arithmetic_says(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.set_request_limit(CONNECTOR, 1)
    for seed in range(STATES):
        chance = random.Random(seed)
        await put_line(tables, chance)
        retry_after = chance.choice([0.0, 0.5, 1.0, 2.0, 5.0, 1000.0])
        before, early = await read_line(tables), await now_of(tables)
        await catalog.report_throttled(CONNECTOR, retry_after)
        late = await now_of(tables)
        first, last = slow_down(before, retry_after, early), slow_down(before, retry_after, late)
        assert_between(await read_line(tables), first, last)


async def test_nobody_holds_the_line_while_an_answer_is_on_its_way(catalog: PostgresCatalog, tables: Tables) -> None:
    """A pod that hangs behind its call must not stop the others, and no call waits for the disk."""
    await catalog.set_request_limit(CONNECTOR, LIMIT)

    async def reserve_and_hang(connection: Connection) -> bool:
        await rates.reserve_requests(connection, CONNECTOR, 1)
        is_ahead_of_the_disk = await tables.value("SELECT pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()")
        assert await tables.rows("SELECT 1 FROM request_rates FOR UPDATE NOWAIT")
        (setting,) = await (await connection.execute("SHOW synchronous_commit")).fetchall()
        assert setting == {"synchronous_commit": "on"}, "what else the connection does is as durable as before"
        return bool(is_ahead_of_the_disk)

    assert any([await catalog._database.run(reserve_and_hang, one_statement=True) for _ in range(20)])


async def test_an_idle_connector_costs_nothing(catalog: PostgresCatalog, tables: Tables) -> None:
    await catalog.set_request_limit(CONNECTOR, LIMIT)
    version = await tables.value("SELECT xmin::text FROM request_rates")
    await catalog.set_request_limit(CONNECTOR, LIMIT)
    await catalog.set_request_limit("conn_2", None)
    await catalog.admit_run(make_spec())
    await begin(catalog)
    assert await tables.rows("SELECT xmin::text AS version FROM request_rates") == [{"version": version}]

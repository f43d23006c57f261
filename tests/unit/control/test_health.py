from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from videovector_operator.control.health import Health
from videovector_operator.control.http import start_http
from videovector_operator.control.metrics import Metrics


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock=clock, synced=True)


def test_all_is_well(health: Health) -> None:
    assert health.problems() == health.not_ready() == []


def test_before_the_first_list_it_is_alive_but_not_ready(clock: Clock) -> None:
    new = Health(clock=clock)
    assert new.problems() == []
    assert new.not_ready() == ["the first list of the watched kinds is not complete"]


def test_while_stopping_it_is_alive_but_not_ready(health: Health) -> None:
    health.stopping = True
    assert (health.problems(), health.not_ready()) == ([], ["stopping"])


def test_a_write_that_does_not_come_back_shows_a_silent_watch(health: Health, clock: Clock) -> None:
    health.note_event("Index")
    clock.now += 1
    health.expect_event("Index", clock.now)
    clock.now += 119
    health.expect_event("Index", clock.now)
    assert health.problems() == []
    clock.now += 2
    assert health.problems() == ["the watch of Index is silent: a write 121 s ago has not come back"]
    health.note_event("Connector")
    assert health.problems() != []
    health.note_event("Index")
    assert health.problems() == []


def test_an_event_may_come_before_the_answer_to_its_write(health: Health, clock: Clock) -> None:
    began = clock.now
    clock.now += 0.1
    health.note_event("Index")
    clock.now += 0.1
    health.expect_event("Index", began)
    clock.now += 1000
    assert health.problems() == []


def test_nothing_written_and_nothing_heard_is_fine(health: Health, clock: Clock) -> None:
    clock.now += 100_000
    assert health.problems() == []


def test_a_part_that_has_ended_and_a_loop_that_lags_are_problems(health: Health) -> None:
    health.note_dead("watchers")
    health.loop_lag = 10.5
    assert health.problems() == ["watchers has ended", "the event loop lags 10.5 s behind"]
    assert health.not_ready() == health.problems()


def test_ages_of_watches(health: Health, clock: Clock) -> None:
    health.note_event("Index")
    clock.now += 7
    health.note_event("Secret")
    assert health.event_ages() == {"Index": 7.0, "Secret": 0.0}


async def test_the_endpoints_say_what_is_wrong(health: Health) -> None:
    metrics = Metrics()
    refreshed: list[int] = []
    metrics.observe_call("GET", "Index", 200, 0.01)
    metrics.throttled.inc(1.5)
    runner = await start_http("127.0.0.1", 0, health, metrics, lambda: refreshed.append(1))
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def ask(session: aiohttp.ClientSession, path: str) -> tuple[int, str]:
        async with session.get(base + path) as response:
            return response.status, await response.text()

    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            assert await ask(session, "/healthz") == (200, "ok\n")
            assert await ask(session, "/readyz") == (200, "ok\n")
            health.stopping = True
            assert await ask(session, "/healthz") == (200, "ok\n")
            assert await ask(session, "/readyz") == (503, "stopping\n")
            health.note_dead("watchers")
            assert await ask(session, "/healthz") == (503, "watchers has ended\n")
            status, text = await ask(session, "/metrics")
    finally:
        await runner.cleanup()
    assert (status, refreshed) == (200, [1])
    assert "videovector_queue_depth 0.0" in text


def test_metrics_of_two_processes_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.leader.set(1)

    def leader(metrics: Metrics) -> Any:
        return next(line for line in metrics.render().decode().splitlines() if line.startswith("videovector_leader "))

    assert (leader(one), leader(other)) == ("videovector_leader 1.0", "videovector_leader 0.0")

"""The line in which pods wait for their turn: never too fast, back to the limit in bounded time, fair."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.windows import most_in_a_window
from videovector_operator.core import pace
from videovector_operator.core.pace import Line, change_limit, decide_count, present_rate, reserve, slow_down
from videovector_operator.core.records import RequestRate, Reservation
from videovector_operator.core.retry import LONGEST_RETRY_AFTER_SECONDS

LIMITS = st.sampled_from([1, 2, 7, 50, 333, 10_000])
PAUSES = st.floats(0, 3, allow_subnormal=False)


def open_line(limit: int = 50, now: float = 0.0) -> Line:
    line = change_limit(None, limit, now)
    assert line is not None
    return line


def taken(line: Line, count: int, now: float) -> tuple[Line, Reservation]:
    after, reservation = reserve(line, count, now)
    assert reservation is not None
    return after, reservation


@dataclass
class Sent:
    """When requests would be sent, by pods that send as early as they may and believe a reservation for `TRUST_SECONDS`."""

    pending: list[tuple[float, int]] = field(default_factory=list)

    def take(self, reservation: Reservation, now: float) -> None:
        slots = (now + reservation.start_in + number * reservation.spacing for number in range(reservation.count))
        self.pending.extend((max(slot, now), reservation.revision) for slot in slots)

    def drop(self, revision: int, now: float) -> None:
        """The line is drawn anew: what it gave out before is sent for `TRUST_SECONDS` more and then not at all."""
        kept = [(at, rev) for at, rev in self.pending if rev == revision or at <= now + pace.TRUST_SECONDS]
        self.pending = kept

    def all(self) -> list[float]:
        return [at for at, _ in self.pending]


Step = tuple[float, str, float]
STEPS = st.lists(
    st.tuples(PAUSES, st.sampled_from(["reserve"] * 6 + ["throttled"]), st.floats(0, 40, allow_subnormal=False)),
    max_size=60,
)


@given(limit=LIMITS, steps=STEPS, width=st.floats(0.01, 5))
@settings(max_examples=300)
def test_no_window_ever_holds_more_than_the_limit_and_a_small_burst(
    limit: int, steps: list[Step], width: float
) -> None:
    line, sent, now = open_line(limit), Sent(), 0.0
    for pause, what, amount in steps:
        now += pause / 10
        if what == "reserve":
            line, reservation = taken(line, 1 + int(amount), now)
            sent.take(reservation, now)
        else:
            line = slow_down(line, amount / 10, now)
            sent.drop(line.revision, now)
    assert most_in_a_window(sent.all(), width) <= limit * (width + pace.BURST_SECONDS) + 1 + 1e-6


@given(limit=LIMITS, before=STEPS, retry_after=st.floats(0.1, 1000))
def test_nothing_is_sent_while_the_provider_wants_to_be_left_alone(
    limit: int, before: list[Step], retry_after: float
) -> None:
    line, now = open_line(limit), 0.0
    for pause, _, amount in before:
        now += pause
        line, _ = taken(line, 1 + int(amount), now)
    held = slow_down(line, retry_after, now)
    until = now + min(retry_after, LONGEST_RETRY_AFTER_SECONDS)
    assert held.revision == line.revision + 1
    for later in (now, now + 0.3, (now + until) / 2):
        _, reservation = taken(held, 5, later)
        assert later + reservation.start_in >= until - 1e-6


@given(limit=LIMITS, steps=STEPS)
def test_the_limit_is_reached_again_in_bounded_time_and_never_exceeded(limit: int, steps: list[Step]) -> None:
    line, now = open_line(limit), 0.0
    lowest = max(pace.LOWEST_RATE, pace.LOWEST_SHARE * limit)
    for pause, what, amount in steps:
        now += pause
        line = slow_down(line, amount, now) if what == "throttled" else taken(line, 1, now)[0]
        assert min(lowest, limit) <= present_rate(line, now) <= limit
    calm = max(now + pace.SAME_BURST_SECONDS, line.held_until)
    assert present_rate(line, calm + 1 / pace.RECOVERY_SHARE) == pytest.approx(limit)


def test_a_refusal_halves_the_rate_and_a_burst_of_them_does_so_once() -> None:
    line = open_line(100)
    for refusal in range(10):
        line = slow_down(line, 0.0, 5.0 + refusal * 0.09)
    assert [present_rate(line, at) for at in (5.0, 5.9, 8.0, 20.0)] == [50, 50, 60, 100]
    assert line.revision == 1
    line = slow_down(line, 0.0, 7.0)
    assert present_rate(line, 7.0) == pytest.approx(55 / 2)


def test_what_was_sent_before_a_hold_and_is_refused_in_it_is_the_same_burst() -> None:
    held = slow_down(open_line(100), 10.0, 5.0)
    assert slow_down(held, 10.0, 5.6) is held
    assert slow_down(held, 8.0, 7.5) is held
    longer = slow_down(held, 60.0, 7.5)
    assert (longer.held_until, longer.rate, longer.decreased_at) == (67.5, 50.0, 5.0)
    assert slow_down(held, 1.0, 15.0).rate == 25.0


def test_a_hold_is_capped() -> None:
    line = slow_down(open_line(100), 86_400.0, 0.0)
    assert line.held_until == 300.0
    _, reservation = taken(line, 1, 10.0)
    assert reservation.start_in == 290.0
    assert slow_down(open_line(100), -5.0, 1.0).held_until == 1.0


def test_the_rate_after_a_hold_grows_from_its_end() -> None:
    line = slow_down(open_line(100), 10.0, 0.0)
    assert [present_rate(line, at) for at in (9.0, 10.0, 12.0, 20.0, 99.0)] == [50, 50, 60, 100, 100]


def test_the_lowest_rate_is_one_a_second_or_a_hundredth() -> None:
    for limit, lowest in ((1, 1), (3, 1), (100, 1), (10_000, 100)):
        line = open_line(limit)
        for second in range(20):
            line = slow_down(line, 0.0, second * 1.0001)
        assert line.rate == pytest.approx(lowest, rel=0.01)


def test_a_reservation_is_a_small_batch() -> None:
    for limit, most in ((1, 1), (4, 1), (5, 2), (50, 13), (10_000, 2500)):
        assert taken(open_line(limit), 10**6, 0.0)[1].count == most
    assert taken(open_line(50), 3, 0.0)[1] == Reservation(3, 0.0, 0.02, 0)


def test_what_nobody_used_is_gone_but_for_a_moments_worth() -> None:
    line, _ = taken(open_line(100), 10, 0.0)
    line, reservation = taken(line, 10, 60.0)
    assert reservation.start_in == pytest.approx(-pace.BURST_SECONDS)
    assert taken(line, 10, 60.0)[1].start_in == pytest.approx(0.1 - pace.BURST_SECONDS)


def test_another_limit_voids_what_is_out_and_takes_hold_after_the_trust() -> None:
    line, _ = taken(open_line(100), 25, 0.0)
    lowered = change_limit(line, 10, 1.0)
    assert lowered is not None
    assert lowered.revision == line.revision + 1
    _, reservation = taken(lowered, 1, 1.0)
    assert reservation.spacing == 0.1
    assert reservation.start_in == pytest.approx(pace.TRUST_SECONDS + 0.1)
    assert change_limit(lowered, 10, 2.0) is lowered
    raised = change_limit(lowered, 200, 3.0)
    assert raised is not None
    assert present_rate(raised, 3.0) == 200


def test_a_limit_is_taken_off_and_set_again() -> None:
    assert change_limit(None, None, 0.0) is None
    off = change_limit(slow_down(open_line(100), 30.0, 0.0), None, 1.0)
    assert off is not None
    assert reserve(off, 5, 2.0) == (off, None)
    assert slow_down(off, 5.0, 2.0) is off
    assert pace.summarize_line(off, 2.0) is None
    again = change_limit(off, 100, 3.0)
    assert again is not None
    assert again.revision == off.revision + 1
    assert (again.held_until, present_rate(again, 30.0)) == (30.0, 50.0), "what the provider said still holds"


def test_the_summary_says_what_is_allowed_now() -> None:
    assert pace.summarize_line(None, 0.0) is None
    assert pace.summarize_line(open_line(100), 1.0) == RequestRate(100, 100.0)
    held = slow_down(open_line(100), 30.0, 1_000_000.0)
    until = datetime.fromtimestamp(1_000_030, UTC)
    assert pace.summarize_line(held, 1_000_001.0) == RequestRate(100, 50.0, until)
    assert pace.summarize_line(held, 1_000_032.0) == RequestRate(100, 60.0)


@dataclass(order=True)
class Pod:
    """One that is always hungry: it sends at every moment it gets, then asks again."""

    asks_at: float
    name: int
    waiting: int = field(compare=False, default=32)
    used: int = field(compare=False, default=0)
    asked_at: float = field(compare=False, default=-math.inf)
    sent: list[float] = field(compare=False, default_factory=list)


def run_pods(limit: int, pods: list[Pod], seconds: float) -> None:
    line, queue = open_line(limit), list(pods)
    heapq.heapify(queue)
    while queue[0].asks_at < seconds:
        pod = heapq.heappop(queue)
        now = pod.asks_at
        count = decide_count(pod.used, now - pod.asked_at, pod.waiting)
        line, reservation = taken(line, count, now)
        pod.sent.extend(now + reservation.start_in + n * reservation.spacing for n in range(reservation.count))
        pod.used, pod.asked_at = reservation.count, now
        pod.asks_at = max(now, pod.sent[-1]) + 0.001
        heapq.heappush(queue, pod)


@pytest.mark.parametrize("limit", [3, 50, 1000, 3000])
def test_late_comers_get_their_share(limit: int) -> None:
    pods = [Pod(0.0, 0), Pod(0.0, 1), Pod(6.0, 2)]
    run_pods(limit, pods, 20.0)
    shares = [sum(at > 12.0 for at in pod.sent) for pod in pods]
    assert max(shares) <= 1.1 * min(shares) + 1, shares
    assert sum(shares) >= 0.95 * limit * 7, "and together they use all of it"


def test_a_pod_asks_for_what_it_used_and_for_who_waits() -> None:
    assert decide_count(0, 0.0, 1) == 1
    assert decide_count(0, math.inf, 5) == 5
    assert decide_count(500, 0.25, 33) == 533
    assert decide_count(100, 1.0, 4) == 29
    assert decide_count(33, 0.0, 33) == decide_count(33, 0.1, 33) == 99, "a short time says little: it is doubled"


def test_lines_are_values() -> None:
    line = open_line()
    taken(line, 5, 1.0)
    assert line == replace(open_line())

"""How many requests a second the pods of one Connector may make together, and when: the arithmetic. Pure; time comes in.

All pods stand in one line: a reservation takes its next free moments, which lie ``1 / rate`` seconds apart. The rate is the
Connector's limit; it is halved when the provider throttles, and grows again while it does not.

The catalog keeps one `Line` a Connector and does `reserve`, `slow_down` and `change_limit` in one SQL statement each; its fake
does it with these functions, and a contract test holds the two together. Moments are seconds of one clock, the catalog's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from videovector_operator.core.records import RequestRate, Reservation
from videovector_operator.core.retry import LONGEST_RETRY_AFTER_SECONDS

DECREASE_FACTOR = 0.5
"""What is left of the rate when the provider throttles."""
RECOVERY_SHARE = 0.05
"""Of the limit, added to the rate in each second from the second after a refusal on: back to the limit within 21 s."""
LOWEST_SHARE = 0.01
"""Of the limit: no refusal lowers the rate further (but it is never below `LOWEST_RATE`)."""
LOWEST_RATE = 1.0
SAME_BURST_SECONDS = 1.0
"""Refusals this close together are one: they were caused by what had been sent before the first of them."""
BURST_SECONDS = 0.05
"""So much of what nobody used may be caught up."""
BATCH_SECONDS = 0.25
"""A reservation holds no more than all pods together may send in this time; each request of it is good for as long."""
TRUST_SECONDS = 0.5
"""What the line said is believed for so long."""


@dataclass(frozen=True, slots=True)
class Line:
    """One Connector's line. ``limit`` None = there is no limit any more. ``rate`` is as the last refusal left it.

    ``revision`` changes whenever the reservations that are out no longer count.
    """

    limit: int | None
    rate: float
    next_free_at: float
    decreased_at: float = -math.inf
    held_until: float = -math.inf
    revision: int = 0


def change_limit(line: Line | None, limit: int | None, now: float) -> Line | None:
    """Give the line another limit: a first one opens it, None takes the limit off."""
    if line is None:
        return None if limit is None else Line(limit, float(limit), now)
    if limit == line.limit:
        return line
    next_free_at = line.next_free_at if limit is None else _restart(limit, now)
    return replace(line, limit=limit, next_free_at=next_free_at, revision=line.revision + 1)


def _restart(limit: int, now: float) -> float:
    """When a line that is drawn anew begins: behind the last request that is sent by what it gave out before."""
    return now + TRUST_SECONDS + 1 / limit


def present_rate(line: Line, now: float) -> float:
    """Requests a second that the line gives out at ``now``. The line must have a limit."""
    assert line.limit is not None
    grown_for = max(0.0, now - max(line.decreased_at + SAME_BURST_SECONDS, line.held_until))
    return min(float(line.limit), line.rate + RECOVERY_SHARE * line.limit * grown_for)


def reserve(line: Line, count: int, now: float) -> tuple[Line, Reservation | None]:
    """Take up to ``count`` (at least 1) of the next free moments; None = there is no limit, nothing needs to be reserved."""
    if line.limit is None:
        return line, None
    rate = present_rate(line, now)
    granted = min(count, math.ceil(rate * BATCH_SECONDS))
    start = max(now - BURST_SECONDS, line.next_free_at, line.held_until)
    reservation = Reservation(granted, start - now, 1 / rate, line.revision)
    return replace(line, next_free_at=start + granted / rate), reservation


def slow_down(line: Line, retry_after: float, now: float) -> Line:
    """Take in that the provider throttled, and for how many seconds it wants to be left alone."""
    if line.limit is None:
        return line
    hold = min(max(retry_after, 0.0), LONGEST_RETRY_AFTER_SECONDS)
    is_new = now >= max(line.decreased_at + SAME_BURST_SECONDS, line.held_until)
    is_longer = hold > max(line.held_until - now, 0.0) + SAME_BURST_SECONDS
    if not is_new and not is_longer:
        return line
    rate = present_rate(line, now)
    lowest = min(max(LOWEST_RATE, LOWEST_SHARE * line.limit), rate)
    held_until = max(line.held_until, now + hold)
    return replace(
        line,
        rate=max(lowest, rate * DECREASE_FACTOR) if is_new else rate,
        decreased_at=now if is_new else line.decreased_at,
        held_until=held_until,
        next_free_at=max(_restart(line.limit, now), held_until),
        revision=line.revision + 1,
    )


def summarize_line(line: Line | None, now: float) -> RequestRate | None:
    """Say how things stand, where moments are Unix time; None = there is no limit."""
    if line is None or line.limit is None:
        return None
    held_until = datetime.fromtimestamp(line.held_until, UTC) if line.held_until > now else None
    return RequestRate(line.limit, present_rate(line, now), held_until)


def describe_rate(rate: RequestRate | None) -> str:
    """Say for people that requests are slowed down, and why; "" = they are not."""
    if rate is None:
        return ""
    if rate.held_until is not None:
        return f"; the storage throttles and asked to be left alone until {rate.held_until:%Y-%m-%dT%H:%M:%SZ}"
    if rate.present > 0.99 * rate.limit:
        return ""
    return f"; the storage throttles: slowed down to {max(1, round(rate.present))} of {rate.limit} requests a second"


def decide_count(used: int, seconds: float, waiting: int) -> int:
    """How many requests a pod reserves: as many as it sent lately in `BATCH_SECONDS`, and one for each that waits.

    ``used`` requests were sent in the last ``seconds``; a short time says little, it is taken for no more than twice of them.
    What waits is added rather than compared, so that pods which are equally hungry come to have equal shares, whoever was
    there first.
    """
    lately = math.ceil(used * min(2.0, BATCH_SECONDS / max(seconds, 0.001)))
    return max(1, lately + waiting)

"""Two operators on one cluster: one acts, the other takes over when the first is killed."""

from __future__ import annotations

import functools
import time

from tests.support.operator_process import OperatorProcess
from tests.support.world import World, is_ready

TAKE_OVER_SECONDS = 20.0


def _leaders(*operators: OperatorProcess) -> list[OperatorProcess]:
    return [operator for operator in operators if operator.metric("videovector_leader ") == 1]


def _wait_for_one_leader(*operators: OperatorProcess) -> OperatorProcess:
    deadline = time.monotonic() + 60
    while len(leaders := _leaders(*operators)) != 1:
        assert time.monotonic() < deadline, "no leader"
        time.sleep(0.1)
    return leaders[0]


def _take_over(world: World, leader: OperatorProcess, name: str) -> float:
    """Kill the leader; seconds until somebody else has seen to an Index that is applied then."""
    leader.kill()
    began = time.monotonic()
    world.create("Index", name, {})
    world.wait("Index", name, is_ready)
    return time.monotonic() - began


def test_only_the_leader_acts_and_the_standby_takes_over_within_20_s(world: World, start_operator) -> None:
    start = functools.partial(start_operator, VIDEOVECTOR_LEASE_DURATION_SECONDS="15")
    one, two = start(), start()
    one.wait_ready()
    two.wait_ready()
    leader = _wait_for_one_leader(one, two)
    standby = two if leader is one else one
    world.create("Index", "before", {})
    world.wait("Index", "before", is_ready)
    assert standby.metric("videovector_reconcile_duration_seconds_count") == 0

    # A machine that stood still for a moment is no proof: three take-overs that are late are.
    late = []
    for name in ("after", "after-that", "after-all"):
        seconds = _take_over(world, leader, name)
        assert standby.metric("videovector_leader ") == 1
        if seconds <= TAKE_OVER_SECONDS:
            return
        late.append(seconds)
        leader, standby = standby, start().wait_ready()
    raise AssertionError(f"taken over after {late} s")


def test_a_graceful_stop_hands_over_without_waiting_for_the_lease(world: World, start_operator) -> None:
    first = start_operator(VIDEOVECTOR_LEASE_DURATION_SECONDS="60").wait_ready()
    _wait_for_one_leader(first)
    start_operator(VIDEOVECTOR_LEASE_DURATION_SECONDS="16").wait_ready()

    assert first.stop() == 0
    world.create("Index", "films", {})
    world.wait("Index", "films", is_ready, seconds=40)


def test_losing_the_lease_ends_the_process(world: World, start_operator) -> None:
    operator = start_operator(VIDEOVECTOR_LEASE_DURATION_SECONDS="15").wait_ready()
    _wait_for_one_leader(operator)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases/videovector-operator"
    deadline = time.monotonic() + 60
    while operator.returncode is None:
        assert time.monotonic() < deadline, "the operator goes on without its Lease"
        lease = world.api.get(path)
        assert lease is not None
        lease["spec"]["holderIdentity"] = "somebody else"
        lease["spec"]["leaseDurationSeconds"] = 3600
        world.api.request("PUT", path, lease)
        time.sleep(0.3)

    assert operator.returncode != 0

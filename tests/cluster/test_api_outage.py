"""The API server goes away and comes back: what was applied meanwhile is seen at once, by the same process."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.world import World, is_ready
from tests.support.write_proxy import WriteProxy
from tools.devcluster.fixtures import DevCluster

OUTAGE_SECONDS = 19.5
"""Long enough for pauses that double each time to be longer than ``SEEN_SECONDS``."""
SEEN_SECONDS = 12.0


def test_what_is_applied_while_the_api_server_is_away_is_seen_soon_after_it_is_back(
    api_cluster: DevCluster, world: World, start_operator, tmp_path: Path
) -> None:
    with WriteProxy(api_cluster.control, tmp_path) as proxy:
        # A leader that may go on without its Lease for so long: what a lost Lease does is shown by test_leadership.
        operator = start_operator(proxy.kubeconfig, VIDEOVECTOR_LEASE_DURATION_SECONDS="300").wait_ready()
        world.create("Index", "before", {})
        world.wait("Index", "before", is_ready)
        with proxy.away():
            world.create("Index", "meanwhile", {})
            time.sleep(OUTAGE_SECONDS)
        world.wait("Index", "meanwhile", is_ready, seconds=SEEN_SECONDS)
        assert operator.returncode is None
        assert operator.probe("/healthz")

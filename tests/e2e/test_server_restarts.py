"""A server dies in the middle of an import and comes back: the import ends as if nothing had been."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.installed_system import (
    BUCKET,
    ImportSite,
    InstalledSystem,
    counts,
    imported_of,
    reason_of,
    wait_until,
)
from tools.sample_media import generate_small

FILES = 320
PREFIX = "restarts/"
OUTAGE_SECONDS = 3.0


@pytest.fixture(scope="module")
def site(system: InstalledSystem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImportSite]:
    folder = tmp_path_factory.mktemp("restarts")
    system.upload(BUCKET, folder, [f"{PREFIX}{path}" for path in generate_small(folder / PREFIX, FILES)])
    site = system.site("restarts")
    site.create_connector("slow", slow=True)
    usual = system.proxy.delay
    yield site
    system.proxy.delay = usual


def kill_api_server(system: InstalledSystem) -> Callable[[], None]:
    system.cluster.control.kill("kube-apiserver")
    return lambda: system.cluster.control.start("kube-apiserver")


def kill_postgres(system: InstalledSystem) -> Callable[[], None]:
    system.postgres.kill()
    return lambda: void(system.postgres.start())


def kill_storage(system: InstalledSystem) -> Callable[[], None]:
    system.gateway.kill()
    return lambda: void(system.gateway.start())


def void(_: object) -> None:
    return None


KILLS = {"api-server": kill_api_server, "postgres": kill_postgres, "storage": kill_storage}


@pytest.mark.parametrize("server", KILLS)
def test_a_server_that_dies_in_the_middle_changes_nothing(site: ImportSite, server: str) -> None:
    site.system.proxy.delay = 3.0
    run_id = site.create_import(server, "slow", sourcePrefix=PREFIX, parallelism=2)
    # Asked of the catalog: the status comes later, and the server must die in the middle. Controllers that lost the API server in
    # the test before may take a minute to make pods again.
    wait_until("a file is imported", lambda: imported_of(site.system, run_id) > 0, seconds=150)
    assert imported_of(site.system, run_id) < FILES, "the import was over before the server could die"
    start = KILLS[server](site.system)
    end = time.monotonic() + OUTAGE_SECONDS
    try:
        wait_until("the outage is over", lambda: time.monotonic() > end)
    finally:
        start()
    site.system.proxy.delay = 1.0
    job = site.wait_ended(server, seconds=150)
    assert reason_of(job) == ("Completed", "True", "Completed"), job["status"].get("failedFiles")
    assert counts(job) == {"totalFiles": FILES, "imported": FILES, "failed": 0, "skipped": 0}
    assert len(site.jobs_of(server)) == 1
    assert site.system.query("SELECT count(*), count(DISTINCT path) FROM media WHERE run_id = %s", run_id) == [
        (FILES, FILES)
    ]

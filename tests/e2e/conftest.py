"""One installed system for all end-to-end tests; each module has a namespace of its own in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installed_system import BUCKET, InstalledSystem, installed
from tools.devcluster.fixtures import DevCluster
from tools.sample_media import generate_small

MODULES = ("clouds", "quickstart", "failed", "kills", "plugin", "restarts", "rotation")
SMALL_FILES = 48


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
    # What was installed is looked at first, before anything disturbs it; what the others leave behind is searched when they are done.
    items.sort(key=lambda item: (item.path.name == "test_leaks.py", item.path.name != "test_install.py"))


@pytest.fixture(scope="session")
def system(devcluster_full: DevCluster) -> Iterator[InstalledSystem]:
    with installed(devcluster_full, MODULES) as found:
        yield found


@pytest.fixture(scope="session")
def small_files(system: InstalledSystem, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Keys of small files below ``small/``, all of which can be imported."""
    folder = tmp_path_factory.mktemp("small")
    paths = [f"small/{path}" for path in generate_small(folder / "small", SMALL_FILES)]
    system.upload(BUCKET, folder, paths)
    return paths

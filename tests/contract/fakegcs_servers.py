"""Fixtures of tests on a server that stands for Google Cloud Storage. Load it by ``pytest_plugins``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.contract.fakegcs_worlds import World, open_world
from tools.testservers import FakeGcsServer
from tools.testservers.gcs_accounts import ServiceAccount


@pytest.fixture(scope="module")
def server() -> Iterator[FakeGcsServer]:
    with FakeGcsServer(f"contract-fakegcs-{os.getpid()}") as running:
        yield running


@pytest.fixture(scope="module")
def account(server: FakeGcsServer) -> ServiceAccount:
    return server.create_account("writer")


@pytest.fixture
def world(server: FakeGcsServer, account: ServiceAccount) -> World:
    return open_world(server, account)

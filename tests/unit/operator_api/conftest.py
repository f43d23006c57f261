from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from tests.support.api_desk import Desk
from tests.support.client_certificates import Authority


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def desk(authority: Authority) -> AsyncIterator[Desk]:
    async with Desk(authority).serving() as served:
        yield served

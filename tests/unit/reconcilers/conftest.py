"""What every test of a reconciler has: a log that is not captured by another test's configuration."""

from __future__ import annotations

import pytest
import structlog


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()

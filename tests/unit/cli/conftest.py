from __future__ import annotations

import pytest

from tests.support.plugin_desk import PluginDesk


@pytest.fixture
def desk() -> PluginDesk:
    return PluginDesk()

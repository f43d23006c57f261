"""One generated file of every supported type, made once a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tools.sample_media import generate_every_type


@pytest.fixture(scope="session")
def every_type(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return generate_every_type(tmp_path_factory.mktemp("every-type"))

"""One world for each service manager; see tests/support/worlds.py."""

from pathlib import Path

import pytest
from worlds import WORLDS, World


@pytest.fixture(params=list(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """An installation under one manager; nothing is installed yet. By `tmp_path` its processes end with the test."""
    return WORLDS[request.param](request)

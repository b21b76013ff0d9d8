"""One world for each service manager; see tests/support/worlds.py."""

import pytest
from worlds import WORLDS, World


@pytest.fixture(params=list(WORLDS))
def world(request: pytest.FixtureRequest) -> World:
    """An installation under one manager; nothing is installed yet."""
    return WORLDS[request.param](request)

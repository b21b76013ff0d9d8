"""One world for each service manager; see tests/support/machines/worlds.py."""

from pathlib import Path

import pytest
from support.machines.worlds import WORLDS, World
from support.releases.changes import Source
from support.releases.checkout import Checkout


@pytest.fixture(params=list(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """An installation under one manager; nothing is installed yet. By `tmp_path` its processes end with the test."""
    return WORLDS[request.param](request)


@pytest.fixture
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """What hermes is installed from; `editable` is a checkout that pip installed in a real environment."""
    if request.param == "git":
        return Checkout(tmp_path / "git")
    environment = request.getfixturevalue("wheels_template").branch(tmp_path)
    return environment if request.param == "wheel" else Checkout(tmp_path / "git", environment)

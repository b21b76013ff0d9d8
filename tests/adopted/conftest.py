"""The real hermes-agent for the tests that adopt it under systemd; what it does under launchd is in tests/rescue."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent.apart import apart
from support.agent.installed import NotToBeHadError, installed


@pytest.fixture(scope="session")
def agent_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the release; skipped with the reason where the index is away."""
    shared = tmp_path_factory.getbasetemp()
    try:
        return installed(shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared).parent.parent
    except NotToBeHadError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def _apart(request: pytest.FixtureRequest) -> Iterator[None]:
    """No update of another test ends this one's gateways; openclaw's stand-in is none of them."""
    if "hermes_agent" not in request.path.name:
        yield
        return
    with apart(updates=False):
        yield

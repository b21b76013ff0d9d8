"""The real hermes-agent for the tests that adopt it: installed once from the index, skipped where that is away."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import pytest
from launchd_emulator.emulator import Launchd
from support.agent.apart import apart
from support.machines.hermes_agent import VERSION, HermesAgent


@pytest.fixture(scope="session")
def agent_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with hermes-agent in it; HERMES_TEST_AGENT names one that is there already."""
    given = os.environ.get("HERMES_TEST_AGENT")
    if given:
        return Path(given)
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    place = shared / "hermes-agent"
    with filelock.FileLock(f"{place}.lock"):
        if not (place / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=300)
            done = subprocess.run(
                [str(place / "bin" / "pip"), "install", "-q", f"hermes-agent=={VERSION}"],
                capture_output=True,
                text=True,
                timeout=900,
                check=False,
            )
            if done.returncode:
                pytest.skip(f"hermes-agent {VERSION} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
            (place / "complete").touch()
    return place


@pytest.fixture(autouse=True)
def _apart(request: pytest.FixtureRequest) -> Iterator[None]:
    """No update of another test ends this one's gateways; openclaw's stand-in is none of them."""
    if "hermes_agent" not in request.path.name:
        yield
        return
    with apart(updates=False):
        yield


@pytest.fixture
def make_agent(
    tmp_path: Path, agent_environment: Path, make_launchd: Callable[..., Launchd]
) -> Callable[..., HermesAgent]:
    """Return a function that makes a machine with hermes-agent under launchd, with the given knobs."""

    def make(**knobs: Any) -> HermesAgent:
        return HermesAgent(tmp_path, agent_environment, make_launchd, **knobs)

    return make

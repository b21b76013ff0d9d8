"""The real hermes-agent for the tests that rescue it, and the page that a run writes."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from launchd_emulator import Launchd
from support.agent.apart import apart
from support.agent.beside import Beside
from support.agent.checkout import Checkout
from support.agent.installed import NotToBeHadError, installed, offline
from support.agent.on_launchd import Agent, user_folder
from support.agent.page import page
from support.machines.mac import launchd_of

WRITE = "HERMES_AGENT_TABLE"  # a file's path: the run writes what it saw there …
KEPT = "HERMES_RESCUE_SEEN"  # … and what earlier runs saw that have this file, one line of JSON for each scenario
BUSY = int(os.environ.get("HERMES_RESCUE_BUSY", "0"))
_seen: list[dict[str, Any]] = []


@pytest.fixture(scope="session")
def agent_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the release; skipped with the reason where the index is away."""
    shared = tmp_path_factory.getbasetemp()
    try:
        return installed(shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared)
    except NotToBeHadError as error:
        pytest.skip(str(error))


@pytest.fixture
def make_agent(tmp_path: Path, agent_python: Path) -> Iterator[Callable[..., Agent]]:
    """Return a function that installs hermes-agent on a Mac with these knobs; with `checkout`, as its installer does."""
    with ExitStack() as closing:

        def make(*, checkout: bool = False, **knobs: Any) -> Agent:
            closing.enter_context(apart(updates=checkout))
            user = user_folder()
            closing.callback(shutil.rmtree, user, ignore_errors=True)
            python = agent_python
            if checkout:
                made = Checkout(agent_python, tmp_path)
                made.gitconfig(user)
                python = made.python
            launchd = offline(lambda: launchd_of(user, partial(Launchd, tmp_path / "launchd"), **knobs))
            closing.enter_context(launchd)
            agent = Agent(python, launchd, user)
            closing.callback(agent.close)
            agent.install()
            return agent

        yield make


@pytest.fixture
def make_beside(tmp_path: Path) -> Callable[[Agent], Beside]:
    """Return a function that has hermesctl on an agent's machine."""
    return lambda agent: Beside(agent, tmp_path)


@pytest.fixture
def make_adopted(make_agent: Callable[..., Agent], make_beside: Callable[[Agent], Beside]) -> Callable[..., Beside]:
    """Return a function that has hermes-agent adopted on a machine with these knobs, its hook loaded."""

    def make(*options: str, checkout: bool = False) -> Beside:
        beside = make_beside(make_agent(checkout=checkout))
        beside.adopt(*options)
        beside.restart_gateway()
        return beside

    return make


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the controlling process: what each scenario has noted of itself."""
    if report.when == "call":
        load = os.getloadavg()[0] - BUSY
        _seen.extend(
            {"load": max(0.0, load), **value, "passed": report.passed}
            for name, value in report.user_properties
            if name == "rescue"
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page, in the controlling process only."""
    if WRITE in os.environ and not hasattr(session.config, "workerinput") and _seen:
        Path(os.environ[WRITE]).write_text(page(_with_earlier(_seen)))


def _with_earlier(seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if KEPT not in os.environ:
        return seen
    with Path(os.environ[KEPT]).open("a+") as kept:
        kept.writelines(f"{json.dumps(one)}\n" for one in seen)
        kept.seek(0)
        return [json.loads(line) for line in kept]

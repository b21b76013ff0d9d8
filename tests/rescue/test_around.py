"""What happens around an adopted hermes-agent: other profiles, a changed definition, an uninstallation, the release."""

import json
import os
import shutil
import signal
import site
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.agent.beside import Beside
from support.agent.on_launchd import Agent
from support.agent.scenarios import ASIDE, HELD, NORMAL, WHOLE, stale
from support.machines.installation import REPOSITORY

pytestmark = [pytest.mark.timeout(600)]
IDLE = float(os.environ.get("HERMES_RESCUE_IDLE", "3"))  # seconds
whole = pytest.mark.skipif(not WHOLE, reason="HERMES_RESCUE=whole")


def restarted_while_held(agent: Agent) -> bool:
    """Whether it comes back after a restart asked for inside, while launchd holds everything back."""
    agent.launchd.knob(**HELD)
    agent.ask()
    agent.restart_inside()
    seen = agent.outcome(bound=ASIDE)
    assert seen.spawns == (1 if seen.alive else 0), agent.log()
    return seen.alive


@whole
def test_of_two_profiles_the_adopted_one_comes_back(
    make_agent: Callable[..., Agent], make_beside: Callable[[Agent], Beside]
) -> None:
    first = make_agent()
    second = Agent(first.python, first.launchd, first.user, profile="work")
    second.install()
    beside = make_beside(second)
    beside.adopt()
    beside.restart_gateway()
    assert restarted_while_held(second), beside.log()
    assert not restarted_while_held(first)


@whole
def test_both_of_two_profiles_come_back_at_once(
    make_agent: Callable[..., Agent], make_beside: Callable[[Agent], Beside]
) -> None:
    first = make_agent()
    second = Agent(first.python, first.launchd, first.user, profile="work")
    second.install()
    both = [first, second]
    for one in both:
        make_beside(one).adopt()
    first.launchd.knob(**HELD)
    for one in both:
        one.ask()
        one.restart_inside()
    assert [one.outcome(bound=2 * ASIDE).alive for one in both] == [True, True], first.log()


@whole
def test_a_definition_that_upstream_has_changed_meanwhile_is_its_own_affair(
    make_adopted: Callable[..., Beside],
) -> None:
    beside = make_adopted()
    agent = beside.agent
    stale(agent)
    agent.ask()
    agent.run("gateway", "install")  # it repairs what is not as it writes it: bootout, bootstrap
    assert agent.outcome(bound=ASIDE).alive, beside.log()
    assert len(agent.spawns()) == 1
    agent.age()
    beside.until(beside.has_looked, "the resident's look at it")
    assert restarted_while_held(agent), beside.log()


@whole
def test_what_is_installed_again_is_kept_alive_again(make_adopted: Callable[..., Beside]) -> None:
    beside = make_adopted()
    agent = beside.agent
    agent.ask()
    agent.run("gateway", "uninstall")
    assert not agent.outcome(bound=ASIDE).alive
    agent.install()
    beside.until(beside.has_looked, "the resident's look at it")
    assert restarted_while_held(agent), beside.log()


@whole
def test_a_hook_that_somebody_removed_is_missed_by_nobody(make_adopted: Callable[..., Beside]) -> None:
    beside = make_adopted()
    shutil.rmtree(beside.agent.home / "hooks" / "hermesctl")
    beside.restart_gateway()
    assert restarted_while_held(beside.agent), beside.log()


def test_release_leaves_what_was_there_and_it_dies_as_before(
    make_agent: Callable[..., Agent], make_beside: Callable[[Agent], Beside]
) -> None:
    agent = make_agent()
    beside = make_beside(agent)
    before, running = everything(agent), agent.pid()
    beside.adopt()
    beside.run("gateway", "release")
    assert everything(agent) == before
    assert beside.residents() == []
    assert agent.pid() == running
    agent.launchd.knob(**NORMAL)
    assert not restarted_while_held(agent)


@pytest.mark.timeout(600 + IDLE)
def test_the_resident_is_small_and_idle(
    make_agent: Callable[..., Agent],
    make_beside: Callable[[Agent], Beside],
    record_property: Callable[[str, object], None],
) -> None:
    beside = make_beside(make_agent())
    beside.interpreter.look_also_in(REPOSITORY, *site.getsitepackages())  # without what strikes in other tests
    beside.adopt()
    (resident,) = beside.residents()
    beside.until(lambda: not resident.children(), "the end of its look")
    before = sum(resident.cpu_times()[:4])  # with its looks
    time.sleep(IDLE)  # what it costs while nothing happens
    spent, memory = sum(resident.cpu_times()[:4]) - before, resident.memory_info().rss
    idle = {"seconds": IDLE, "memory": memory, "spent": spent}
    record_property("rescue", {"name": "resident", "world": "resident", "busy": 0, **idle})
    assert memory <= 12_000_000
    assert spent <= max(0.02, 0.001 * IDLE)  # 0.02: what a clock of 100 Hz cannot tell from nothing


def everything(agent: Agent) -> dict[Path, bytes]:
    """What lies where its definitions and its hooks lie."""
    places = [agent.plist.parent, agent.home / "hooks"]
    return {path: path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}


@whole
def test_what_pip_has_uninstalled_is_said_and_not_started_for_ever(
    make_agent: Callable[..., Agent], make_beside: Callable[[Agent], Beside]
) -> None:
    agent = make_agent(checkout=True)
    beside = make_beside(agent)
    beside.adopt()
    agent.launchd.knob(**HELD)
    pip = [agent.python, "-m", "pip", "uninstall", "-q", "-y", "hermes-agent"]
    subprocess.run(pip, cwd="/", check=True, timeout=120)
    agent.ask()
    os.kill(agent.state()["pid"], signal.SIGKILL)
    # Five starts, each after launchd's own interval of 30 s between two.
    beside.until(lambda: [one for one in beside.intents() if one["outcome"] == "failed"], "the last attempt", 400.0)
    assert len(agent.spawns()) <= 5
    said = beside.run("-p", beside.profile, "gateway", "doctor", check=False).stdout
    assert "runs hermes_cli.main, and" in said
    assert "has no such module" in said
    attempts = len(agent.spawns())
    assert not agent.outcome(bound=ASIDE).alive
    assert (len(agent.spawns()), len(beside.intents())) == (attempts, 1)
    agent.python.parent.parent.rename(agent.python.parent.parent.with_name("gone"))
    status = json.loads(beside.run("-p", beside.profile, "gateway", "status", "--json", check=False).stdout)
    assert "which is not there" in status["adopted"]["verdict"]

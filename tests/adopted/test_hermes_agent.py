"""An unmodified hermes-agent, adopted: the scenarios in which it is left dead today, and those in which it should be."""

import time

import pytest
from support.machines.hermes_agent import LABEL, START, STOP, UNINSTALL, HermesAgent

HELD = {"on_demand_only": True, "on_demand_holds": "all"}
PARTLY_HELD = {"on_demand_only": True, "on_demand_holds": "keepalive+load"}


def rescued(agent: HermesAgent, before, within: float | None = None) -> float:
    """Wait for the fresh gateway. Return the seconds from the old process's end to the spawn of the next."""
    ended = agent.gone(before)
    spawn = agent.launchd.wait_for("spawn", LABEL, count=2, timeout=60)
    agent.ready(other_than=before)
    assert agent.spawns() == 2
    took = float(spawn.t) - ended
    assert within is None or took <= within, f"{took:.2f} s\n{agent.log()}"
    return took


def settled(agent: HermesAgent) -> list[dict]:
    agent.until(
        lambda: "pending    none" in agent.ours("-p", "hermes-agent", "gateway", "status").stdout, "nothing pending"
    )
    import json

    listed = agent.ours("-p", "hermes-agent", "gateway", "intents", "list", "--json")
    return json.loads(listed.stdout)["intents"]


@pytest.mark.parametrize("knobs", [HELD, PARTLY_HELD], ids=["2a", "2b"])
def test_without_us_a_restart_from_inside_leaves_it_dead_in_on_demand_only_mode(make_agent, knobs) -> None:
    agent = make_agent()
    before = agent.install()
    agent.launchd.knob(**knobs)
    agent.restart_inside()
    agent.gone(before)
    agent.launchd.wait_for("pended", LABEL)
    assert agent.spawns() == 1
    assert agent.running() is None


@pytest.mark.parametrize("knobs", [{}, HELD, PARTLY_HELD], ids=["1", "2a", "2b"])
def test_a_restart_from_inside_brings_it_back(make_agent, knobs) -> None:
    agent = make_agent()
    before = agent.install()
    agent.launchd.knob(**knobs)
    definition = agent.definition.read_bytes()
    agent.adopt()
    agent.restart_inside()
    rescued(agent, before, within=2.0)
    if knobs:  # else launchd itself was quicker
        (intent,) = settled(agent)
        assert (intent["reason"], intent["outcome"], intent["target"]["pid"]) == ("observed", "restarted", before.pid)
    assert agent.definition.read_bytes() == definition


def test_a_gateway_that_is_killed_in_on_demand_only_mode_comes_back(make_agent) -> None:
    agent = make_agent()
    before = agent.install()
    agent.launchd.knob(**HELD)
    agent.adopt()
    agent.kill(before)
    rescued(agent, before)


def test_a_gateway_that_was_stopped_stays_so_and_comes_back_when_it_is_started(make_agent) -> None:
    agent = make_agent()
    before = agent.install()
    agent.launchd.knob(**HELD)
    agent.adopt()
    assert agent.theirs(STOP).returncode == 0
    agent.gone(before)
    agent.until(lambda: "it was stopped" in agent.log(), "a look at the stopped gateway")
    time.sleep(7)  # longer than any patience of ours: nothing happens, so there is no event to wait for
    assert agent.spawns() == 1
    assert agent.theirs(START).returncode == 0
    agent.ready(other_than=before)


@pytest.mark.parametrize("how", ["bootout", "disable", "uninstall"])
def test_what_a_person_has_taken_out_stays_out(make_agent, how: str) -> None:
    agent = make_agent()
    before = agent.install()
    agent.adopt()
    if how == "disable":
        agent.launchd.launchctl("disable", agent.target, check=True)
    if how == "uninstall":
        assert agent.theirs(UNINSTALL).returncode == 0
    else:
        agent.launchd.launchctl("bootout", agent.target)
    agent.gone(before)
    agent.until(lambda: agent.log().count("hermes.resident: hermes-agent") >= 1, "a look at its end")
    time.sleep(8)  # as above
    assert agent.spawns() == 1
    assert agent.running() is None


def test_the_resident_is_small_and_idle(make_agent) -> None:
    agent = make_agent()
    agent.install()
    agent.adopt()
    (resident,) = agent.residents()
    assert resident.memory_info().rss <= 12_000_000
    before = resident.cpu_times().user
    time.sleep(3)
    assert resident.cpu_times().user - before <= 0.01


def test_two_restarts_at_once_are_one(make_agent) -> None:
    agent = make_agent()
    before = agent.install()
    agent.launchd.knob(**HELD)
    agent.adopt()
    agent.inside(f"kill -USR1 {before.pid}; kill -USR1 {before.pid}")
    rescued(agent, before)
    assert len(settled(agent)) == 1


def test_the_hook_brings_the_resident_back_which_died_during_the_restart(make_agent) -> None:
    agent = make_agent()
    first = agent.install()
    agent.adopt()
    agent.launchd.launchctl("kickstart", "-k", agent.target, check=True)  # so that it loads the hook
    before = agent.ready(other_than=first)
    agent.launchd.knob(**HELD)
    (resident,) = agent.residents()
    agent.inside(f"kill -USR1 {before.pid}; kill -KILL {resident.pid}")
    agent.ready(other_than=before)
    assert agent.spawns() == 3


def test_release_leaves_exactly_what_was_there(make_agent) -> None:
    agent = make_agent()
    before = agent.install()
    hooks = sorted(path.name for path in (agent.home / "hooks").iterdir())
    definitions = sorted(path.name for path in agent.definition.parent.iterdir())
    agent.adopt()
    done = agent.ours("gateway", "release")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (agent.home / "hooks").iterdir()) == hooks
    assert sorted(path.name for path in agent.definition.parent.iterdir()) == definitions
    assert agent.residents() == []
    assert agent.ready().is_same_as(before)

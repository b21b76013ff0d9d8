"""The scenarios: what happens to a gateway of hermes-agent that runs under launchd, and what ought to be there then."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.agent.on_launchd import Agent, Seen

HELD: dict[str, Any] = {"on_demand_only": True, "on_demand_holds": "all"}
HELD_LESS: dict[str, Any] = {"on_demand_only": True, "on_demand_holds": "keepalive+load"}
NORMAL: dict[str, Any] = {"on_demand_only": False}
WHOLE = os.environ.get("HERMES_RESCUE") == "whole"
ASIDE = 20.0  # seconds until a stop is believed to stay one: beyond each patience that anybody has


@dataclass(frozen=True)
class Scenario:
    """`act` asks or stops; it calls `agent.ask` where counting begins. `alone` is its fate with nothing beside it."""

    name: str
    says: str
    act: Callable[[Agent], None]
    alone: bool | None  # alive or dead; None: it depends on how busy the machine is
    mode: dict[str, Any] = field(default_factory=lambda: NORMAL)
    knobs: dict[str, Any] = field(default_factory=dict)
    beside: bool = True  # alive with hermesctl beside it
    within: float | None = None  # seconds from the old one's end to the new process, with hermesctl beside it
    after_label: float | None = None  # the same, from the moment in which the label went
    rewritten: bool = False  # upstream itself writes its definition anew
    checkout: bool = False  # as its installer lays it out
    swept: bool = False  # upstream itself may end the fresh one, so there may be more starts than one


def _turn(agent: Agent, mode: dict[str, Any]) -> None:
    agent.launchd.knob(**mode)


def _inside(**how: bool) -> Callable[[Agent], None]:
    def act(agent: Agent) -> None:
        agent.ask()
        agent.restart_inside(**how)

    return act


def _young(agent: Agent) -> None:
    """The gateway is younger than its throttle."""
    agent.launchd.launchctl("kickstart", "-k", agent.target, check=True)
    agent.await_running()
    _inside()(agent)
    agent.await_end()
    agent.age()


def _outside(agent: Agent) -> None:
    agent.ask()
    agent.run("gateway", "restart")


def stale(agent: Agent) -> None:
    """The definition of an older release."""
    text = agent.plist.read_text()
    assert "<integer>25</integer>" in text
    agent.plist.write_text(text.replace("<integer>25</integer>", "<integer>24</integer>"))


def _reload(agent: Agent) -> None:
    stale(agent)
    agent.ask()
    agent.command_inside("gateway", "start")


def _booted_out_then_restart(agent: Agent) -> None:
    """A person boots it out; 0.06 s later a child, which is ready for it, asks for a restart."""
    go = agent.user / "go"
    os.mkfifo(go)
    agent.inside(_WHEN_TOLD.format(go=str(go)))
    with go.open("w") as pipe:  # opens when the child reads
        agent.ask()
        agent.launchd.launchctl("bootout", agent.target, check=True)
        time.sleep(0.06)  # the scenario itself: launchd is still removing the label
        pipe.write("now")
    go.unlink()


# All that takes its time is done before it waits.
_WHEN_TOLD = """\
from hermes_cli import gateway
from gateway.status import get_running_pid
gateway._launchd_domain(), gateway._get_restart_drain_timeout(), get_running_pid()
open({go!r}).read()
gateway.launchd_restart()
"""


def _by_hand(agent: Agent) -> None:
    """The label is not loaded; somebody has started the gateway in a shell."""
    unload(agent)
    agent.by_hand()
    agent.ask()


def unload(agent: Agent) -> None:
    """`launchctl bootout`, to its end."""
    agent.ask()
    agent.launchd.launchctl("bootout", agent.target, check=True)
    agent.await_end()
    agent.launchd.wait_for("removed", agent.label, after=agent.requested)


def _by_hand_inside(agent: Agent) -> None:
    _by_hand(agent)
    agent.restart_inside()


def _by_hand_detached(agent: Agent) -> None:
    _by_hand(agent)
    agent.restart_inside(detached=True)


def _update(agent: Agent) -> None:
    agent.ask()
    agent.terminal("hermes update --yes")


SCENARIOS = [
    Scenario("1", "restart inside", _inside(), alone=True),
    Scenario("1y", "restart inside, the gateway is young", _young, alone=True),
    Scenario("2a", "restart inside, on-demand-only holds everything", _inside(), False, HELD, within=0.5),
    Scenario("2b", "restart inside, on-demand-only holds KeepAlive", _inside(), False, HELD_LESS, within=0.5),
    Scenario("3", "as 2a, who asked is killed", _inside(killed=True), False, HELD, within=0.5),
    Scenario("3n", "restart inside, who asked is killed", _inside(killed=True), alone=True),
    Scenario("4", "restart from a shell", _outside, alone=True),
    Scenario("4a", "restart from a shell, on-demand-only holds everything", _outside, True, HELD),
    Scenario("4b", "restart from a shell, on-demand-only holds KeepAlive", _outside, True, HELD_LESS),
    Scenario("5", "`gateway start` inside, stale definition", _reload, None, after_label=10.0, rewritten=True),
    Scenario(
        "5k",
        "as 5, the coalition is killed at bootout",
        _reload,
        alone=False,
        knobs={"coalition_kill": "bootout"},
        after_label=10.0,
        rewritten=True,
    ),
    Scenario("6a", "booted out, restart inside a moment later", _booted_out_then_restart, alone=False, beside=False),
    Scenario("6b", "not loaded, started by hand, restart inside", _by_hand_inside, alone=False, after_label=10.0),
    Scenario("6c", "as 6b, from a detached child", _by_hand_detached, alone=True),
    # It asks launchd for the pids of services first, and then searches for other gateways: a fresh one that starts in
    # between is one of those, and is ended. launchd, or hermesctl, starts it again.
    Scenario(
        "7",
        "`hermes update` in its terminal, on-demand-only",
        _update,
        alone=False,
        mode=HELD,
        within=0.5,
        checkout=True,
        swept=True,
    ),
    Scenario("7n", "`hermes update` in its terminal", _update, alone=True, checkout=True, swept=True),
]
BY_NAME = {one.name: one for one in SCENARIOS}


# What a person does stays done.


@dataclass(frozen=True)
class Stays:
    """`act` does it, and returns what is to be seen `alive` afterwards."""

    name: str
    says: str
    act: Callable[[Agent], None]
    alive: bool = False
    spawns: int = 0
    mode: dict[str, Any] = field(default_factory=lambda: NORMAL)
    defined: bool = True  # whether its definition is still there


def _stop(agent: Agent) -> None:
    agent.ask()
    agent.run("gateway", "stop")


def _disable(agent: Agent) -> None:
    agent.launchd.launchctl("disable", agent.target, check=True)
    unload(agent)


def _kill(agent: Agent) -> None:
    agent.ask()
    os.kill(agent.state()["pid"], signal.SIGKILL)


def _uninstall(agent: Agent) -> None:
    agent.ask()
    agent.run("gateway", "uninstall")


def _stop_then_start(agent: Agent) -> None:
    _stop(agent)
    assert not agent.outcome(10.0).alive
    assert agent.spawns() == []
    agent.run("gateway", "start")


def _held_up(agent: Agent) -> None:
    """Work that the gateway joins holds its end up; "stopped" is not exited."""
    agent.ask()
    agent.hold_up(20)
    agent.restart_inside()


def _twice(agent: Agent) -> None:
    agent.ask()
    pid = agent.state()["pid"]
    os.kill(pid, signal.SIGUSR1)
    os.kill(pid, signal.SIGUSR1)


STAYS = [
    Stays("s1", "`gateway stop`", _stop),
    Stays("s2", "booted out by hand", unload),
    Stays("s3", "disabled, then booted out", _disable),
    Stays("s4", "SIGKILL, on-demand-only holds everything", _kill, alive=True, spawns=1, mode=HELD),
    Stays("s5", "`gateway uninstall`", _uninstall, defined=False),
    Stays("s6", "`gateway stop`, 10 s, `gateway start`", _stop_then_start, alive=True, spawns=1),
    Stays("s7", "`gateway stop`, on-demand-only holds everything", _stop, mode=HELD),
    Stays("s8", "work holds the exit up for 20 s", _held_up, alive=True, spawns=1),
    Stays("s9", "two SIGUSR1", _twice, alive=True, spawns=1),
]
STAYS_BY_NAME = {one.name: one for one in STAYS}


def run(agent: Agent, scenario: Scenario | Stays, bound: float) -> Seen:
    """Carry it out on a gateway that runs, and wait for what becomes of it; `bound` as in `Agent.outcome`."""
    if isinstance(scenario, Scenario) and scenario.knobs:
        agent.launchd.knob(**scenario.knobs)
    _turn(agent, scenario.mode)
    scenario.act(agent)
    return agent.outcome(bound)


def stopped(agent: Agent, bound: float) -> bool:
    """Boot it out by hand; whether it stays so."""
    unload(agent)
    return not agent.outcome(bound).alive


def busy(count: int) -> list[subprocess.Popen[bytes]]:
    """So many processes that do nothing, as fast as they can."""
    return [subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]) for _ in range(count)]

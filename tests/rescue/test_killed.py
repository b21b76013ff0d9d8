"""SIGKILL to whoever of ours keeps hermes-agent alive, at each step of a rescue: it is alive at the end, once."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.agent.beside import Beside, kill
from support.agent.scenarios import ASIDE, HELD, WHOLE
from support.faults.places import Place, fault, on_call, on_return

from hermes_cli.intents import request
from hermes_cli.intents.driver import Driver
from hermes_cli.intents.queue import Queue
from hermes_cli.programs.declared import DeclaredProgram
from hermes_cli.services.adopted.launchd import AdoptedLaunchd

pytestmark = [pytest.mark.timeout(600)]
STEPS = [
    on_call(DeclaredProgram.look),
    on_return(DeclaredProgram.look),
    on_call(request.submit),
    on_return(request.submit),
    on_return(DeclaredProgram.remember),
    on_call(AdoptedLaunchd.demand_start),
    on_return(AdoptedLaunchd.demand_start),
    on_call(Queue.settle),
    on_return(Queue.settle),
    on_call(Driver._observe),
]
CHOSEN = STEPS if WHOLE else [on_return(request.submit)]


def held_restart(beside: Beside) -> None:
    """A restart asked for inside, while launchd holds everything back."""
    agent = beside.agent
    agent.launchd.knob(**HELD)
    agent.ask()
    agent.restart_inside()


def assert_alive_once(beside: Beside) -> None:
    seen = beside.agent.outcome(bound=4 * ASIDE)
    assert seen.alive, beside.log()
    assert seen.spawns == 1, beside.log()
    assert seen.unchanged


@pytest.mark.parametrize("step", CHOSEN, ids=str)
def test_a_look_that_is_killed_at_any_step_is_made_again(
    make_adopted: Callable[..., Beside], tmp_path: Path, step: Place
) -> None:
    beside = make_adopted()
    once = tmp_path / "struck"
    beside.interpreter.strike(fault("kill", step, once=once, program="hermes_cli.jobs.adopted"))
    held_restart(beside)
    assert_alive_once(beside)
    assert once.exists()


@pytest.mark.skipif(not WHOLE, reason="HERMES_RESCUE=whole")
@pytest.mark.parametrize("when", ["before the request", "while it drains", "after its end"])
def test_the_hook_brings_the_resident_back_or_the_next_look_does(
    make_adopted: Callable[..., Beside], when: str
) -> None:
    beside = make_adopted()
    (resident,) = beside.residents()
    beside.agent.launchd.knob(**HELD)
    if when == "before the request":
        kill(resident)
    beside.agent.ask()
    os.kill(beside.agent.state()["pid"], signal.SIGUSR1)
    if when == "while it drains":
        beside.until(lambda: beside.agent.state().get("restart_requested"), "the request in its file")
    if when == "after its end":
        beside.agent.await_end()
    if when != "before the request":
        kill(resident)
    if when == "after its end":  # the hook found it running, and launchd holds it back: a person repeats the command
        beside.run("gateway", "adopt", "hermes-agent")
    assert_alive_once(beside)


@pytest.mark.skipif(not WHOLE, reason="HERMES_RESCUE=whole")
def test_without_its_hook_the_resident_alone_is_enough(make_adopted: Callable[..., Beside]) -> None:
    beside = make_adopted("--no-hook")
    assert not (beside.agent.home / "hooks" / "hermesctl").exists()
    held_restart(beside)
    assert_alive_once(beside)


# What the hook runs at the gateway's exit is a `launchctl kickstart`: where it is killed.
HOOK = {
    "before it asks": "kill -KILL $$",
    "while launchd answers": 'ask "$@" & kill -KILL $! $$',
    "after the answer": 'ask "$@"; kill -KILL $$',
}


def strike_hook(beside: Beside, struck: Path, how: str) -> None:
    """Kill the first kickstart of our resident that anybody makes from now on, so; `struck` says that it was."""
    launchctl = beside.agent.launchd.bin / "launchctl"
    shebang, command = launchctl.read_text().split("\n", 1)
    ask = f"ask() {{ {command.strip().removeprefix('exec ')}; }}"
    case = f'case "$1 $2" in "kickstart "*/dev.hermesctl.*) [ -e "{struck}" ] || {{ : >"{struck}"; {how}; }};; esac'
    fresh = launchctl.with_name("launchctl.new")
    fresh.write_text(f"{shebang}\n{ask}\n{case}\n{command}")
    fresh.chmod(0o755)
    fresh.replace(launchctl)


@pytest.mark.skipif(not WHOLE, reason="HERMES_RESCUE=whole")
@pytest.mark.parametrize("when", [*HOOK])
def test_a_hook_whose_command_is_killed_is_missed_by_nobody(
    make_adopted: Callable[..., Beside], tmp_path: Path, when: str
) -> None:
    beside = make_adopted()
    struck = tmp_path / "struck"
    strike_hook(beside, struck, HOOK[when])
    held_restart(beside)
    assert_alive_once(beside)
    assert struck.exists()


def test_with_resident_and_hook_killed_any_command_brings_it_back(
    make_adopted: Callable[..., Beside], tmp_path: Path
) -> None:
    beside = make_adopted()
    struck = tmp_path / "struck"
    strike_hook(beside, struck, HOOK["before it asks"])
    agent = beside.agent
    agent.launchd.knob(**HELD)
    (resident,) = beside.residents()
    kill(resident)
    agent.ask()
    agent.restart_inside()
    agent.await_end()
    agent.launchd.wait_for("pended", agent.label, after=agent.requested)
    beside.until(struck.exists, "the hook's command")
    assert agent.spawns() == []
    said = beside.run("-p", beside.profile, "gateway", "intents", "list")
    assert "the resident restarter did not run and was started" in said.stderr
    assert_alive_once(beside)

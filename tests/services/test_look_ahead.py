"""Nothing healthy is taken down before it is known that another gateway can start (rule 10), under every manager."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.places import Place, all_of, fault
from support.machines.installation import PATIENCE, REPOSITORY, Installation
from support.machines.interpreter import Interpreter
from support.machines.worlds import World, mostly, with_definitions

from hermes_cli.intents import request
from hermes_cli.intents.instance import Instance
from hermes_cli.system import process

pytestmark = pytest.mark.e2e
TYPO = "\n[terminal]\ntimout = 5\n"
MEND = "terminal.timout is not a setting, did you mean timeout?"


def break_config(hermes: Installation) -> None:
    with open(hermes.paths.config, "a", encoding="ascii") as file:
        file.write(TYPO)


def is_untouched(hermes: Installation, before: Instance) -> bool:
    return hermes.ready().identity == before.identity and hermes.starts() == 1


def elsewhere(world: World) -> Installation:
    """The same home, used from another environment, which is on PATH now."""
    other = Interpreter(world.hermes.home.parent / "another", REPOSITORY)
    found = object.__new__(type(world.hermes))
    found.__dict__.update(world.hermes.__dict__)
    found.python, found.interpreter = str(other.python), other
    return found


def gone(hermes: Installation) -> Path:
    """The program of the environment that the service runs from is gone."""
    program = Path(hermes.python)
    program.unlink()
    return program


def record(hermes: Installation, before: Instance) -> None:
    """A record as somebody writes it who does not look, as an older release does."""
    made = request.compose(
        hermes.paths.profile, reason="manual", command="test", target=before.identity.document(), in_tree=False
    )
    request.submit(hermes.paths.intents, made)


def test_a_restart_into_a_broken_configuration_is_refused_in_one_line_before_it_is_recorded(world: World) -> None:
    before = world.hermes.install()
    break_config(world.hermes)
    for options in ((), ("--no-wait",)):
        done = world.hermes.run("gateway", "restart", *options)
        assert (done.returncode, done.stderr.count("\n")) == (78, 1), done.stderr
        assert done.stderr.startswith("hermes: nothing was restarted")
        assert world.hermes.paths.config in done.stderr
        assert MEND in done.stderr
    assert (world.hermes.ever_settled(), world.hermes.pending()) == ([], [])
    assert is_untouched(world.hermes, before)


@mostly("launchd", "systemd")
def test_a_restart_from_the_chat_into_a_broken_configuration_is_refused_and_the_chat_is_told(world: World) -> None:
    before = world.hermes.install()
    break_config(world.hermes)
    done = world.hermes.run("chat", "/restart")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "restart failed: nothing was restarted" in done.stdout
    assert MEND in done.stdout
    assert [one.outcome for one in world.hermes.settled()] == ["failed"]
    assert is_untouched(world.hermes, before)


@mostly("launchd")
def test_a_driver_looks_before_it_signals(world: World) -> None:
    before = world.hermes.install()
    break_config(world.hermes)
    record(world.hermes, before)
    assert world.call("poke", "poke") is True
    (settled,) = world.hermes.settled()
    assert settled.outcome == "failed"
    assert MEND in settled.detail
    assert is_untouched(world.hermes, before)


@mostly("systemd")
def test_a_gateway_that_is_signalled_stays_if_no_other_could_start(world: World) -> None:
    before = world.hermes.install()
    break_config(world.hermes)
    process.send(before.identity, signal.SIGUSR1)
    world.hermes.until(lambda: "SIGUSR1: staying" in world.hermes.log(), "the gateway's word")
    assert is_untouched(world.hermes, before)
    assert MEND in world.hermes.log()
    world.hermes.run("gateway", "stop")
    world.hermes.gone(before.identity)


@mostly("embedded")
def test_force_restarts_all_the_same(world: World) -> None:
    before = world.hermes.install()
    break_config(world.hermes)
    done = world.hermes.run("gateway", "restart", "--force")
    assert done.returncode == 1
    world.hermes.gone(before.identity)
    assert [one.outcome for one in world.hermes.settled()] == ["failed"]


def test_a_restart_whose_program_is_gone_is_made_one_into_the_environment_that_asks(world: World) -> None:
    before = world.hermes.install()
    program = gone(world.hermes)
    here = elsewhere(world)
    status = here.status()
    assert "program-gone" in [one["code"] for one in status["problems"]]
    assert str(program) in str(status["problems"])
    done = here.run("gateway", "restart")
    assert done.returncode == 0, done.stdout + done.stderr + here.log()
    after = here.ready(other_than=before)
    assert done.stdout.startswith(f"restarted: pid {after.identity.pid}")
    assert here.status()["problems"] == []


@mostly("launchd")
def test_a_start_whose_program_is_gone_starts_from_the_environment_that_asks(world: World) -> None:
    before = world.hermes.install()
    gone(world.hermes)
    process.send(before.identity, signal.SIGKILL)
    world.hermes.gone(before.identity)
    here = elsewhere(world)
    began = time.monotonic()
    done = here.run("gateway", "start")
    assert done.returncode == 0, done.stdout + done.stderr + here.log()
    assert time.monotonic() - began < PATIENCE / 2
    here.ready(other_than=before)
    assert here.status()["problems"] == []


@mostly("launchd")
def test_a_start_beside_a_drain_whose_program_is_gone_starts_from_the_environment_that_asks(world: World) -> None:
    before = world.hermes.install()
    let_go = world.hermes.busy()
    process.send(before.identity, signal.SIGUSR1)
    world.hermes.in_state("draining")
    gone(world.hermes)
    here = elsewhere(world)
    asking = here.start("gateway", "start")
    seen = here.until(lambda: [one.action for one in here.pending()] or asking.poll() is not None, "what it asks for")
    let_go()
    out, errors = asking.communicate(timeout=PATIENCE)
    assert asking.returncode == 0, out + errors + here.log()
    if world.name == "launchd":
        assert seen == ["reload"]  # it runs, and would start again, what it loaded
    here.ready(other_than=before)
    assert here.status()["problems"] == []


@mostly("systemd")
def test_a_restart_from_the_chat_whose_program_is_gone_leaves_the_gateway_alone_and_says_so(world: World) -> None:
    before = world.hermes.install()
    gone(world.hermes)
    here = elsewhere(world)
    done = here.run("chat", "/restart")
    assert done.returncode == 1, done.stdout + done.stderr + here.log()
    assert "the program is gone" in done.stdout
    assert "hermes gateway install" in done.stdout
    assert here.ready().identity == before.identity


@mostly("systemd")
def test_an_install_that_could_start_no_other_gateway_changes_nothing(world: World) -> None:
    before = world.hermes.install()
    texts = [path.read_text() for path in world.definitions()]
    service = world.definitions()[0]
    service.write_text(service.read_text().replace(*world.drift))
    drifted = service.read_text()
    break_config(world.hermes)
    done = world.hermes.run("gateway", "install")
    assert (done.returncode, done.stderr.count("\n")) == (78, 1), done.stderr
    assert MEND in done.stderr
    assert [path.read_text() for path in world.definitions()] == [drifted, *texts[1:]]
    assert is_untouched(world.hermes, before)


@mostly("embedded")
def test_a_state_directory_that_cannot_be_made_is_an_obstacle(world: World) -> None:
    world.hermes.install()
    assert world.call("obstacle") is None
    os.rename(world.hermes.paths.logs, f"{world.hermes.paths.logs}.away")
    assert world.call("obstacle") is None  # it is made
    assert os.path.isdir(world.hermes.paths.logs)


@with_definitions
def test_a_definition_that_is_gone_is_an_obstacle_and_a_restart_brings_it_back(world: World) -> None:
    before = world.hermes.install()
    definition = world.definitions()[0]
    text = definition.read_text()
    definition.unlink()
    if world.manager is not None:
        world.manager.systemctl("daemon-reload")
        assert str(definition) in world.call("unfit")
        done = world.hermes.run("chat", "/restart")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "the definition is gone" in done.stdout
        assert world.hermes.ready().identity == before.identity
    else:
        assert world.call("unfit") is None  # launchd has what it loaded
    done = world.hermes.run("gateway", "restart")
    assert done.returncode == 0, done.stdout + done.stderr + world.hermes.log()
    world.hermes.ready(other_than=before)
    if world.manager is not None:
        assert definition.read_text() == text
    definition.write_text(text.replace("hermes_cli", "somebody").replace("HERMES_", "SOME_"))
    assert "is not hermes's" in world.call("unfit")
    definition.write_text(text)


def test_a_restart_whose_supervisor_may_start_no_process_is_refused_until_it_may(
    make_installation: Callable[..., Installation], tmp_path: Path
) -> None:
    hermes, full = make_installation(tmp_path / "home"), tmp_path / "full"
    calls = (Place("before", f"hermes_cli.services.embedded.supervisor:os.{name}") for name in ("fork", "posix_spawn"))
    supervisor = hermes.start(
        "gateway", "run", "--supervise", fault=all_of(*(fault(f"tasks:{full}", one) for one in calls))
    )
    before = hermes.ready()
    full.touch()
    done = hermes.run("gateway", "restart")
    assert done.returncode == 1, done.stdout + hermes.log()
    assert done.stderr.startswith("hermes: nothing was restarted, the next gateway would not start: the supervisor can")
    assert done.stderr.endswith("or raise ulimit -u\n")
    asked = hermes.run("chat", "/restart")
    assert "restart failed: nothing was restarted" in asked.stdout, asked
    assert hermes.ready().identity == before.identity
    full.unlink()
    assert hermes.run("gateway", "restart").stdout.startswith("restarted")
    assert hermes.run("gateway", "stop").returncode == 0
    supervisor.terminate()
    supervisor.communicate(timeout=PATIENCE)

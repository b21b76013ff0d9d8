"""The embedded manager where starts, stops and its own new code meet: each order is forced with gates."""

import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from support.faults.gates import Gate
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import PATIENCE, Installation
from support.releases.checkout import Checkout, git

from hermes_cli.intents.request import make_directories
from hermes_cli.programs import own
from hermes_cli.services.embedded import reexecution
from hermes_cli.services.embedded import supervisor as embedded_supervisor
from hermes_cli.services.embedded.control import Control
from hermes_cli.system import process
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Identity

pytestmark = pytest.mark.e2e
AT_ONCE = 10.0  # seconds, on a busy machine; who waits in vain for a supervisor gives up after 15


def at(gate: Gate, place: Place, program: str) -> str:
    """A fault that stops the first process of that program at the gate."""
    return fault(f"gate:{gate.place}", place, Path(f"{gate.place}.struck"), program)


def test_a_stop_that_meets_a_supervisor_that_begins_wins_at_once(
    hermes: Installation, gate: Callable[[str], Gate]
) -> None:
    begins, waits = gate("begins"), gate("waits")
    # It has its lock, and no socket yet.
    held = at(begins, on_call(make_directories, used_by=embedded_supervisor), "--background")
    starting = hermes.start("gateway", "install", fault=held)
    supervisor = Identity.of(begins.reached())
    assert supervisor is not None
    stopping = hermes.start("gateway", "stop", fault=at(waits, on_call(DirectoryWatch.wait), "gateway stop"))
    waits.reached()
    began = time.monotonic()
    begins.open()
    hermes.gone(supervisor)
    waits.open()
    _, told = stopping.communicate(timeout=PATIENCE)
    assert stopping.returncode == 0, told
    _, told = starting.communicate(timeout=PATIENCE)
    assert (starting.returncode, told) == (1, "hermes: the gateway was stopped meanwhile: hermes gateway start\n")
    assert time.monotonic() - began < AT_ONCE
    hermes.until(lambda: not hermes.processes(), "nobody left")
    assert hermes.starts() == 0


def test_a_start_that_meets_a_supervisor_that_ends_starts_another(
    hermes: Installation, gate: Callable[[str], Gate]
) -> None:
    ends, waits = gate("ends"), gate("waits")
    before = hermes.install(fault=at(ends, on_return(Control.close), "--background"))
    assert hermes.run("gateway", "stop").returncode == 0
    ends.reached()  # its socket is gone, its lock is not
    starting = hermes.start("gateway", "start", fault=at(waits, on_call(DirectoryWatch.wait), "gateway start"))
    waits.reached()
    began = time.monotonic()
    ends.open()
    waits.open()
    _, told = starting.communicate(timeout=PATIENCE)
    assert starting.returncode == 0, told
    assert time.monotonic() - began < AT_ONCE
    hermes.ready(other_than=before)


def test_a_supervisor_that_cannot_begin_is_said_at_once(hermes: Installation) -> None:
    broken = fault("fail", on_call(make_directories, used_by=embedded_supervisor), program="--background")
    began = time.monotonic()
    done = hermes.run("gateway", "install", fault=broken)
    said, *its_log = done.stderr.splitlines()
    assert (done.returncode, said) == (1, f"hermes: the supervisor does not stay: see {hermes.paths.gateway_log}")
    assert its_log[-1] == "  RuntimeError: injected"
    assert time.monotonic() - began < AT_ONCE


def logged(hermes: Installation, what: str) -> datetime:
    """When the supervisor said so."""
    (line,) = [line for line in hermes.log().splitlines() if what in line]
    return datetime.fromisoformat(line.split()[0])


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "git")


def pull(checkout: Checkout) -> str:
    """New code, as somebody would bring it in by hand; its revision."""
    new = checkout.release("hermes_cli/__init__.py", '__version__ = "', '__version__ = "9.')
    git(checkout.path, "pull", "-q")
    return new


def test_a_crash_before_the_supervisor_executed_its_new_code_counts_after_it(
    make_installation: Callable[..., Installation], checkout: Checkout
) -> None:
    hermes = make_installation(code=checkout.path)
    first = hermes.install()
    supervisor = hermes.supervisor()
    assert supervisor is not None
    new = pull(checkout)
    process.send(first.identity, signal.SIGKILL)
    second = hermes.ready(other_than=first)
    assert second.revision == new
    hermes.until(lambda: "--resume" in psutil.Process(supervisor.pid).cmdline(), "the supervisor's new code")
    process.send(second.identity, signal.SIGKILL)
    third = hermes.ready(other_than=second)
    pause = logged(hermes, f"started the gateway, pid {third.identity.pid}") - logged(
        hermes, f"the gateway, pid {second.identity.pid}, killed by SIGKILL"
    )
    assert pause.total_seconds() >= 1.0  # what a second crash earns
    assert hermes.supervisor() == supervisor


def test_a_planned_exit_while_the_supervisor_executes_its_new_code_is_no_crash(
    make_installation: Callable[..., Installation], checkout: Checkout, gate: Callable[[str], Gate]
) -> None:
    hermes, executed = make_installation(code=checkout.path), gate("executed")
    first = hermes.install(fault=at(executed, on_call(reexecution.inherited), "--resume"))
    pull(checkout)
    process.send(first.identity, signal.SIGUSR1)
    second = hermes.ready(other_than=first)
    supervisor = executed.reached()
    process.send(second.identity, signal.SIGUSR1)
    hermes.gone(second.identity)
    assert own.read_alive(hermes.paths) is None
    executed.open()
    third = hermes.ready(other_than=second)
    assert psutil.Process(third.identity.pid).ppid() == supervisor
    assert f"the gateway, pid {second.identity.pid}, exited 75" in hermes.log()
    assert os.path.exists(f"{hermes.paths.supervisor}/sock")


def test_while_the_supervisor_is_stopped_nothing_is_restarted_and_the_gateway_goes_on(hermes: Installation) -> None:
    """Nobody would start the next one (rule 10), and no command waits for an answer that cannot come."""
    before = hermes.install()
    supervisor = hermes.supervisor()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGSTOP)
    line = f"the supervisor, pid {supervisor.pid}, is stopped (SIGSTOP, Ctrl-Z): kill -CONT {supervisor.pid}"
    done = hermes.run("gateway", "restart")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert line in done.stderr
    started = hermes.run("gateway", "start")
    assert started.returncode == 5
    assert started.stderr.endswith(f"does not answer (stopped): kill -CONT {supervisor.pid}\n")
    assert hermes.ready().identity == before.identity
    os.kill(supervisor.pid, signal.SIGCONT)
    assert hermes.run("gateway", "restart").returncode == 0
    hermes.ready(other_than=before)


def test_a_restart_that_is_recorded_while_the_supervisor_is_stopped_waits_until_it_goes_on(
    hermes: Installation,
) -> None:
    before = hermes.install()
    supervisor = hermes.supervisor()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGSTOP)
    assert hermes.run("gateway", "restart", "--no-wait").returncode == 0
    line = f"the supervisor, pid {supervisor.pid}, is stopped (SIGSTOP, Ctrl-Z): kill -CONT {supervisor.pid}"
    hermes.until(lambda: [one["waiting_for"] for one in hermes.status()["pending"]] == [line], "a driver that waits")
    assert hermes.ready().identity == before.identity
    os.kill(supervisor.pid, signal.SIGCONT)
    hermes.ready(other_than=before)
    hermes.until(lambda: not hermes.pending(), "the outcome")
    assert [one.outcome for one in hermes.settled()] == ["restarted"]

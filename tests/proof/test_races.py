"""Races at named points: each order is forced with gates, none is hoped for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import TESTS
from support.faults.gates import Gate
from support.faults.places import Function, Place, all_of, fault, on_return
from support.machines.installation import FAULTS, PATIENCE, REPOSITORY, Installation
from support.models import driver_alone
from support.models.driver_alone import GATEWAY, paths_below

from hermes_cli.intents import tidying
from hermes_cli.intents.driver import Driver
from hermes_cli.intents.queue import Queue
from hermes_cli.intents.request import compose, make_directories, submit
from hermes_cli.restart import send, wake
from hermes_cli.services.embedded.driver_runs import DriverRuns
from hermes_cli.services.embedded.manager import Embedded
from hermes_cli.system import process

pytestmark = pytest.mark.e2e


def gated(hermes: Installation, point: Gate, place: Place | Function, program: str) -> str:
    """A fault that stops the first process of that program at the gate."""
    return fault(f"gate:{point.place}", place, Path(f"{point.place}.struck"), program)


def end(asking: subprocess.Popen[str]) -> str:
    return asking.communicate(timeout=PATIENCE)[0]


def only_settled(hermes: Installation, count: int = 1) -> set[str]:
    return {one.outcome for one in hermes.settled(count)}


def test_a_second_driver_during_the_first_ones_act_leaves_it_alone(hermes: Installation, gate) -> None:
    acting = gate("acting")
    before = hermes.install(fault=gated(hermes, acting, Driver._act, "hermes_cli.restarter"))
    skip = fault("skip", send.signal_target)
    assert hermes.run("gateway", "restart", "--no-wait", fault=skip).returncode == 0
    acting.reached()
    second = hermes.run("gateway", "intents", "drive")
    assert second.returncode == 75, second.stdout + second.stderr
    assert hermes.ready().identity == before.identity
    acting.open()
    hermes.ready(other_than=before)
    assert only_settled(hermes) == {"restarted"}
    assert hermes.starts() == 2


def test_a_request_after_the_drivers_last_look_is_settled_by_that_driver(hermes: Installation, gate) -> None:
    last = gate("last")
    # Nobody else drives: this driver's own rescan after it has let go of the lock is what is tried.
    skip = all_of(fault("skip", DriverRuns.run), fault("skip", wake.start_driver))
    before = hermes.install(fault=skip)
    hermes.run("gateway", "restart", "--no-wait", fault=skip)
    driving = hermes.start(
        "gateway",
        "intents",
        "drive",
        fault=gated(hermes, last, on_return(tidying.tidy), "drive"),
    )
    last.reached()
    assert only_settled(hermes) == {"restarted"}
    middle = hermes.ready(other_than=before)
    assert hermes.run("gateway", "restart", "--no-wait").returncode == 0
    assert len(hermes.pending()) == 1
    last.open()
    end(driving)
    assert driving.returncode == 0
    hermes.ready(other_than=middle)
    assert only_settled(hermes, 2) == {"restarted"}


def test_a_cancel_while_the_driver_is_about_to_settle_gives_one_outcome(hermes: Installation, gate) -> None:
    settling = gate("settling")
    before = hermes.install(fault=gated(hermes, settling, Queue.settle, "hermes_cli.restarter"))
    hermes.run("gateway", "restart", "--no-wait")
    settling.reached()
    (one,) = hermes.pending()
    cancelled = hermes.run("gateway", "intents", "cancel", one.id)
    settling.open()
    assert cancelled.returncode == 0, cancelled.stderr
    hermes.ready(other_than=before)
    assert only_settled(hermes) == {"cancelled"}
    assert hermes.starts() == 2


def test_a_stop_while_a_driver_is_about_to_demand_a_start_wins(hermes: Installation, gate) -> None:
    starting = gate("starting")
    before = hermes.install()
    hermes.run("gateway", "stop")
    hermes.gone(before.identity)
    hermes.until(lambda: not hermes.processes(), "nobody left")
    os.unlink(hermes.paths.desired)
    # The look at what is desired is behind the driver, the manager's own start before it.
    at = gated(hermes, starting, Embedded.demand_start, "restarter")
    asking = hermes.start("gateway", "restart", "--no-wait", fault=at)
    starting.reached()
    stopped = hermes.run("gateway", "stop")
    assert stopped.returncode == 0, stopped.stderr
    starting.open()
    end(asking)
    hermes.until(lambda: not hermes.processes(), "nobody left")
    assert only_settled(hermes) == {"cancelled"}
    assert hermes.starts() == 1


def test_a_fresh_instance_between_look_and_kick_is_left_alone(tmp_path: Path, gate) -> None:
    kicking = gate("kicking")
    home = tmp_path / "alone"
    home.mkdir(mode=0o700)
    paths = paths_below(str(home))
    make_directories(paths.intents)
    identifier = submit(paths.intents, compose(paths.profile, reason="manual", command="x", target=None, in_tree=False))
    code = os.pathsep.join(str(folder) for folder in (FAULTS, TESTS, REPOSITORY))
    at = fault(f"gate:{kicking.place}", Driver._act, tmp_path / "struck")
    environment = {**os.environ, "PYTHONPATH": code, "HERMES_TEST_FAULT": at}
    with subprocess.Popen([sys.executable, driver_alone.__file__, str(home)], env=environment) as driving:
        kicking.reached()  # it has looked, saw nothing run, and is about to kick
        with subprocess.Popen(
            [sys.executable, str(GATEWAY), str(home)], stdout=subprocess.PIPE, env=environment
        ) as fresh:
            assert fresh.stdout is not None
            assert fresh.stdout.readline() == b"ready\n"
            kicking.open()
            assert driving.wait(PATIENCE) == 0
            found = paths.queue.find(identifier)
            ran = (home / "starts").read_text().split()
            still = fresh.poll()
            fresh.kill()
    assert found is not None
    assert found.outcome == "restarted"
    assert ran == [str(fresh.pid)]
    assert still is None


def test_a_signal_for_an_instance_that_ends_between_look_and_signal_reaches_nobody(hermes: Installation, gate) -> None:
    signalling = gate("signalling")
    before = hermes.install(fault=gated(hermes, signalling, process.send, "hermes_cli.restarter"))
    hermes.run("gateway", "restart", "--no-wait", fault=fault("skip", send.signal_target))
    signalling.reached()
    process.send(before.identity, signal.SIGKILL)
    fresh = hermes.ready(other_than=before)
    signalling.open()
    assert only_settled(hermes) == {"restarted"}
    assert hermes.ready().identity == fresh.identity
    assert hermes.starts() == 2
    assert len(hermes.paths.queue.history()) == 1

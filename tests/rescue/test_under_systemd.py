"""An unmodified hermes-agent under a real `systemd --user`, with the unit that it writes itself, adopted."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent.apart import apart
from support.agent.on_systemd import UNIT, OnSystemd
from support.machines.user_manager import UserManager


@pytest.fixture
def machine(user_manager: UserManager, agent_python: Path) -> Iterator[OnSystemd]:
    with apart(updates=False):
        yield OnSystemd(user_manager, agent_python)


def test_a_gateway_that_is_killed_and_not_restarted_by_systemd_comes_back(machine: OnSystemd) -> None:
    before = machine.install("[Service]", "Restart=no", "RestartForceExitStatus=")
    unit = machine.unit.read_bytes()
    machine.adopt()
    os.kill(before.pid, signal.SIGKILL)
    machine.ready(other_than=before)
    assert machine.unit.read_bytes() == unit


def test_a_restart_that_it_was_asked_for_comes_back(machine: OnSystemd) -> None:
    before = machine.install("[Service]", "Restart=no", "RestartForceExitStatus=")
    machine.adopt()
    os.kill(before.pid, signal.SIGUSR1)
    machine.ready(other_than=before)


def test_a_start_limit_does_not_keep_it_down(machine: OnSystemd) -> None:
    before = machine.install("[Unit]", "StartLimitIntervalSec=300", "StartLimitBurst=2", "[Service]", "RestartSec=0.2")
    machine.adopt()
    for _ in range(3):
        os.kill(before.pid, signal.SIGKILL)
        before = machine.ready(other_than=before)


def test_a_stop_by_hand_stays_one(machine: OnSystemd) -> None:
    machine.install()
    machine.adopt()
    assert machine.manager.systemctl("stop", UNIT).returncode == 0
    machine.stays_away()


def test_its_own_stop_stays_one_and_status_says_so(machine: OnSystemd) -> None:
    machine.install()
    machine.adopt()
    machine.theirs("gateway", "stop")
    machine.until(lambda: machine.manager.show(UNIT, "MainPID") == "0", "its end")
    machine.stays_away()
    shown = machine.ours("-p", "hermes-agent", "gateway", "status")
    assert shown.returncode == 3
    assert "not running" in shown.stdout


def test_release_leaves_the_unit_and_no_resident(machine: OnSystemd) -> None:
    before = machine.install()
    units = sorted(path.name for path in machine.manager.units.rglob("*"))
    machine.adopt()
    assert machine.ours("gateway", "release").returncode == 0
    assert sorted(path.name for path in machine.manager.units.rglob("*")) == units
    assert machine.manager.show("hermesctl-hermes-agent.service", "LoadState") == "not-found"
    assert machine.ready().is_same_as(before)

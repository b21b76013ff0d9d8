"""The report's case, in every world that launchd may turn out to be, with whatever may go wrong in it.

Bounded by default; HERMES_LAUNCHD_MATRIX=whole runs every fault in every world.
"""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from support.faults.matrix import FAULTS, HOSTILE, KIND, NOTHING, WORLDS, Fault, bound, name_of, named, pairwise
from support.faults.places import fault as strike
from support.machines.mac import REPOSITORY, Mac

from hermes_cli.intents.instance import Instance

WHOLE = os.environ.get("HERMES_LAUNCHD_MATRIX") == "whole"
SOME = [*pairwise(), HOSTILE]
CELLS = [
    pytest.param(world, fault, id=f"{fault.name} - {name_of(world)}")
    for fault in [NOTHING, *FAULTS]
    for world in (WORLDS if WHOLE else SOME if fault is NOTHING else [KIND, HOSTILE])
]
LIVES = WORLDS if WHOLE else pairwise()


class Cell:
    """One machine in one world, its gateway installed and ready, and the restart asked for in its terminal."""

    def __init__(self, mac: Mac, fault: Fault) -> None:
        self.mac = mac
        self.fault = fault
        self._strike()
        began = time.monotonic()
        self.before = mac.install()
        self.installing = time.monotonic() - began

    def ask(self) -> None:
        """Ask in-tree, and kill the asking client as soon as the record is there: nobody is left who waits."""
        mac, fault = self.mac, self.fault
        if fault.later:
            mac.launchd.knob(**named(mac, fault.later))
        if fault.before:
            fault.before(mac)
        release = mac.busy() if fault.during else None
        mac.requested = mac.launchd.mark()
        self.began = time.monotonic()
        asking = mac.start("chat", "!hermes gateway restart")
        mac.until(lambda: mac.pending() or mac.ever_settled(), "the record")
        asking.send_signal(signal.SIGKILL)
        asking.wait()
        if release is not None:
            assert fault.during is not None
            mac.in_state("draining")
            fault.during(mac)
            release()
        if fault.after:
            fault.after(mac)

    def _strike(self) -> None:
        if self.fault.strike:
            action, place, program = self.fault.strike
            assert self.mac.interpreter is not None
            self.mac.interpreter.strike(strike(action, place, self.mac.home / "struck", program))

    def finish(self, patience: float, *, next_command: bool) -> tuple[Instance, str]:
        """The fresh, supervised instance, and who finished it: launchd and hermes by themselves, or the next command."""
        left = max(0.0, self.began + patience - time.monotonic())
        by = "itself"
        if next_command:
            self.mac.run("gateway", "status")
            by = "next command"
        fresh = self.mac.ready(other_than=self.before, patience=left + (patience if next_command else 0.0))
        self.mac.settled()
        return fresh, by


def own_package(folder: Path) -> Path:
    """A copy of the package, to be broken."""
    shutil.copytree(REPOSITORY / "hermes_cli", folder / "code" / "hermes_cli")
    return folder / "code"


@pytest.mark.parametrize(("world", "fault"), CELLS)
def test_the_gateway_comes_back(make_mac, world, fault: Fault, record_property, tmp_path):
    noted = {"fault": fault.name, "world": name_of(world), "bound": bound(world, fault)}
    record_property("cell", noted)
    own = {"code": own_package(tmp_path)} if fault.own_code else {}
    config = {"config": fault.config} if fault.config else {}
    mac: Mac = make_mac(**world, **(fault.knobs or {}), **config, **own)
    cell = Cell(mac, fault)
    noted["bound"] = limit = bound(world, fault, cell.installing)
    cell.ask()
    fresh, by = cell.finish(limit, next_command=fault.next_command(world))
    noted |= {"seconds": time.monotonic() - cell.began, "by": by}
    spawns = [one for one in mac.launchd.events("spawn", mac.gateway) if one.t > mac.requested]
    assert mac.launchd.pid(mac.gateway) == fresh.identity.pid, "the fresh instance is supervised"
    assert len(spawns) == 1, spawns
    (settled,) = mac.ever_settled()
    assert settled.outcome in {"restarted", "already-satisfied"}
    assert mac.pending() == []
    struck = {one.pid for one in mac.launchd.events("signal", mac.gateway) if one.t > mac.requested}
    assert struck <= {cell.before.identity.pid}
    if fault.strike:
        assert (mac.home / "struck").exists()


@pytest.mark.parametrize("world", [pytest.param(world, id=name_of(world)) for world in LIVES])
def test_the_service_has_its_whole_life_in_every_world(make_mac, world):
    mac: Mac = make_mac(**world)
    first = mac.install()
    assert mac.launchd.pid(mac.gateway) == first.identity.pid
    assert mac.run("gateway", "restart").returncode == 0
    second = mac.ready(other_than=first)
    assert mac.run("gateway", "stop").stdout == "stopped\n"
    assert mac.run("gateway", "status").returncode == 3
    assert mac.run("gateway", "start").returncode == 0
    third = mac.ready(other_than=second)
    assert mac.launchd.pid(mac.gateway) == third.identity.pid
    assert mac.spawns() == 3
    assert mac.run("gateway", "status").returncode == 0
    assert mac.run("gateway", "uninstall").stdout == "uninstalled\n"
    assert mac.run("gateway", "status").returncode == 4
    assert mac.launchd.pid(mac.gateway) is None

"""What the soak runs under: an installation under one manager, and what a person does to that manager by hand."""

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from launchd_emulator import Launchd

from support.faults.matrix import WORLDS
from support.machines.installation import REPOSITORY, Installation, end_processes_below
from support.machines.interpreter import Interpreter
from support.machines.mac import Mac
from support.machines.user_manager import UserManager

_HELD_BACK = (5.0, 25.0)  # launchd's seconds of on-demand-only mode; with no end to it a crash would be for a person


@dataclass
class Soaked:
    """One manager with one profile on it."""

    hermes: Installation
    resting: int  # processes of hermes while nothing happens
    by_hand: dict[str, Callable[[], object]] = field(default_factory=dict)
    turn: Callable[[random.Random], object] = lambda _: None  # the manager is another one from now on
    places: tuple[Path, ...] = ()  # where hermes writes, besides its home

    def of_manager(self) -> list[psutil.Process]:
        """The manager's own processes: those below us that are not of hermes."""
        ours = {one.pid for one in self.hermes.processes()}
        return [one for one in psutil.Process().children(recursive=True) if one.pid not in ours]


@contextlib.contextmanager
def make(manager: str, folder: Path) -> Iterator[Soaked]:
    """An installation in `folder`, nothing installed; at the end nothing of it runs. Raises NoManagerError."""
    with contextlib.ExitStack() as stack:
        stack.callback(end_processes_below, folder)
        yield _MAKERS[manager](folder, stack)


def _embedded(folder: Path, _: contextlib.ExitStack) -> Soaked:
    return Soaked(Installation(folder / "home"), resting=2)


def _systemd(folder: Path, stack: contextlib.ExitStack) -> Soaked:
    manager = UserManager()
    stack.callback(manager.close)
    manager.start()
    interpreter = Interpreter(folder / "python", REPOSITORY)
    hermes = Installation(folder / "home", manager="systemd", variables=manager.variables, interpreter=interpreter)
    by_hand = {
        "systemctl restart": lambda: manager.systemctl("restart", hermes.units.service),
        "systemctl restart of the restarter": lambda: manager.systemctl(
            "restart", "--no-block", hermes.units.restarter
        ),
        "daemon-reload": manager.load,
    }
    return Soaked(hermes, resting=1, by_hand=by_hand, places=(manager.units,))


def _launchd(folder: Path, stack: contextlib.ExitStack) -> Soaked:
    mac = Mac(folder, lambda **knobs: stack.enter_context(Launchd(folder / "launchd", **knobs)))
    target = f"{mac.launchd.domain}/{mac.gateway}"

    def unload() -> None:
        mac.launchd.launchctl("bootout", target)
        started = mac.run("gateway", "start")
        assert started.returncode == 0, started.stderr

    by_hand = {
        "kickstart": lambda: mac.launchd.launchctl("kickstart", target),
        "kickstart -k": lambda: mac.launchd.launchctl("kickstart", "-k", target),
        "bootout and start": unload,
    }

    def turn(chance: random.Random) -> None:
        world = dict(chance.choice(WORLDS))
        held = chance.uniform(*_HELD_BACK)
        mac.launchd.knob(**{**world, "on_demand_only": held if world["on_demand_only"] else False})

    return Soaked(mac, resting=1, by_hand=by_hand, turn=turn, places=(mac.agents,))


_MAKERS = {"embedded": _embedded, "systemd": _systemd, "launchd": _launchd}
MANAGERS = tuple(_MAKERS)

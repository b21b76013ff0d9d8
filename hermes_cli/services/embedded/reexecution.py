"""The supervisor becomes its new code: in its own place, with the same pid, the same lock and the same child.

A gateway of another revision that is ready says that there is some. It is proved in a fresh process first. What only
this process knows is handed over in the environment, to whatever release that is: it may know less of it, or more.
"""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import NoReturn

from hermes_cli.installation import entry_points
from hermes_cli.installation.revision import installed_revision
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system.durable import finite
from hermes_cli.system.process import describe_exit

_log = logging.getLogger("hermes.supervisor")
_VARIABLE = "HERMES_SUPERVISOR_STATE"


@dataclass(frozen=True, slots=True)
class Carried:
    """What is handed over: the lock's descriptor, the gateway that is our child, how often it has crashed in a row."""

    lock: int | None = None
    gateway: int | None = None  # pid
    since: float | None = None  # monotonic, when it was started
    crashes: int = 0


def inherited() -> Carried:
    """What was handed to this process; nothing, if it is no supervisor's successor."""
    found = json.loads(os.environ.pop(_VARIABLE, "{}"))
    numbers = {name: found[name] for name in ("lock", "gateway", "crashes") if type(found.get(name)) is int}
    return Carried(**numbers, since=finite(found.get("since")))


def become(paths: Paths, carried: Carried, options: list[str], blocked: Iterable[signal.Signals]) -> NoReturn:
    """Execute the new code. Signals are `blocked` until it can handle them."""
    assert carried.lock is not None
    os.set_inheritable(carried.lock, True)
    os.environ[_VARIABLE] = json.dumps(asdict(carried))
    argv = entry_points.gateway(paths.profile, "--supervise", "--resume")
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    os.execv(sys.executable, [*argv, *options])  # noqa: S606  an argv list of our own


class Proof:
    """The proof of new code, in one process at a time. `pid` is that process, or None."""

    def __init__(self, paths: Paths, spawn: Callable[[list[str]], int]) -> None:
        """`spawn` starts a program and gives the pid."""
        self._paths = paths
        self._spawn = spawn
        self._own = installed_revision()
        self.revision: str | None = None  # tried last: one that would not have us is not tried again
        self.pid: int | None = None

    def look(self) -> None:
        """Begin one, if a gateway on code that is neither ours nor refused is ready."""
        running = own.read_alive(self._paths)
        if self.pid is not None or running is None or not running.ready:
            return
        if running.revision in {None, self._own, self.revision}:
            return
        try:
            self.pid = self._spawn([sys.executable, "-P", "-c", entry_points.SUPERVISOR_PROOF])
        except OSError as error:  # tried again at the next look
            _log.warning("the new code cannot be tried: %s", error.strerror)
            return
        self.revision = running.revision

    def exited(self, code: int) -> bool:
        """Whether it has succeeded."""
        self.pid = None
        if code != 0:
            _log.warning("keeping the old supervisor: the new one %s", describe_exit(code))
        return code == 0

    def put_off(self) -> None:
        """It succeeded at a bad moment: the next look begins anew."""
        self.revision = None

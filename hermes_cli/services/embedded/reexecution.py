"""The supervisor executes new code in its own place: with the same pid, the same lock and the same child.

A ready gateway of another revision shows that there is new code, which is proved in a fresh process first. The
environment hands over what only this process knows. Any release may be the new code, and may read less or more.
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
    """What is handed over: the lock's descriptor, the child, how often it has crashed in a row, and an option."""

    lock: int | None = None
    gateway: int | None = None  # pid
    since: float | None = None  # monotonic, when it was started
    crashes: int = 0
    stays: int = 0  # 1: also with a gateway that cannot start


def inherited() -> Carried:
    """Return what was handed to this process; nothing is, if it is no supervisor's successor."""
    found = json.loads(os.environ.pop(_VARIABLE, "{}"))
    numbers = {name: found[name] for name in ("lock", "gateway", "crashes", "stays") if type(found.get(name)) is int}
    return Carried(**numbers, since=finite(found.get("since")))


def become(paths: Paths, carried: Carried, options: list[str], blocked: Iterable[signal.Signals]) -> NoReturn:
    """Execute the new code, with signals `blocked` until it can handle them."""
    assert carried.lock is not None
    os.set_inheritable(carried.lock, True)
    os.environ[_VARIABLE] = json.dumps(asdict(carried))
    argv = entry_points.gateway(paths.profile, "--supervise", "--resume")
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    os.execv(sys.executable, [*argv, *options])  # noqa: S606  an argv list that is composed here


class Proof:
    """The proof of new code, one process at a time. `pid` is that process, or None."""

    def __init__(self, paths: Paths, spawn: Callable[[list[str]], int]) -> None:
        """Take `spawn`, which starts a program and returns its pid."""
        self._paths = paths
        self._spawn = spawn
        self._own = installed_revision()
        self.revision: str | None = None  # tried last: code that failed its proof is not tried again
        self.pid: int | None = None

    def look(self) -> None:
        """Start a proof if a ready gateway runs code that is neither this supervisor's nor refused already."""
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
        """Note that the proof has ended. Say whether it succeeded."""
        self.pid = None
        if code != 0:
            _log.warning("keeping the old supervisor: the new one %s", describe_exit(code))
        return code == 0

    def put_off(self) -> None:
        """Forget a proof that succeeded at a bad moment, so that the next look starts another."""
        self.revision = None

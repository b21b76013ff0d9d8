"""The gateway that the supervisor looks after: its own child, or one that it found running and adopted."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from hermes_cli.installation import entry_points
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system import locks, process_table
from hermes_cli.system.process import Handle, Identity

_log = logging.getLogger("hermes.supervisor")


def start(paths: Paths, spawn: Callable[[list[str], dict[str, str]], int]) -> int:
    """Start a gateway that is marked with its supervisor. Return its pid. Raises OSError."""
    me = Identity.of(os.getpid())
    assert me is not None
    argv = entry_points.gateway(paths.profile)
    return spawn(argv, {"HERMES_SUPERVISOR": process_table.mark(me.pid, me.start_ticks)})


@dataclass(slots=True)
class Child:
    """One gateway. `since`: when it was started or adopted (monotonic). `own`: it is a child, and waited for."""

    handle: Handle
    since: float
    own: bool

    @classmethod
    def of(cls, pid: int, since: float | None) -> Self:
        """Return the supervisor's own child `pid`. Raises ProcessLookupError when it has ended."""
        return cls(Handle(Identity.of(pid) or Identity(pid)), time.monotonic() if since is None else since, own=True)

    @classmethod
    def found(cls, paths: Paths) -> Self | None:
        """Return a gateway that outlived another supervisor or was started by hand, or None when none runs."""
        running = own.read_alive(paths)
        if running is None or not locks.may_be_held(paths.gateway_lock):
            return None
        try:
            return cls(Handle(running.identity), time.monotonic(), own=False)
        except ProcessLookupError:
            return None

    @property
    def pid(self) -> int:
        """Return the gateway's pid."""
        return self.handle.identity.pid

    def send(self, number: signal.Signals) -> None:
        """Signal the gateway, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            self.handle.send(number)

    def forward(self, paths: Paths, number: signal.Signals) -> None:
        """Signal the gateway if it has said that it handles the signal: before that, it would die of it (rule 5)."""
        described = own.read_alive(paths)
        if described is None or not described.handles_signal:
            _log.warning("%s not forwarded: the gateway handles no signals yet", number.name)
            return
        self.send(number)

    def last_word(self, paths: Paths) -> int:
        """Return the exit code that an adopted gateway left in gateway.json.

        Without one, somebody killed it.
        """
        last = own.read(paths)
        if last is None or last.exit_code is None or not last.identity.is_same_as(self.handle.identity):
            return -signal.SIGKILL
        return last.exit_code

"""The instance's state, and the only writer of gateway.json: starting → ready → draining → exited.

A move that the arrows do not allow is an error, so that no caller can announce a state that is not reached.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from hermes_cli.intents.instance import DrainState, Instance, Marks, State
from hermes_cli.intents.request import boot_time
from hermes_cli.paths import Paths
from hermes_cli.programs import own

_log = logging.getLogger("hermes.lifecycle")
_BEFORE: dict[State, tuple[State, ...]] = {
    "ready": ("starting",),
    "draining": ("ready",),
    "exited": ("starting", "ready", "draining"),
}


class IllegalMoveError(RuntimeError):
    """The instance cannot go from its state to that one; the text names both."""


class Lifecycle:
    """The life of an instance. Only the first write must succeed: a full disk ends no chat later on."""

    def __init__(self, paths: Paths, described: Instance) -> None:
        """Write the file for `described`, which is starting and handles SIGUSR1 by now. Raises OSError."""
        self._paths = paths
        before = own.read(paths)  # the file is still of the instance before: nobody else will tell how it ended
        self._now = described._replace(
            handles_signal=True,
            marks=Marks(described.identity.pid),
            before=before.marks if before is not None else None,
        )
        self._timer: asyncio.TimerHandle | None = None
        own.write(paths, self._now)

    @property
    def described(self) -> Instance:
        """The instance as last written."""
        return self._now

    @property
    def state(self) -> State:
        """The state as last written."""
        return self._now.state

    def ready(self) -> None:
        """Say that the channels accept messages. Raises IllegalMoveError."""
        self._mark(ready=time.time())
        self._move("ready")

    def signalled(self) -> None:
        """Note that the restart signal has come; only the first time counts. Written with the next change."""
        if not self._marks.signalled:
            self._mark(signalled=time.time())

    def draining(self, drain: DrainState) -> None:
        """Say that no turn starts any more, or that the deadline or the turns have changed. Raises IllegalMoveError."""
        self._mark(draining=self._marks.draining or drain.since, turns=max(self._marks.turns, drain.turns))
        if self.state == "draining":
            self._write(self._now._replace(drain=drain))
        else:
            self._move("draining", drain=drain)

    def exited(self, code: int) -> None:
        """Say that only the end of the process follows. Raises IllegalMoveError."""
        if self._timer is not None:
            self._timer.cancel()
        self._mark(exited=time.time())
        self._move("exited", exit_code=code)

    def running(self, turns: int) -> None:
        """Note how many turns run."""
        self._write(self._now._replace(active_turns=turns))

    def revised(self, revision: str | None) -> None:
        """Note the revision that runs, which is known a moment after the start."""
        self._write(self._now._replace(revision=revision))

    def beat(self, interval: float, tend: Callable[[], object] = lambda: None) -> None:
        """Write a heartbeat and call `tend` now, and every `interval` seconds unless that is 0."""
        self._write(self._now)
        tend()
        if interval > 0:
            self._timer = asyncio.get_running_loop().call_later(interval, self.beat, interval, tend)

    @property
    def _marks(self) -> Marks:
        return self._now.marks or Marks(self._now.identity.pid)

    def _mark(self, **reached: float) -> None:
        """Note how far this instance has come. Written with the next change."""
        self._now = self._now._replace(marks=self._marks._replace(**reached))  # type: ignore[arg-type]  # not of the pid

    def _move(self, state: State, *, drain: DrainState | None = None, exit_code: int | None = None) -> None:
        if self.state not in _BEFORE[state]:
            raise IllegalMoveError(f"from {self.state} to {state}")
        turns = 0 if state == "exited" else self._now.active_turns
        self._write(self._now._replace(state=state, drain=drain, exit_code=exit_code, active_turns=turns))
        _log.info("%s, revision %s", state, self._now.revision)

    def _write(self, described: Instance) -> None:
        self._now = described._replace(heartbeat=time.time(), heartbeat_since_boot=boot_time())
        try:
            own.write(self._paths, self._now)
        except OSError as error:
            _log.error("gateway.json cannot be written: %s", error.strerror)

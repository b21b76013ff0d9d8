"""The instance's state, and the only writer of gateway.json: starting → ready → draining → exited.

A move that the arrows do not allow is an error, so that no caller can announce a state that is not reached.
"""

import asyncio
import logging
import time
from dataclasses import replace

from hermes_cli.intents.instance import DrainState, State
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.programs.own import GatewayInstance

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

    def __init__(self, paths: Paths, described: GatewayInstance) -> None:
        """Write the file for `described`, which is starting and handles SIGUSR1 by now. Raises OSError."""
        self._paths = paths
        self._now = replace(described, handles_signal=True)
        self._timer: asyncio.TimerHandle | None = None
        own.write(paths, self._now)

    @property
    def described(self) -> GatewayInstance:
        """The instance as last written."""
        return self._now

    @property
    def state(self) -> State:
        """The state as last written."""
        return self._now.state

    def ready(self) -> None:
        """Say that the channels accept messages. Raises IllegalMoveError."""
        self._move("ready")

    def draining(self, drain: DrainState) -> None:
        """Say that no turn starts any more, or that the deadline or the turns have changed. Raises IllegalMoveError."""
        if self.state == "draining":
            self._write(replace(self._now, drain=drain))
        else:
            self._move("draining", drain=drain)

    def exited(self, code: int) -> None:
        """Say that only the end of the process follows. Raises IllegalMoveError."""
        if self._timer is not None:
            self._timer.cancel()
        self._move("exited", exit_code=code)

    def running(self, turns: int) -> None:
        """Note how many turns run."""
        self._write(replace(self._now, active_turns=turns))

    def revised(self, revision: str | None) -> None:
        """Note the revision that runs, which is known a moment after the start."""
        self._write(replace(self._now, revision=revision))

    def beat(self, interval: float) -> None:
        """Write a heartbeat now, and every `interval` seconds unless that is 0."""
        self._write(self._now)
        if interval > 0:
            self._timer = asyncio.get_running_loop().call_later(interval, self.beat, interval)

    def _move(self, state: State, *, drain: DrainState | None = None, exit_code: int | None = None) -> None:
        if self.state not in _BEFORE[state]:
            raise IllegalMoveError(f"from {self.state} to {state}")
        turns = 0 if state == "exited" else self._now.active_turns
        self._write(replace(self._now, state=state, drain=drain, exit_code=exit_code, active_turns=turns))
        _log.info("%s, revision %s", state, self._now.revision)

    def _write(self, described: GatewayInstance) -> None:
        self._now = replace(described, heartbeat=time.time())
        try:
            own.write(self._paths, self._now)
        except OSError as error:
            _log.error("gateway.json cannot be written: %s", error.strerror)

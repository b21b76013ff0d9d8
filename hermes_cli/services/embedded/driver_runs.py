"""The supervisor's runs of a driver: level-triggered, as long as something is pending, with growing pauses."""

import logging
import time
from collections.abc import Callable

from hermes_cli.errors import EX_TEMPFAIL
from hermes_cli.installation.copy import driver_argv
from hermes_cli.intents import sign_of_life
from hermes_cli.paths import Paths
from hermes_cli.pending import is_something_pending
from hermes_cli.system.process import describe_exit

_log = logging.getLogger("hermes.supervisor")
_PAUSE = 1.0  # seconds before the next run, if a driver left something pending; doubles with each failure
_LONGEST_PAUSE = 30.0
_LOOK_AFTER = 30.0  # seconds between two looks at whether a driver that runs does anything


class DriverRuns:
    """The supervisor's drivers, one at a time. `at` is when the next is due (monotonic), or None."""

    def __init__(self, paths: Paths, spawn: Callable[[list[str]], int]) -> None:
        """Take `spawn`, which starts a program and returns its pid."""
        self._paths = paths
        self._spawn = spawn
        self._trigger = "login"
        self._failures = 0
        self.pid: int | None = None
        self.at: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a driver runs, is due, or will be."""
        return self.pid is not None or self.at is not None or is_something_pending(self._paths)

    def look(self, trigger: str) -> None:
        """Make a driver due if something is pending."""
        if self.pid is None and self.at is None and is_something_pending(self._paths):
            self.demand(trigger)

    def demand(self, trigger: str) -> None:
        """Make a driver due now."""
        self._trigger = trigger
        self.at = 0.0

    def run(self) -> None:
        """Start the driver that is due, if there is something for it to do."""
        self.at = None
        if self.pid is not None:
            self._look_after()
            return
        if not is_something_pending(self._paths):
            return
        if self._paths.queue.is_driven():  # another process's driver: nobody would tell if it were killed
            self.at = time.monotonic() + _PAUSE
            return
        try:
            self.pid = self._spawn(driver_argv(self._paths, self._trigger))
            self.at = time.monotonic() + _LOOK_AFTER
        except OSError as error:
            _log.error("no driver can be started: %s", error.strerror)
            self.at = time.monotonic() + _LONGEST_PAUSE

    def _look_after(self) -> None:
        """End a driver of ours that is stopped or hangs; `exited` makes the next one due."""
        self.at = time.monotonic() + _LOOK_AFTER
        sign_of_life.end_silent(self._paths.queue.driver_lock)

    def exited(self, code: int) -> None:
        """Note that the driver has ended, and make the next one due if something is still pending."""
        self.pid = self.at = None
        self._failures = 0 if code in {0, EX_TEMPFAIL} else self._failures + 1
        if self._failures:
            _log.warning("the driver %s", describe_exit(code))
        if is_something_pending(self._paths):
            self._trigger = "supervisor"
            self.at = time.monotonic() + min(_LONGEST_PAUSE, _PAUSE * 2 ** min(10, max(0, self._failures - 1)))

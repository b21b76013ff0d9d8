"""Every deadline of a restart, derived from one number: drain < exit backstop < supervisor kill < driver deadline."""

from typing import NamedTuple

REQUESTER_GRACE = 3.0  # for the turn that asked, which never blocks the drain, to print its answer
ANSWER_GRACE = 30.0  # the same while it runs no command that could wait for the restart: for a model's last words
POKE = 2.0  # to poke the restarter: within the grace, so that a caller without an answer can still start a driver


class Clocks(NamedTuple):
    """Seconds after the signal. `drain` is how long running turns may go on; each later clock contains the one before."""

    drain: float
    teardown: float = 10.0
    requester_grace: float = REQUESTER_GRACE

    @property
    def exit_backstop(self) -> float:
        """The gateway ends itself, whatever hangs."""
        return self.drain + self.requester_grace + self.teardown

    @property
    def supervisor_kill(self) -> float:
        """The service manager sends SIGKILL (ExitTimeOut, TimeoutStopSec)."""
        return self.exit_backstop + self.teardown / 2

    @property
    def spawn_interval(self) -> float:
        """The service manager leaves at least this much between two starts (ThrottleInterval, RestartSec)."""
        return self.teardown / 2

    @property
    def driver_deadline(self) -> float:
        """The driver sends SIGKILL itself, if pid and start time still match."""
        return self.supervisor_kill + self.teardown / 2

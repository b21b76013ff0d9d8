"""The processes that end with a job: those left in its process group, and all that it ever started."""

import signal
from collections.abc import Callable

from launchd_emulator.definition import Definition
from launchd_emulator.host import Host
from launchd_emulator.run import Run
from launchd_emulator.starts import Tell


class Coalition:
    """The runs of one job of which something may still live."""

    def __init__(self, host: Host, definition: Definition, tell: Tell) -> None:
        self._host = host
        self._definition = definition
        self._tell = tell
        self._runs: list[Run] = []

    def main_ended(self, run: Run) -> None:
        """Signal the processes left in the run's group. Its zombie still keeps the group's number from being reused."""
        self._runs = [*(one for one in self._runs if not one.has_gone), run]
        name = self._host.knobs.group_kill_signal
        if self._definition.abandon_process_group or name == "none":
            return
        if members := run.group():
            self._tell("group-kill", pid=run.pid, signal=f"SIG{name}", members=members)
            run.signal_group(signal.Signals[f"SIG{name}"])

    def end(self, then: Callable[[], None]) -> None:
        """Kill every process that this job ever started. Call `then` when none of them is left."""
        left = [one for one in self._runs if not one.has_gone]
        pid, members = left[-1].pid, [pid for run in left for pid in run.coalition()]

        def gone(run: Run) -> None:
            left.remove(run)
            if not left:
                self._tell("coalition-kill", pid=pid, members=members)
                then()

        for run in left:
            run.end_coalition(gone)

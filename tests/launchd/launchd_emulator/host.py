"""The parts that all of the daemon shares: time, trace, knobs, the means to start a process."""

import datetime as dt
import os
import pwd
import signal
from collections.abc import Callable
from pathlib import Path

from launchd_emulator import process_table, shim
from launchd_emulator.clock import Clock
from launchd_emulator.definition import Definition
from launchd_emulator.knobs import Knobs
from launchd_emulator.loop import Loop
from launchd_emulator.run import Run
from launchd_emulator.timers import Timer
from launchd_emulator.trace import Trace
from launchd_emulator.watch import Watcher

PATH = "/usr/bin:/bin:/usr/sbin:/sbin"


class Host:
    """The daemon's means to act, and its knobs as they are now."""

    def __init__(self, folder: Path, runtime: Path, home: Path, kept: tuple[int, ...]) -> None:
        self.folder = folder
        self.runtime = runtime
        self.home = home
        self.user = os.getuid()
        self.clock = Clock()
        self.grace = Clock()  # of jobs that are to end
        self.loop = Loop(self.clock, self.grace)
        self.watcher = Watcher(self.loop)
        self.trace = Trace(str(folder / "trace.jsonl"), self.clock.now)
        self.on_demand_only = False
        self._knobs_path = folder / "knobs.json"
        self.knobs = Knobs.from_json(self._knobs_path.read_text()) if self._knobs_path.exists() else Knobs()
        self._kept = kept
        self._booted = dt.datetime.now().astimezone()
        self.set_clocks(held=self.knobs.clock == "held")
        self._runs: dict[int, Run] = {}  # by shim

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call after so many of launchd's seconds."""
        return self.clock.later(seconds, call)

    def meanwhile(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call after so many scaled seconds, which pass also while launchd's clock is held."""
        return self.loop.later(seconds * self.knobs.time_scale, call)

    def date(self) -> dt.datetime:
        """Return the date by launchd's clock."""
        return self._booted + dt.timedelta(seconds=self.clock.now())

    def set_clocks(self, *, held: bool) -> None:
        """Have the clocks go on from now as the knobs say, or hold them."""
        scale, of_exits = self.knobs.time_scale, self.knobs.exit_timeout_scale
        self.clock.set(scale, held=held)
        self.grace.set(scale if of_exits is None else of_exits, held=held)

    def change(self, **changes: object) -> None:
        """Turn knobs and keep them: a restarted daemon finds them as they are."""
        self.knobs = self.knobs.changed(changes)
        if changes.keys() & {"clock", "time_scale", "exit_timeout_scale"}:
            self.set_clocks(held=self.knobs.clock == "held")
        staged = self._knobs_path.with_suffix(".new")
        staged.write_text(self.knobs.to_json())
        staged.replace(self._knobs_path)

    def spend(self, name: str, label: str) -> bool:
        """Return whether a fault that counts strikes now, and count it down if it does."""
        left = getattr(self.knobs, name)
        if not left or not self.knobs.hits(label):
            return False
        if isinstance(left, int):
            self.change(**{name: left - 1})
        return True

    def environment(self, definition: Definition) -> dict[str, str]:
        """Return a job's environment, which has nothing of anybody's shell."""
        user = pwd.getpwuid(self.user)
        return {
            "PATH": PATH,
            "XPC_SERVICE_NAME": definition.label,
            "HOME": str(self.home),
            "USER": user.pw_name,
            "LOGNAME": user.pw_name,
            "SHELL": user.pw_shell,
            "TMPDIR": f"{self.runtime}/T/",
            **definition.environment,
        }

    def start(self, definition: Definition, on_exit: Callable[[int, str], None], *, fails: bool) -> Run:
        """Start a main process that waits for `go`."""
        started = shim.start(
            shim.Start(
                definition.program,
                definition.arguments,
                self.environment(definition),
                definition.directory,
                definition.stdout,
                definition.stderr,
                definition.umask,
                fails,
            ),
            self._kept,
        )
        run = Run(self.loop, definition.label, started, on_exit, self._gone)
        self._runs[run.shim] = run
        return run

    def _gone(self, run: Run) -> None:
        del self._runs[run.shim]
        if run.was_cut_off:
            self._end_strays()
        self.trace.add("run-gone", run.label, pid=run.pid)

    def _end_strays(self) -> None:
        """Kill the processes of a shim that somebody else killed: they are children of the daemon now."""
        while strays := [
            row.pid for row in process_table.rows() if row.parent == os.getpid() and row.pid not in self._runs
        ]:
            for pid in strays:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

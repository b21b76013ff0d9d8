"""One loaded job: the rules by which its process comes and goes.

    not running ──start──► spawn scheduled ──throttle over──► running ──exit──► not running
         │ on-demand-only        (no pid)                       │ stop
         └──► pended (non-demand starts only)                   └──► SIGTERMed ──► SIGKILLed ──exit──► …

`_spawn` is the only way to a process, and only `Starts` calls it; `_ended` is the only way back. A job that is being
removed starts nothing any more.
"""

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from launchd_emulator import errors, keepalive
from launchd_emulator.coalition import Coalition
from launchd_emulator.definition import Definition
from launchd_emulator.errors import Refused
from launchd_emulator.host import Host
from launchd_emulator.starts import Starts

if TYPE_CHECKING:
    from launchd_emulator.run import Run
    from launchd_emulator.timers import Timer

_LOAD_TO_SPAWN = 0.05  # seconds
Done = Callable[[Refused | None], None]


class Triggers(Protocol):
    """The causes that start a job by themselves: paths, queues, intervals."""

    def arm(self) -> None:
        """Begin to watch and to count."""

    def disarm(self) -> None:
        """Stop watching and counting."""

    def rearm(self) -> None:
        """Begin to watch anew, as the knobs are now."""

    def inject(self, count: int) -> None:
        """Deliver so many events without a change."""

    def queue_wants(self) -> bool:
        """Return whether a queue directory has an entry."""


class Job:
    """A definition as it was when it was loaded, and the state of its process."""

    def __init__(
        self,
        host: Host,
        domain_name: str,
        definition: Definition,
        triggers: Callable[["Job"], Triggers],
        on_removed: Callable[["Job"], None],
    ) -> None:
        self.definition = definition
        self.label = definition.label
        self.domain_name = domain_name
        self.run: Run | None = None
        self.stopping: str | None = None
        self.removing = False
        self.runs = 0
        self.last_status: int | None = None
        self.spawn_cause: str | None = None
        self.triggers = triggers(self)
        self._host = host
        self._starts = Starts(host, definition, self._tell, self._spawn)
        self._coalition = Coalition(host, definition, self._tell)
        self._on_removed = [on_removed]
        self._stop_cause: str | None = None
        self._kill_timer: Timer | None = None
        self._restart: list[Done] = []  # callers of kickstart -k that wait
        self._restarting = False
        self._again = False  # a path event came during the run
        self._remove_at_exit = False

    # --- what it looks like

    @property
    def state(self) -> str:
        """The state in the words of `launchctl print`."""
        if self.run is not None:
            return self.stopping or "running"
        return "spawn scheduled" if self._starts.waiting else "not running"

    @property
    def pid(self) -> int | None:
        """The pid of the main process."""
        return self.run.pid if self.run and not self.run.has_ended else None

    @property
    def pended_reason(self) -> str | None:
        """The reason why a start without demand is held back, if one is."""
        return self._starts.pended.reason if self._starts.pended else None

    # --- what comes from outside

    def load(self) -> None:
        """Arm the triggers, and start the job if its definition says so."""
        self.triggers.arm()
        if keepalive.wants_start_at_load(self.definition.keep_alive, self.definition.run_at_load, os.path.exists):
            if not self._host.spend("bootstrap_no_spawn", self.label):
                self._start_after_load("run-at-load" if self.definition.run_at_load else "keepalive")
        elif self.triggers.queue_wants():
            self._start_after_load("queue")

    def _start_after_load(self, cause: str) -> None:
        """Start the job after the client has its answer. A start that is pended is so at once."""
        if self._starts.hold(cause) is None:
            self._host.meanwhile(_LOAD_TO_SPAWN, lambda: self.start(cause))
        else:
            self.start(cause)

    def kickstart(self, done: Done, *, kill: bool = False) -> None:
        """Start the job on demand, with `kill` as a new process in any case, and call `done`. Raises Refused."""
        if self.removing:
            raise Refused(errors.ALREADY, "")
        self._tell("kickstart", cause="kickstart-k" if kill else "kickstart", pid=self.pid)
        if self.run is None:
            self._starts.demand("kickstart")
            done(None)
        elif not kill:
            done(None)
        else:
            self._restart.append(done)
            self._restarting = True
            self.stop("kickstart-k")

    def demand(self, cause: str) -> None:
        """Start the job on demand unless it runs."""
        if self.run is None and not self.removing:
            self._starts.demand(cause)

    def event(self) -> str:
        """Take a path event in. Return what becomes of it."""
        if self.removing:
            return "dropped"
        if self.run is not None:
            self._again = self._host.knobs.watch_while_running == "coalesce"
            return "coalesced" if self._again else "dropped"
        if self._starts.waiting:
            return "coalesced"
        if self._starts.hold("watch") is not None:
            return "held"
        return "fired"

    def signal(self, number: int, cause: str) -> None:
        """Signal the main process. Raises Refused."""
        if self.pid is None:
            raise Refused(errors.NO_SUCH_PROCESS, "No process to signal.")
        self._signal(number, cause)

    def stop(self, cause: str) -> None:
        """Send SIGTERM now and SIGKILL after ExitTimeOut. A second stop does not extend the deadline."""
        if self.run is None or self.stopping:
            return
        self.stopping = "SIGTERMed"
        self._stop_cause = cause
        self._signal(signal.SIGTERM, cause)
        if self.definition.exit_timeout > 0:
            self._kill_timer = self._host.grace.later(self.definition.exit_timeout, self._kill)

    def remove(self, cause: str, on_removed: Callable[["Job"], None] = lambda _: None) -> None:
        """Stop the job, and forget it when its process has ended."""
        self._on_removed.append(on_removed)
        if self.removing:
            return
        self.removing = True
        self._starts.cancel()
        self.triggers.disarm()
        for done in self._restart:
            done(Refused(errors.ALREADY, ""))
        self._restart.clear()
        self._restarting = False
        if self.run is None:
            self._forget(cause)
        elif self.stopping:
            self._stop_cause = cause
        else:
            self.stop(cause)

    def reconsider(self) -> None:
        """Start what was pended if the domain no longer holds it back."""
        self._starts.reconsider()

    # --- starts

    def start(self, cause: str) -> None:
        """Start the job without demand, now or when it is no longer held back."""
        if self.run is None and not self.removing:
            self._starts.offer(cause)

    def _spawn(self, cause: str, demand: str) -> None:
        fails = self._fails()
        self._again = False
        self.run = self._host.start(self.definition, self._exited, fails=fails)
        self.runs += 1
        self.spawn_cause = demand
        self._tell("spawn", cause=cause, pid=self.run.pid, demand=demand)
        self._starts.spawned(demand)
        self.run.go()
        self._answer_restart(None)

    def _fails(self) -> bool:
        removes = self._host.knobs.spawn_fail == "remove"
        fails = self._host.spend("spawn_fail", self.label)
        self._remove_at_exit = fails and removes
        if self._remove_at_exit:
            self._host.change(spawn_fail=0)
        return fails

    def _answer_restart(self, refused: Refused | None) -> None:
        waiting, self._restart = self._restart, []
        for done in waiting:
            done(refused)

    # --- ends

    def _kill(self) -> None:
        if self.run is not None:
            self.stopping = "SIGKILLed"
            self._signal(signal.SIGKILL, "exit-timeout")

    def _signal(self, number: int, cause: str) -> None:
        assert self.run is not None
        self._tell("signal", cause=cause, pid=self.run.pid, signal=signal.Signals(number).name)
        self.run.signal(number)

    def _exited(self, status: int, error: str) -> None:
        run, cause = self.run, self._stop_cause
        assert run is not None
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self.last_status = status
        more = {"error": error} if error else {}
        self._tell("exit", cause=cause, pid=run.pid, status=os.waitstatus_to_exitcode(status), raw=status, **more)
        self._coalition.main_ended(run)
        run.release()
        if self._ends_coalition():
            self._coalition.end(lambda: self._ended(status))
        else:
            self._ended(status)

    def _ended(self, status: int) -> None:
        """Go on after the end of all that has to be gone before the job is forgotten or started again."""
        cause = self._stop_cause
        self.run = self.stopping = self._stop_cause = None
        if self.removing:
            self._forget(cause or "bootout")
        elif self._remove_at_exit or self.definition.launch_only_once:
            self.remove("spawn-failed" if self._remove_at_exit else "launch-only-once")
        else:
            self._after_exit(status)

    def _after_exit(self, status: int) -> None:
        if self._restarting:
            self._restarting = False
            try:
                self._starts.demand("kickstart-k")
            except Refused as refused:
                self._answer_restart(refused)
        elif keepalive.wants_respawn(self.definition.keep_alive, status, os.path.exists):
            self.start("keepalive")
        elif self._again:
            self._again = False
            self.start("watch")
        elif self.triggers.queue_wants():
            self.start("queue")

    def _ends_coalition(self) -> bool:
        setting = self._host.knobs.coalition_kill
        return (self.removing and setting != "off") or (self._restarting and setting == "bootout+kickstart")

    def _forget(self, cause: str) -> None:
        delay = self._host.knobs.bootout_extra_delay_s
        if delay > 0 and self._host.knobs.hits(self.label):
            self._host.later(delay, lambda: self._forgotten(cause))
        else:
            self._forgotten(cause)

    def _forgotten(self, cause: str) -> None:
        self._tell("removed", cause=cause)
        for call in self._on_removed:
            call(self)

    def _tell(self, event: str, *, cause: str | None = None, pid: int | None = None, **more: object) -> None:
        self._host.trace.add(event, self.label, pid=pid, cause=cause, domain=self.domain_name, **more)

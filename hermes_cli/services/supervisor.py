"""The embedded supervisor: one small foreground process that keeps the gateway alive and runs the driver.

It works as PID 1: it reaps orphans and forwards signals. All its waiting is one poll() over signals, its control
socket, the watched directories, the gateway's exit and its own timers. It keeps no secret: whatever a fresh supervisor
needs is found in the kernel's locks, gateway.json and desired.json, so it may be killed and replaced at any time.
"""

import contextlib
import json
import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hermes_cli import desired, durable, instance, locks, log
from hermes_cli.config import Config, load
from hermes_cli.directory_watch import DirectoryWatch
from hermes_cli.environment import SESSION_PREFIX, scrubbed
from hermes_cli.errors import ConfigError, TryAgainError
from hermes_cli.intents.request import make_directories
from hermes_cli.paths import Paths
from hermes_cli.process import Handle, Identity
from hermes_cli.revision import installed_revision
from hermes_cli.services.control import Call, Control
from hermes_cli.services.driver_runs import DriverRuns
from hermes_cli.services.supervision import LONGEST_PAUSE, Rest, after_exit, counts_as_crash, describe_exit

_log = logging.getLogger("hermes.supervisor")
_CARRIED = "HERMES_SUPERVISOR_STATE"  # what a supervisor hands to itself when it executes its new code
_FORWARDED = (signal.SIGUSR1, signal.SIGUSR2)
_LEAVING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_SPAWN_PAUSE = 5.0  # seconds before another try when the kernel starts no process


@dataclass(slots=True)
class _Gateway:
    """The gateway in hand. `own` is our child; another was found running and is adopted."""

    identity: Identity
    handle: Handle
    since: float  # monotonic
    own: bool


class Supervisor:
    """One owner of all supervision state."""

    def __init__(self, paths: Paths, *, background: bool) -> None:
        """Take the supervisor's lock; raise TryAgainError when there is another one."""
        self._paths = paths
        self._background = background
        carried = json.loads(os.environ.pop(_CARRIED, "{}"))
        self._lock_descriptor = carried.get("lock") or self._take_lock()
        os.set_inheritable(self._lock_descriptor, False)
        self._revision = installed_revision()
        self._refused: str | None = None  # a revision that would not have us
        self._gateway: _Gateway | None = None
        self._crashes = 0
        self._exit_code: int | None = None
        self._why = "not started yet"
        self._start_at: float | None = None
        self._kill_at: float | None = None
        self._drivers = DriverRuns(paths, lambda argv: self._spawn(argv, scrubbed()))
        self._check: int | None = None
        self._leaving = False
        self._stop_calls: list[Call] = []
        self._selector = selectors.DefaultSelector()
        make_directories(paths)
        durable.make_private_directory(paths.supervisor)
        self._watch = DirectoryWatch(paths.pending, paths.state)
        self._selector.register(self._watch.fileno(), selectors.EVENT_READ, self._directories_changed)
        self._control = Control(f"{paths.supervisor}/sock", self._selector, self._serve)
        self._install_signals()
        if carried.get("gateway"):
            self._own(int(carried["gateway"]))

    def run(self) -> int:
        """Supervise until told to leave; the exit code."""
        self._reap()
        self._adopt()
        if self._gateway is None:
            wanted = desired.read(self._paths) == "running"
            self._start_at = 0.0 if wanted else None
            self._leaving = self._background and not wanted  # nobody needs a supervisor that supervises nothing
        self._drivers.look("login")
        while True:
            self._fire_timers()
            if self._leaving and self._gateway is None:
                self._answer_stop_calls()
                self._control.close()
                return 0
            for key, _ in self._selector.select(self._timeout()):
                handler: Callable[[], None] = key.data
                handler()
            if self._watch.is_blind:
                self._directories_changed()

    def _take_lock(self) -> int:
        lock = locks.take(f"{self._paths.supervisor}/lock")
        if lock is None:
            raise TryAgainError(
                f"another supervisor of profile {self._paths.profile} runs already: see hermes gateway status"
            )
        self._lock = lock
        return lock._context.lock_file_fd or -1

    # Signals.

    def _install_signals(self) -> None:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (*_FORWARDED, *_LEAVING, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # blocked across the execution of new code
        self._signals = reader
        self._selector.register(reader, selectors.EVENT_READ, self._signalled)

    def _signalled(self) -> None:
        for number in os.read(self._signals, 4096):
            if number in _FORWARDED:
                self._forward(signal.Signals(number))
            elif number in _LEAVING:
                self._leave(signal.Signals(number))
        self._reap()

    def _forward(self, number: signal.Signals) -> None:
        if self._gateway is not None:
            described = instance.read_alive(self._paths)
            if described is None or not described.handles_signal:
                _log.warning("%s not forwarded: the gateway handles no signals yet", number.name)
                return
            with contextlib.suppress(ProcessLookupError):
                self._gateway.handle.send(number)

    def _leave(self, number: signal.Signals) -> None:
        _log.info("%s: stopping", number.name)
        if number == signal.SIGINT:
            desired.write(self._paths, "stopped", "Ctrl-C")
        if self._leaving and self._gateway is not None:  # the second one means now
            self._gateway.handle.send(signal.SIGTERM)
        self._leaving = True
        self._stop_gateway()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if self._gateway is not None and self._gateway.own and pid == self._gateway.identity.pid:
                self._gateway_exited(code)
            elif pid == self._drivers.pid:
                self._drivers.exited(code)
            elif pid == self._check:
                self._checked(code)

    # The gateway.

    def _adopt(self) -> None:
        """Take over a gateway that runs already: it outlived another supervisor, or was started by hand."""
        if self._gateway is not None:
            return
        running = instance.read_alive(self._paths)
        if running is None or not locks.is_held(self._paths.gateway_lock):
            return
        try:
            handle = Handle(running.identity)
        except ProcessLookupError:
            return
        self._gateway = _Gateway(running.identity, handle, time.monotonic(), own=False)
        self._selector.register(handle.fileno(), selectors.EVENT_READ, self._adopted_exited)
        _log.info("adopted the gateway, pid %d", running.identity.pid)

    def _adopted_exited(self) -> None:
        last = instance.read(self._paths)
        known = last is not None and self._gateway is not None and last.identity.is_same_as(self._gateway.identity)
        code = last.exit_code if known and last is not None and last.exit_code is not None else -signal.SIGKILL
        self._gateway_exited(code)

    def _own(self, pid: int) -> None:
        identity = Identity.of(pid)
        try:
            handle = Handle(identity or Identity(pid))
        except ProcessLookupError:  # it ended before it could be looked at, or while we executed our new code
            self._crashes += 1
            self._exit_code, self._why = None, "ended at once"
            self._start_at = time.monotonic() + min(LONGEST_PAUSE, float(self._crashes))
            return
        self._gateway = _Gateway(handle.identity, handle, time.monotonic(), own=True)

    def _start(self) -> None:
        self._start_at = None
        if self._gateway is not None or self._leaving:
            return
        if desired.read(self._paths) == "stopped":  # looked at last, right before a start (rule 7)
            self._why = "stopped by the user"
            return
        self._adopt()
        if self._gateway is not None:
            return
        me = Identity.of(os.getpid())
        assert me is not None
        environment = {**scrubbed(), "HERMES_SUPERVISOR": f"{me.pid}:{me.start_ticks or ''}"}
        try:
            argv = [sys.executable, "-P", "-m", "hermes_cli", "-p", self._paths.profile, "gateway", "run"]
            pid = self._spawn(argv, environment)
        except OSError as error:  # no memory, no processes, or the interpreter is being replaced
            self._why = f"{sys.executable} cannot be started: {error.strerror}"
            _log.error("%s", self._why)
            self._start_at = time.monotonic() + _SPAWN_PAUSE
            return
        self._own(pid)
        if self._gateway is not None:
            _log.info("started the gateway, pid %d", self._gateway.identity.pid)

    def _gateway_exited(self, code: int) -> None:
        gateway = self._gateway
        assert gateway is not None
        self._gateway = None
        self._kill_at = None
        if not gateway.own:
            self._selector.unregister(gateway.handle.fileno())
        gateway.handle.close()
        uptime = time.monotonic() - gateway.since
        move = after_exit(code, uptime, self._crashes, "stopped" if self._leaving else desired.read(self._paths))
        self._crashes = self._crashes + 1 if counts_as_crash(code, uptime) else 0
        self._exit_code, self._why = code, move.why
        _log.info("the gateway, pid %d, %s", gateway.identity.pid, describe_exit(code))
        if isinstance(move, Rest):
            _log.info("at rest: %s", move.why)
            self._answer_stop_calls()
            if self._background and desired.read(self._paths) == "stopped":
                self._leaving = True  # nobody needs a supervisor in the background that supervises nothing
            return
        self._start_at = time.monotonic() + move.pause

    def _stop_gateway(self) -> None:
        self._start_at = None
        if self._gateway is None:
            return
        if self._kill_at is None:
            with contextlib.suppress(ProcessLookupError):
                self._gateway.handle.send(signal.SIGTERM)
            self._kill_at = time.monotonic() + self._config().gateway.stop_clocks.supervisor_kill

    def _kill(self) -> None:
        self._kill_at = None
        if self._gateway is not None:
            _log.warning("the gateway did not stop in time: SIGKILL to pid %d", self._gateway.identity.pid)
            with contextlib.suppress(ProcessLookupError):
                self._gateway.handle.send(signal.SIGKILL)

    def _directories_changed(self) -> None:
        self._watch.drain()
        self._drivers.look("watch")
        self._look_at_revision()

    # New code: prove that it can be imported, then become it.

    def _look_at_revision(self) -> None:
        running = instance.read_alive(self._paths)
        if running is None or not running.ready or running.revision in {None, self._revision, self._refused}:
            return
        if self._check is None and self._gateway is not None and not self._leaving:
            self._refused = running.revision
            self._check = self._spawn(
                [sys.executable, "-P", "-c", "import hermes_cli.services.supervisor, hermes_cli.cli.gateway"],
                scrubbed(),
            )

    def _checked(self, code: int) -> None:
        self._check = None
        if code != 0 or self._gateway is None or self._leaving or self._stop_calls:
            _log.warning("keeping the old supervisor: the new one %s", describe_exit(code))
            return
        carried = {"lock": self._lock_descriptor, "gateway": self._gateway.identity.pid if self._gateway.own else None}
        os.set_inheritable(self._lock_descriptor, True)
        os.environ[_CARRIED] = json.dumps(carried)
        _log.info("executing the new code, %s", self._refused)
        argv = [sys.executable, "-P", "-m", "hermes_cli", "-p", self._paths.profile, "gateway", "run", "--supervise"]
        signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARDED, *_LEAVING, signal.SIGCHLD))
        argv += ["--resume", *(["--background"] if self._background else [])]
        os.execv(sys.executable, argv)  # noqa: S606  an argv list of our own

    # Calls.

    def _serve(self, call: Call) -> None:
        if call.operation in {"stop", "leave"}:
            self._leaving = self._leaving or call.operation == "leave"
            self._stop_calls.append(call)
            self._stop_gateway()
            if self._gateway is None:
                self._answer_stop_calls()
                self._leaving = self._leaving or self._background
            return
        if call.operation == "start" and self._gateway is None:
            self._crashes = 0
            self._start()
        elif call.operation == "poke":
            self._drivers.demand(call.trigger)
        elif call.operation == "run":
            call.answer(self._run_outside(call.request))
            return
        call.answer(self._described())

    def _run_outside(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a module of ours for the gateway, which could not start it outside its own tree."""
        argv, session = request.get("argv"), request.get("environment")
        ours = [sys.executable, "-P", "-m"]
        if not (isinstance(argv, list) and argv[:3] == ours and str(argv[3:4]).startswith("['hermes_cli.")):
            return {"error": "not a program of hermes"}
        given = session if isinstance(session, dict) else {}
        more = {str(name): str(value) for name, value in given.items() if str(name).startswith(SESSION_PREFIX)}
        try:
            pid = self._spawn([str(word) for word in argv], scrubbed() | more)
        except (OSError, ValueError) as error:
            return {"error": f"it cannot be started: {error}"}
        _log.info("started %s, pid %d", str(request.get("name"))[:20], pid)
        return {"pid": pid}

    def _described(self) -> dict[str, Any]:
        return {
            "supervisor": os.getpid(),
            "running": self._gateway is not None,
            "pid": self._gateway.identity.pid if self._gateway else None,
            "exit_code": self._exit_code,
            "detail": self._why if self._gateway is None else "",
            "driving": self._drivers.pid is not None,
        }

    def _answer_stop_calls(self) -> None:
        for call in self._stop_calls:
            call.answer(self._described())
        self._stop_calls.clear()

    # Timers and children.

    def _timers(self) -> list[tuple[float, Callable[[], None]]]:
        timers = ((self._start_at, self._start), (self._kill_at, self._kill), (self._drivers.at, self._drivers.run))
        return [(at, action) for at, action in timers if at is not None]

    def _fire_timers(self) -> None:
        for at, action in self._timers():
            if at <= time.monotonic():
                action()

    def _timeout(self) -> float | None:
        if self._leaving and self._gateway is None:
            return 0.0
        due = [at for at, _ in self._timers()]
        return self._watch.patience(max(0.0, min(due) - time.monotonic()) if due else None)

    def _spawn(self, argv: list[str], environment: dict[str, str]) -> int:
        """A child in its own session, with our output and no input."""
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        default = [*_FORWARDED, *_LEAVING, signal.SIGCHLD]
        return os.posix_spawn(
            argv[0],
            argv,
            environment,
            file_actions=actions,
            setsid=True,
            setsigdef=default,
        )

    def _config(self) -> Config:
        try:
            return load(self._paths.config)
        except ConfigError:
            return Config()


def main(paths: Paths, *, background: bool, resumed: bool) -> int:
    """Supervise `paths`; the exit code. Raises TryAgainError when another supervisor does."""
    if background and not resumed and os.fork() > 0:
        # The caller goes on; the supervisor is nobody's child.
        os._exit(0)
    log.configure()
    if background and not resumed:
        os.setsid()
    return Supervisor(paths, background=background).run()

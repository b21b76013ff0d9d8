"""The embedded supervisor: one small foreground process that keeps the gateway alive and runs the driver.

It works as PID 1: it reaps orphans and forwards signals. All its waiting is one poll() over signals, its control
socket, the watched directories, the gateway's exit and its own timers. A fresh supervisor finds what it needs in the
kernel's locks, gateway.json and desired.json, so a supervisor may be killed and replaced at any time; only the count of
the gateway's crashes is lost then.
"""

import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hermes_cli.config import load_or_defaults
from hermes_cli.environment import scrubbed
from hermes_cli.intents import desired
from hermes_cli.intents.request import make_directories
from hermes_cli.paths import Paths
from hermes_cli.programs import ends
from hermes_cli.programs.ends import End
from hermes_cli.services.embedded import child, outside, reexecution
from hermes_cli.services.embedded.after_exit import Rest, after_exit, counts_as_crash
from hermes_cli.services.embedded.child import Child
from hermes_cli.services.embedded.control import Call, Control
from hermes_cli.services.embedded.driver_runs import DriverRuns
from hermes_cli.services.embedded.one_only import OneOnly
from hermes_cli.services.embedded.reexecution import Carried
from hermes_cli.system import collector, durable, locks, log
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import describe_exit

_log = logging.getLogger("hermes.supervisor")
_FORWARDED = (signal.SIGUSR1, signal.SIGUSR2)
_LEAVING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_HANDLED = (*_FORWARDED, *_LEAVING, signal.SIGCHLD)
_STOP_CALLS = 32  # callers that wait for the gateway's end at once
_TEND_LOG = 60.0  # seconds
_SPAWN_PAUSE = 5.0  # seconds before another try when the kernel starts no process


class Supervisor:
    """The only owner of the supervision's state."""

    def __init__(self, paths: Paths, *, background: bool, stay: bool = False) -> None:
        """Take the supervisor's lock. Raises TryAgainError when another supervisor has it.

        `stay`: also in the foreground when the gateway cannot start.
        """
        self._paths = paths
        self._background = background
        carried = reexecution.inherited()
        self._stays = stay or background or bool(carried.stays)
        self._gives_up: int | None = None  # the exit code, when the gateway cannot start
        self._lock = OneOnly(paths, carried.lock)
        self._gateway: Child | None = None
        self._crashes = carried.crashes
        self._exit_code: int | None = None
        self._why = "not started yet"
        self._start_at: float | None = None
        self._kill_at: float | None = None
        self._drivers = DriverRuns(paths, self._spawn)
        self._proof = reexecution.Proof(paths, self._spawn)
        self._leaving = False
        self._is_replaced = False
        self._is_held = False  # a stop was asked for, which may not have been written: the disk may be full
        self._stop_calls: list[Call] = []
        self._selector = selectors.DefaultSelector()
        make_directories(paths.intents)
        durable.make_private_directory(paths.supervisor)
        self._watch = DirectoryWatch(paths.pending, paths.state, paths.supervisor)
        self._selector.register(self._watch.fileno(), selectors.EVENT_READ, self._directories_changed)
        self._control = Control(f"{paths.supervisor}/sock", self._selector, self._serve)
        self._install_signals()
        if carried.gateway is not None:
            self._own(carried.gateway, carried.since)

    def run(self) -> int:
        """Supervise until told to leave. Return the exit code."""
        self._reap()
        self._adopt()
        if self._gateway is None and self._exit_code is None:
            wanted = desired.seen(self._paths.desired) != "stopped"  # if it cannot be told, the start looks again
            self._start_at = 0.0 if wanted else None
            self._leaving = self._background and not wanted  # there is nothing to supervise
        self._drivers.look("login")
        while True:
            self._fire_timers()
            code = 0 if self._leaving and self._gateway is None else self._last_code()
            if code is not None:
                self._answer_stop_calls()
                self._control.close()
                return code
            for key, _ in self._selector.select(self._timeout()):
                handler: Callable[[], None] = key.data
                handler()
            if self._watch.is_blind:
                self._directories_changed()
            if self._is_replaced:
                _log.warning("another supervisor has the lock: leaving the gateway to it")
                return 0

    def _last_code(self) -> int | None:
        """Return the exit code when there is nothing left to try, and nobody at work who may start the gateway yet."""
        if self._gives_up is None or self._stays or self._gateway is not None or self._start_at is not None:
            return None
        if self._drivers.is_busy or locks.is_held(self._paths.update_lock):
            return None
        _log.error("giving up: %s; --stay waits for a hermes gateway start instead", self._why)
        return self._gives_up

    # Signals.

    def _install_signals(self) -> None:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in _HANDLED:
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # blocked across the execution of new code
        self._signals = reader
        self._selector.register(reader, selectors.EVENT_READ, self._signalled)

    def _signalled(self) -> None:
        for number in os.read(self._signals, 4096):
            if number in _FORWARDED and self._gateway is not None:
                self._gateway.forward(self._paths, signal.Signals(number))
            elif number in _LEAVING:
                self._leave(signal.Signals(number))
        self._reap()

    def _leave(self, number: signal.Signals) -> None:
        _log.info("%s: stopping", number.name)
        if number == signal.SIGINT:
            try:
                desired.write(self._paths.desired, "stopped", "Ctrl-C")
            except OSError as error:  # a stop is carried out also when it cannot be written (rule 7)
                _log.error("%s: %s: the next login starts the gateway again", self._paths.desired, error.strerror)
        if self._leaving and self._gateway is not None:  # a second signal means now
            self._gateway.send(signal.SIGTERM)
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
            if self._gateway is not None and self._gateway.own and pid == self._gateway.pid:
                self._gateway_exited(code)
            elif pid == self._drivers.pid:
                self._drivers.exited(code)
            elif pid == self._proof.pid and self._proof.exited(code):
                self._become_new_code()

    # The gateway.

    def _adopt(self) -> None:
        if self._gateway is not None:
            return
        self._gateway = Child.found(self._paths)
        if self._gateway is not None:
            self._selector.register(self._gateway.handle.fileno(), selectors.EVENT_READ, self._adopted_exited)
            _log.info("adopted the gateway, pid %d", self._gateway.pid)

    def _adopted_exited(self) -> None:
        assert self._gateway is not None
        self._gateway_exited(self._gateway.last_word(self._paths))

    def _own(self, pid: int, since: float | None = None) -> None:
        try:
            self._gateway = Child.of(pid, since)
        except ProcessLookupError:  # it ended before it could be looked at, or while new code was executed
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                ends.note(self._paths, End(time.time(), pid, os.waitstatus_to_exitcode(status)))
                self._ended(pid, os.waitstatus_to_exitcode(status), time.monotonic() if since is None else since)
            else:  # it runs, but no descriptor is left to watch it: it is adopted later
                self._start_at = time.monotonic() + _SPAWN_PAUSE

    def _start(self) -> None:
        self._start_at = self._gives_up = None
        if self._gateway is not None or self._leaving:
            return
        wanted = desired.seen(self._paths.desired)  # looked at last, right before a start (rule 7)
        if wanted == "stopped":
            self._why = "stopped by the user"
            return
        if wanted is None:
            self._put_off(f"{self._paths.desired} cannot be read, so nobody can tell whether it was stopped")
            return
        self._adopt()
        if self._gateway is not None:
            return
        try:
            pid = child.start(self._paths, self._spawn)
        except OSError as error:  # no memory, no processes, or the interpreter is being replaced
            self._put_off(f"{sys.executable} cannot be started: {error.strerror}")
            return
        _log.info("started the gateway, pid %d", pid)
        self._own(pid)

    def _put_off(self, why: str) -> None:
        if why != self._why:
            _log.error("%s", why)
        self._why = why
        self._start_at = time.monotonic() + _SPAWN_PAUSE

    def _gateway_exited(self, code: int) -> None:
        gateway = self._gateway
        assert gateway is not None
        self._gateway = None
        self._kill_at = None
        if not gateway.own:
            self._selector.unregister(gateway.handle.fileno())
        gateway.handle.close()
        if gateway.own:  # of another's child only that it is gone is known
            ends.note(self._paths, End(time.time(), gateway.pid, code))
        self._ended(gateway.pid, code, gateway.since)

    def _ended(self, pid: int, code: int, since: float) -> None:
        uptime = time.monotonic() - since
        move = after_exit(
            code,
            uptime,
            self._crashes,
            "stopped" if self._leaving or self._is_held else desired.seen(self._paths.desired),
        )
        self._crashes = self._crashes + 1 if counts_as_crash(code, uptime) else 0
        self._exit_code, self._why = code, move.why
        _log.info("the gateway, pid %d, %s", pid, describe_exit(code))
        if isinstance(move, Rest):
            self._gives_up = move.gives_up
            _log.info("at rest: %s", move.why)
            self._answer_stop_calls()
            if self._background and desired.seen(self._paths.desired) == "stopped":
                self._leaving = True  # there is nothing to supervise
            return
        self._start_at = time.monotonic() + move.pause

    def _stop_gateway(self) -> None:
        self._start_at = None
        if self._gateway is None:
            return
        if self._kill_at is None:
            self._gateway.send(signal.SIGTERM)
            self._kill_at = time.monotonic() + load_or_defaults(self._paths.config).gateway.stop_clocks.supervisor_kill

    def _kill(self) -> None:
        self._kill_at = None
        if self._gateway is not None:
            _log.warning("the gateway did not stop in time: SIGKILL to pid %d", self._gateway.pid)
            self._gateway.send(signal.SIGKILL)

    def _directories_changed(self) -> None:
        self._watch.drain()
        if not self._lock.is_ours():  # its file was replaced, and whoever came then has adopted the gateway
            self._is_replaced = True
            return
        self._control.tend()
        self._drivers.look("watch")
        if self._gateway is not None and not self._leaving:
            self._proof.look()

    def _become_new_code(self) -> None:
        if self._gateway is None or self._leaving or self._stop_calls:
            self._proof.put_off()
            return
        _log.info("executing the new code, %s", self._proof.revision)
        carried = Carried(self._lock.descriptor, crashes=self._crashes, stays=int(self._stays))
        if self._gateway.own:
            carried = replace(carried, gateway=self._gateway.pid, since=self._gateway.since)
        reexecution.become(self._paths, carried, ["--background"] if self._background else [], _HANDLED)

    # Calls.

    def _serve(self, call: Call) -> None:
        if call.operation in {"stop", "leave"}:
            self._leaving = self._leaving or call.operation == "leave"
            self._is_held = True
            self._stop_calls.append(call)
            if len(self._stop_calls) > _STOP_CALLS:
                self._stop_calls.pop(0).answer(self._described())
            self._stop_gateway()
            if self._gateway is None:
                self._answer_stop_calls()
                self._leaving = self._leaving or self._background
            return
        if call.operation == "start":
            self._is_held = False
            self._answer_stop_calls()  # with a gateway that runs: whoever waits for its end waits for nothing now
        if call.operation == "start" and self._gateway is None:
            self._crashes = 0
            self._start()
        elif call.operation == "poke":
            self._drivers.demand(call.trigger)
        elif call.operation == "run":
            call.answer(outside.run(call.request, self._spawn))
            return
        call.answer(self._described() | ({"refused": _refused_fork()} if call.operation == "able" else {}))

    def _described(self) -> dict[str, Any]:
        return {
            "supervisor": os.getpid(),
            "running": self._gateway is not None,
            "pid": self._gateway.pid if self._gateway else None,
            "exit_code": self._exit_code,
            "detail": self._why if self._gateway is None else "",
            "background": self._background,
            "python": sys.executable,
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
        if log.tend():
            due.append(time.monotonic() + _TEND_LOG)
        return self._watch.patience(max(0.0, min(due) - time.monotonic()) if due else None)

    def _spawn(self, argv: list[str], more: dict[str, str] | None = None) -> int:
        """Start a child in its own session. Raises OSError.

        It shares the supervisor's output, has no input, and knows nothing of who started the supervisor.
        """
        log.tend()
        return os.posix_spawn(
            argv[0],
            argv,
            scrubbed() | (more or {}),
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setsid=True,
            setsigdef=_HANDLED,
        )


def _refused_fork() -> int | None:
    """Start a process that ends at once. Return the errno if the kernel lets the supervisor start none, else None."""
    try:
        if os.fork() == 0:
            os._exit(0)
    except OSError as error:
        return error.errno
    return None


def main(paths: Paths, *, background: bool, resumed: bool, stay: bool = False) -> int:
    """Supervise `paths`. Return the exit code. Raises TryAgainError when another supervisor does it."""
    up = _detach() if background and not resumed else None
    log.configure_by_output(paths.gateway_log, load_or_defaults(paths.config).log.bounds, is_ours=background)
    supervisor = Supervisor(paths, background=background, stay=stay)
    collector.resume()
    if up is not None:
        os.close(up)
    return supervisor.run()


def _detach() -> int:
    """Go on as nobody's child, not even of a gateway that starts the supervisor.

    Return a descriptor. The starting process waits until it is closed: when the supervisor answers, or has ended.

    """
    told, up = os.pipe()
    if os.fork() > 0:
        os.close(up)
        os.read(told, 1)
        os._exit(0)
    os.close(told)
    os.setsid()
    return up

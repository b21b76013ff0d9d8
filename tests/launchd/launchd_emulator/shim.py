"""The process between launchd and a job's main process: it holds together all that the job ever starts.

It is a fork of the daemon. As a subreaper it is the parent of every descendant whose own parent has ended, so
membership survives setsid and reparenting, which is what makes a coalition of it. It reports the main process's pid and
its end, keeps it as a zombie until the daemon has read of it (so no pid that the daemon knows is ever somebody else's),
and stays as long as anything lives below it. When the daemon is gone it ends them all.

    shim → daemon   pid N\\n    exit STATUS [ERROR]\\n    (end of file: nothing lives any more)
    daemon → shim   g  execute the program    r  reap the main process    k  kill everything below
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from launchd_emulator import process_table

EXIT_CONFIG = 78  # what a job ends with whose program could not be executed
PR_SET_CHILD_SUBREAPER = 36
_AGAIN_MS = 50  # a look at the process table may miss one that is just being made


@dataclass(frozen=True)
class Start:
    """A program to execute, and its surroundings."""

    program: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    directory: str | None
    stdout: str | None
    stderr: str | None
    umask: int
    fails: bool = False


@dataclass
class Started:
    """The two processes, and the line to the shim."""

    pid: int
    shim: int
    line: socket.socket


def start(what: Start, kept: Iterable[int]) -> Started:
    """Fork a shim, and have it fork the main process, which waits for the word to execute its program.

    `kept` are descriptors that the shim keeps open until its end; the job does not see them.
    """
    ours, theirs = socket.socketpair()
    shim = os.fork()
    if shim == 0:
        _be_shim(what, theirs, kept)
    theirs.close()
    text = b""
    while not text.endswith(b"\n"):
        if not (read := ours.recv(64)):
            raise RuntimeError("a shim ended before it had started anything")
        text += read
    ours.setblocking(False)
    return Started(int(text.split()[1]), shim, ours)


def _be_shim(what: Start, line: socket.socket, kept: Iterable[int]) -> NoReturn:
    try:
        os.setsid()
        _close_all_but({0, 1, 2, line.fileno(), *kept})
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        woken, waker = os.pipe()
        os.set_blocking(waker, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        main = _Main(what)
        line.sendall(f"pid {main.pid}\n".encode())
        _Shim(line, main, woken).attend()
    except BaseException:  # noqa: BLE001 - nobody above a fork could report it
        traceback.print_exc()
    finally:
        os._exit(0)


class _Shim:
    """The loop of the shim: it reaps, reports and obeys."""

    def __init__(self, line: socket.socket, main: "_Main", woken: int) -> None:
        self._line = line
        self._main = main
        self._woken = woken
        self._reported = False  # the main process has ended, and the daemon was told so
        self._held = False  # it is kept as a zombie
        self._ending = False  # nothing below may live

    def attend(self) -> None:
        """Run until no process is left below."""
        poller = select.poll()
        poller.register(self._line, select.POLLIN)
        poller.register(self._woken, select.POLLIN)
        while self._look():
            if self._ending:
                self._kill_children()
            poller.poll(_AGAIN_MS if self._ending else None)
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 4096)
            if not self._obey():  # the daemon is gone, and with launchd go its jobs
                poller.unregister(self._line)
                self._line.close()
                self._reported = self._ending = True
                self._held = False

    def _obey(self) -> bool:
        """Carry out the daemon's orders. Return False if the daemon is gone."""
        if self._line.fileno() < 0:
            return True
        try:
            orders = self._line.recv(64, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        if b"g" in orders:
            self._main.go()
        if b"r" in orders:
            self._held = False
        if b"k" in orders:
            self._ending = True
        return bool(orders)

    def _look(self) -> bool:
        """Reap the ended children, the main process only after it was reported. Return whether any child is left."""
        while not self._held:
            try:
                found = _next_ended()
            except ChildProcessError:
                return False
            if found is None:
                return True
            pid, status = found
            if pid == self._main.pid and not self._reported:
                self._reported = True
                self._held = True
                with contextlib.suppress(OSError):
                    self._line.sendall(f"exit {status} {self._main.error()}\n".encode())
                return True
            with contextlib.suppress(ChildProcessError):  # where it could not be left a zombie it is reaped already
                os.waitpid(pid, 0)
        return True

    def _kill_children(self) -> None:
        """Kill the shim's own children, since no other pid is safe. Their children become its own as they end."""
        us = os.getpid()
        table = process_table.rows()
        direct = [row.pid for row in table if row.parent == us and not row.zombie]
        if sys.platform != "linux":  # no subreaper: those that still hang together, by parent or by session
            direct = sorted({*process_table.descendants(table, us), *_session_members(table, self._main.pid)})
        for pid in direct:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _session_members(table: list[process_table.Row], session: int) -> list[int]:
    return [row.pid for row in table if row.session == session and not row.zombie]


def _next_ended() -> tuple[int, int] | None:
    """Return an ended child, left as a zombie where that is possible (macOS: Python 3.13). Raises ChildProcessError."""
    if not hasattr(os, "waitid"):
        pid, status = os.waitpid(-1, os.WNOHANG)
        return (pid, status) if pid else None
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    if found.si_code == os.CLD_EXITED:
        return found.si_pid, found.si_status << 8
    return found.si_pid, found.si_status | (0x80 if found.si_code == os.CLD_DUMPED else 0)


class _Main:
    """The main process. It waits for `go`, so that launchd has recorded the spawn before the program runs."""

    def __init__(self, what: Start) -> None:
        waits, self._go = os.pipe()
        self._error, error = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._go)
                _lead_a_session()
                os.write(error, b".")
                if os.read(waits, 1):
                    _become(what)
            except OSError as failure:
                os.write(error, f"{type(failure).__name__}: {failure.strerror}: {failure.filename}".encode())
            finally:
                os._exit(EXIT_CONFIG)
        os.close(waits)
        os.close(error)
        os.read(self._error, 1)  # from here on a signal to its pid ends it, as its program's would

    def go(self) -> None:
        """Let the main process execute its program."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._go, b"g")

    def error(self) -> str:
        """Return why the program could not be executed. This comes after the main process's end."""
        return os.read(self._error, 4096).decode(errors="replace").replace("\n", " ")


def _lead_a_session() -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for one in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _become(what: Start) -> None:
    os.umask(what.umask)
    _open_as(0, os.devnull, os.O_RDONLY)
    for number, path in ((1, what.stdout), (2, what.stderr)):
        _open_as(number, path or os.devnull, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY)
    os.chdir("/")
    if what.directory is not None:
        with contextlib.suppress(OSError):  # a missing one is not fatal
            os.chdir(what.directory)
    if what.fails or not what.program.startswith("/"):
        raise FileNotFoundError(2, "No such file or directory", what.program)
    os.execve(what.program, what.arguments, what.environment)


def _open_as(number: int, path: str, flags: int) -> None:
    opened = os.open(path, flags, 0o666)
    os.dup2(opened, number)
    if opened != number:
        os.close(opened)


def _close_all_but(kept: set[int]) -> None:
    low = 0
    for descriptor in sorted(kept):
        if low < descriptor:  # an empty range closes everything, by an overflow in CPython 3.11
            os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))

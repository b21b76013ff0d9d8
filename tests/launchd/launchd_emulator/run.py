"""One run of a job, as the daemon sees it: a main process, and all processes below its shim."""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from launchd_emulator import process_table
from launchd_emulator.loop import Loop
from launchd_emulator.shim import Started

if TYPE_CHECKING:
    import socket


class Run:
    """The processes of one run. It reports the main process's end, and the end of the last of all."""

    def __init__(
        self,
        loop: Loop,
        label: str,
        started: Started,
        on_exit: Callable[[int, str], None],
        on_gone: Callable[["Run"], None],
    ) -> None:
        self.label = label
        self.pid = started.pid
        self.shim = started.shim
        self.has_ended = False
        self.has_gone = False
        self.was_cut_off = False  # somebody else killed its shim
        self._loop = loop
        self._line: socket.socket = started.line
        self._on_exit = on_exit
        self._on_gone = [on_gone]
        self._text = b""
        loop.reading(self._line.fileno(), self._read)

    def go(self) -> None:
        """Tell the main process to execute its program."""
        self._tell(b"g")

    def signal(self, number: int) -> None:
        """Signal the main process. Its pid belongs to no other process until `release`."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, number)

    def signal_group(self, number: int) -> None:
        """Signal the processes left in the main process's group. This comes before `release`."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def group(self) -> list[int]:
        """Return the pids of the living members of the main process's group."""
        return process_table.group_members(process_table.rows(), self.pid)

    def coalition(self) -> list[int]:
        """Return the pids of the living processes that this run ever started."""
        return process_table.descendants(process_table.rows(), self.shim)

    def release(self) -> None:
        """Tell the shim to reap the ended main process."""
        self._tell(b"r")

    def end_coalition(self, then: Callable[["Run"], None]) -> None:
        """Kill every process that this run ever started. Call `then` when they are gone."""
        self._on_gone.append(then)
        self._tell(b"k")

    def _tell(self, order: bytes) -> None:
        with contextlib.suppress(OSError):  # a shim that is gone has nothing left
            self._line.send(order)

    def _read(self) -> None:
        try:
            read = self._line.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            read = b""
        self._text += read
        while b"\n" in self._text:
            line, _, self._text = self._text.partition(b"\n")
            _, status, error = line.decode(errors="replace").split(" ", 2)
            self._ended(int(status), error)
        if not read:
            self._gone()

    def _ended(self, status: int, error: str = "") -> None:
        if not self.has_ended:
            self.has_ended = True
            self._on_exit(status, error)

    def _gone(self) -> None:
        self._loop.forget(self._line.fileno())
        self._line.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.shim, 0)
        if not self.has_ended:
            self.was_cut_off = True
            self._ended(signal.SIGKILL)
        self.has_gone = True
        for call in self._on_gone:
            call(self)

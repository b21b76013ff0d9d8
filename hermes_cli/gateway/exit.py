"""The end of the process: its last steps in order, none of which can keep it from ending, and the backstop.

Everything here is imported at start-up (law: imports before the swap).
"""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn, TextIO

_log = logging.getLogger("hermes.exit")
LastStep = tuple[str, Callable[[], object]]  # its name in the log, and what it does


class Backstop:
    """Ends the process at a deadline from a C thread, whatever hangs: the event loop, a lock, an uninterruptible read."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._file: TextIO | None = None

    def arm(self, seconds: float) -> None:
        """Exit with code 1 and a traceback in the log after `seconds`, or at an earlier deadline that was set before.

        A later deadline is ignored: a signal that an impatient sender repeats must not keep a hanging process alive.
        Safe to call from a signal handler.
        """
        at = time.monotonic() + max(seconds, 0.01)
        if self._at is not None and self._at <= at:
            return
        self._at = at
        try:
            faulthandler.dump_traceback_later(at - time.monotonic(), exit=True, file=self._file or sys.stderr)
        except (RuntimeError, ValueError, AttributeError, OSError):  # stderr is closed
            try:
                self._file = open(os.devnull, "w", encoding="ascii")  # noqa: SIM115  open until the end
                faulthandler.dump_traceback_later(max(seconds, 0.01), exit=True, file=self._file)
            except (RuntimeError, OSError):  # no thread or no descriptor is to be had: the kernel's timer needs neither
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))

    def disarm(self) -> None:
        """Take the deadline back: nothing ends after all."""
        self._at = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def take(steps: list[LastStep]) -> None:
    """Take every step, whatever becomes of the others."""
    for name, step in steps:
        try:
            step()
        except BaseException as error:  # noqa: BLE001  SystemExit and all: nothing may keep the process
            _log.error("exit: %s: %s: %s", name, type(error).__name__, error)


def leave(steps: list[LastStep], code: int) -> NoReturn:
    """Take every step, whatever becomes of the others, and end the process without unwinding it.

    No atexit, no thread joins, no interpreter teardown: each has kept a gateway half dead for minutes. The lock on
    gateway.lock goes with the process, so it is held to the last instruction.
    """
    try:
        take(steps)
        _log.info("exit %d", code)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
    finally:
        os._exit(code)

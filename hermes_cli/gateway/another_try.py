"""A start that meets what passes (no room on the disk, no memory, descriptors, processes; a read that fails) is no crash.

It is tried until it succeeds. A manager counts starts that fail at once and gives up after a few (systemd's StartLimitBurst,
the supervisor's crash limit), and a disk is full for longer than that. So the process stays and executes itself again after a
pause: same pid, same environment, nothing kept of the try before. Whoever starts a gateway by hand is told instead.
"""

import contextlib
import errno
import os
import signal
import sqlite3
import sys
import time

from hermes_cli.errors import ConfigError
from hermes_cli.gateway import supervisor_watch
from hermes_cli.installation import entry_points
from hermes_cli.paths import Paths
from hermes_cli.services import usable
from hermes_cli.system import refusal, threads

# RuntimeError: Python has no other for a refused thread; ConfigError: a file of the user's that could not be read
FAILURES = (OSError, sqlite3.Error, MemoryError, RuntimeError, ImportError, ConfigError)
_SINCE = "HERMES_STARTING_SINCE"  # seconds, monotonic
_KEEPERS = ("NOTIFY_SOCKET", supervisor_watch.VARIABLE)  # systemd's, the embedded supervisor's; launchd never gives up
_PASSES = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EIO}
# SQLite says IOERR for whatever a call met, CANTOPEN for want of descriptors as well, BUSY while somebody copies the file.
_PASSES_FOR_SQLITE = {
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
}
_LONGEST_PAUSE = 8.0  # seconds


def may_pass(error: BaseException) -> bool:
    """Say whether the same start may succeed later, without anybody mending it."""
    if isinstance(error, OSError):
        return error.errno in _PASSES
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSES_FOR_SQLITE
    if isinstance(error, ConfigError):  # what is wrong in the file has no cause
        return error.__cause__ is not None and may_pass(error.__cause__)
    if isinstance(error, ImportError):  # a library that could not be loaded: its text is all that there is
        return any(os.strerror(number) in str(error) for number in _PASSES)
    return isinstance(error, MemoryError) or threads.is_refusal(error)


def mend(error: BaseException, state: str) -> str:
    """Return what helps against the refusal: of a disk, of permissions, or of something that is in the way."""
    if _is_of_a_disk(error):
        return f"see that the disk of {state} answers, and that nobody else has its files open"
    if may_pass(error):
        return "make room: on the disk, in memory, or of open files and processes"
    path = error.filename if isinstance(error, OSError) and isinstance(error.filename, str) else None
    if path is not None and isinstance(error, OSError) and error.errno is not None:
        return refusal.mend(path, error.errno)[0]
    return f"see that {path or state} is writable"


def _is_of_a_disk(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY}
    return isinstance(error, OSError) and error.errno == errno.EIO


class Start:
    """One start. Made before anything is taken out of the environment."""

    def __init__(self, paths: Paths) -> None:
        """Claim what the try before has left."""
        self._paths = paths
        self._environment = dict(os.environ)
        self._is_kept = any(name in self._environment for name in _KEEPERS)
        since = os.environ.pop(_SINCE, None)
        self.is_first = since is None
        try:
            self._since = time.monotonic() if since is None else float(since)
        except ValueError:
            self._since = time.monotonic()

    def failed(self, error: BaseException, who: str, state: str) -> None:
        """Say it, the first time. If it may pass, and somebody counts starts: wait, and execute this one anew.

        `state` is the directory without which `who` cannot start.
        """
        stays = self._stays()
        if self.is_first:
            why = str(error) or "no memory"
            if isinstance(error, OSError) and error.filename is not None:
                why = f"{error.filename}: {error.strerror}"
            said = f"{who} cannot start ({why}): {mend(error, state)}"
            if stays is not None:  # SQLite has one word for whatever it could not open
                said = f"{who} cannot start: {stays.text}: {stays.mend}"
            with contextlib.suppress(OSError, MemoryError):  # the log may lie on the same disk
                print(f"hermes: {error if isinstance(error, ConfigError) else said}", file=sys.stderr, flush=True)
        if stays is not None or not (self._is_kept and may_pass(error)):
            return
        signal.setitimer(signal.ITIMER_REAL, 0)  # it would outlive the execution
        for number in (signal.SIGTERM, signal.SIGINT):  # an event loop that does not run any more may have them
            signal.signal(number, signal.SIG_DFL)
        while True:
            waited = time.monotonic() - self._since
            # A machine tells nobody that it has room again.
            time.sleep(min(_LONGEST_PAUSE, max(1.0, waited / 2)))
            with contextlib.suppress(OSError, MemoryError):  # the same that the start has met
                argv = entry_points.gateway(self._paths.profile)
                os.execve(argv[0], argv, {**self._environment, _SINCE: f"{self._since:.3f}"})  # noqa: S606  no shell is wanted

    def _stays(self) -> "usable.Unusable | None":
        """Return what no other try would get past. None also where a look is refused what the start was refused."""
        with contextlib.suppress(OSError, MemoryError, ImportError):
            return next((one for one in usable.unusable(self._paths) if one.number not in _PASSES), None)
        return None

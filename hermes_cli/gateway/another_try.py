"""A start for which the machine has no room (disk, memory, descriptors, processes) is no crash: it is tried again and again.

A manager counts starts that fail at once and gives up after a few (systemd's StartLimitBurst, the supervisor's crash limit),
and a disk is full for longer than that. So the process stays and executes itself again after a pause: same pid, same
environment, nothing kept of the try before. Whoever starts a gateway by hand is told instead.
"""

import contextlib
import errno
import os
import shlex
import sqlite3
import sys
import time

from hermes_cli.gateway import supervisor_watch
from hermes_cli.installation import entry_points
from hermes_cli.paths import Paths

FAILURES = (OSError, sqlite3.Error, MemoryError, RuntimeError)  # RuntimeError: Python has no other for a refused thread
_SINCE = "HERMES_STARTING_SINCE"  # seconds, monotonic
_KEEPERS = ("NOTIFY_SOCKET", supervisor_watch.VARIABLE)  # systemd's, the embedded supervisor's; launchd never gives up
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
_NO_ROOM_FOR_SQLITE = {sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_FULL}
_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP}
_LONGEST_PAUSE = 8.0  # seconds


def is_for_want_of_room(error: BaseException) -> bool:
    """Say whether the machine may have room for the same start later."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_ROOM_FOR_SQLITE
    return isinstance(error, MemoryError) or "can't start new thread" in str(error)


def mend(error: BaseException, state: str) -> str:
    """Return what helps against the refusal: of a disk, of permissions, or of something that is in the way."""
    if is_for_want_of_room(error):
        return "make room: on the disk, in memory, or of open files and processes"
    path = error.filename if isinstance(error, OSError) and isinstance(error.filename, str) else None
    if path is not None and isinstance(error, OSError) and error.errno in _IN_THE_WAY:
        while not os.path.lexists(path) and path != os.path.dirname(path):
            path = os.path.dirname(path)
        return f"mv {shlex.quote(path)} {shlex.quote(f'{path}.aside')}"
    return f"see that {path or state} is writable"


class Start:
    """One start. Made before anything is taken out of the environment."""

    def __init__(self, paths: Paths) -> None:
        """Claim what the try before has left."""
        self._profile = paths.profile
        self._environment = dict(os.environ)
        self._is_kept = any(name in self._environment for name in _KEEPERS)
        since = os.environ.pop(_SINCE, None)
        self.is_first = since is None
        try:
            self._since = time.monotonic() if since is None else float(since)
        except ValueError:
            self._since = time.monotonic()

    def failed(self, error: BaseException, who: str, state: str) -> None:
        """Say it, the first time. If more room would mend it, and somebody counts starts: wait, and execute this one anew.

        `state` is the directory without which `who` cannot start.
        """
        if self.is_first:
            print(f"hermes: {who} cannot start ({error}): {mend(error, state)}", file=sys.stderr, flush=True)
        if not (self._is_kept and is_for_want_of_room(error)):
            return
        waited = time.monotonic() - self._since
        # A machine tells nobody that it has room again.
        time.sleep(min(_LONGEST_PAUSE, max(1.0, waited / 2)))
        argv = entry_points.gateway(self._profile)
        with contextlib.suppress(OSError):
            os.execve(argv[0], argv, {**self._environment, _SINCE: f"{self._since:.3f}"})  # noqa: S606  no shell is wanted

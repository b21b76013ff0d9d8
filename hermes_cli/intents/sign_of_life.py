"""A driver's sign of life, in the file of its lock: who it is, and by when it is heard of again.

The kernel says that somebody holds the lock, not that anything is done: the holder may be stopped, or hang. Times are of
the boot's clock, which nobody sets. What cannot be read, or is of a release that writes none, says nothing.
"""

import contextlib
import json
import os
import signal
from typing import NamedTuple

from hermes_cli.intents.request import boot_time
from hermes_cli.system import locks, process_table
from hermes_cli.system.locks import Lock
from hermes_cli.system.process import Handle, Identity

STEP = 60.0  # seconds that one step may take: each call of a service manager is bounded far below
LONG_STEP = 3600.0  # one that may change code: git, pip and what a user has configured have their own bounds below
_LONGEST = 1024  # bytes
_GONE = 5.0  # seconds for a killed process to be gone


def take(path: str) -> Lock | None:
    """Take a driver's lock, also from one that does nothing, which is ended. Return None if one is at work. Raises OSError."""
    lock = locks.take(path)
    if lock is None and end_silent(path) is not None:
        lock = locks.take(path)
    return lock


def begin(path: str, seconds: float) -> "SignOfLife | None":
    """Take a driver's lock as `take` does, and say that something is heard again within so many seconds. Raises OSError."""
    lock = take(path)
    if lock is None:
        return None
    sign = SignOfLife(lock)
    sign.give(seconds)
    return sign


class SignOfLife:
    """What the holder of a lock says of itself while it works."""

    def __init__(self, lock: Lock) -> None:
        """`lock` is held by this process, until `end`."""
        self._lock: Lock | None = lock
        self._descriptor = lock.descriptor
        self._me = Identity.of(os.getpid())

    def give(self, seconds: float) -> None:
        """Say that something is heard again within so many seconds."""
        if self._me is None:
            return
        line = json.dumps({**self._me.document(), "heard_by": round(boot_time() + seconds, 1)}) + "\n"
        try:
            os.pwrite(self._descriptor, line.encode(), 0)
        except OSError:  # a full disk; an old sign must not stand for a new one
            self.withdraw()

    def withdraw(self) -> None:
        """Say nothing any more: the lock is let go, and its next holder may be of a release that says nothing."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)

    def end(self) -> None:
        """Withdraw the sign and let go of the lock. The second time nothing: its descriptor may be somebody else's by now."""
        if self._lock is not None:
            self.withdraw()
            self._lock.release()
            self._lock = None


class Idle(NamedTuple):
    """Who holds the lock of a driver and does nothing. `silent`: not heard of in time; `suspended`: stopped, in time or not."""

    silent: Identity | None = None
    suspended: Identity | None = None


def idle(path: str) -> Idle:
    """Look once at who holds the lock at `path`."""
    holder, heard_by = _said(path)
    if holder is None:
        return Idle()
    is_silent = type(heard_by) is float and heard_by < boot_time()
    try:
        is_suspended = process_table.is_stopped(holder.pid)
        if not (is_silent or is_suspended) or not (holder.is_alive() and locks.is_held(path)):
            return Idle()
    except OSError:  # the kernel will not say
        return Idle()
    return Idle(holder if is_silent else None, holder if is_suspended else None)


def silent(path: str) -> Identity | None:
    """Return the process that holds the lock at `path` and has not been heard of in time, or None."""
    return idle(path).silent


def _said(path: str) -> tuple[Identity | None, object]:
    """Return who has said that it drives, and by when it is heard of again; None for the caller, too."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None, None
    try:
        document = json.loads(os.read(descriptor, _LONGEST).partition(b"\n")[0])
        holder = Identity.parse(document)
        heard_by = document.get("heard_by") if holder is not None else None
    except (OSError, ValueError, AttributeError):
        return None, None
    finally:
        os.close(descriptor)
    return (None if holder is not None and holder.pid == os.getpid() else holder), heard_by


def end_silent(path: str) -> Identity | None:
    """Kill the holder of the lock that was not heard of in time. Return it, or None when there is none."""
    holder = silent(path)
    if holder is None:
        return None
    try:
        with Handle(holder) as handle:
            handle.send(signal.SIGKILL)  # it may be killed anywhere: the next driver looks afresh
            handle.wait(_GONE)
    except ProcessLookupError:
        pass
    import logging  # who only looks does without

    logging.getLogger(__name__).warning("the driver, pid %d, did nothing any more: it was ended", holder.pid)
    return holder

"""The driver's sign of life: who holds driver.lock, and until when it promises to say so again.

The kernel says that the lock is held, and nothing of a holder that is stopped, or spins. So the holder writes into the
lock file itself, in place: a full disk has room for that. Times are of the monotonic clock, which all processes of a
boot share. A holder of another release writes nothing, and is left alone.
"""

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass

from hermes_cli.system import durable, locks
from hermes_cli.system.process import Handle, Identity

LOOK = 60.0  # seconds that one look at everything may take; each question in it has its own, shorter bound
ACT = 600.0  # seconds that one act may take, a reload that waits for the old process for example
CHANGE = 3600.0  # seconds that finishing or undoing a change of code may take
PAUSE = 10.0  # seconds between two signs of a driver that waits
_SIZE = 256  # bytes, padded, so that a shorter text leaves nothing of a longer one
_LAST = 10.0  # seconds for the kernel after SIGKILL


@dataclass(frozen=True, slots=True)
class Sign:
    """Who drives, and until when it will have said so again (monotonic seconds)."""

    identity: Identity
    due: float

    @property
    def silent_for(self) -> float:
        """How long it has been silent beyond its promise; 0 or less: it is in time."""
        return time.monotonic() - self.due


def give(descriptor: int, patience: float) -> None:
    """Promise another sign within `patience` seconds, in the lock file that is open as `descriptor`."""
    me = Identity.of(os.getpid())
    if me is not None:
        _write(descriptor, json.dumps({**me.document(), "due": round(time.monotonic() + patience, 3)}).encode())


def withdraw(descriptor: int) -> None:
    """Say that nobody drives any more, before the lock is released: this process may live on."""
    _write(descriptor, b"")


def read(path: str) -> Sign | None:
    """Return the sign of the process that holds the lock, or None: nobody holds it, or its holder gives none."""
    try:
        document = json.loads(durable.read_small(path, _SIZE) or b"null")
    except (OSError, ValueError):
        return None
    identity, due = Identity.parse(document), durable.finite((document or {}).get("due"))
    if identity is None or due is None or not identity.is_alive() or not locks.is_held(path):
        return None
    return Sign(identity, due)


def overdue(path: str) -> Sign | None:
    """Return the sign of a driver that has not kept its promise, or None."""
    found = read(path)
    return found if found is not None and found.silent_for > 0 else None


def end_overdue(path: str) -> bool:
    """Kill the driver that has not kept its promise, if it is one. Return whether the lock may be free now.

    It never acts again: a stopped process that is killed runs no further instruction, and the kernel releases its lock.
    """
    found = overdue(path)
    if found is None or not _has_open(found.identity.pid, path):
        return False
    try:
        with Handle(found.identity) as handle:
            if overdue(path) != found:  # it has spoken since
                return False
            handle.send(signal.SIGKILL)
            return handle.wait(_LAST)
    except ProcessLookupError:
        return True
    except OSError:
        return False


def await_end(path: str) -> None:
    """Return when nobody holds the lock, or its holder has not kept its promise."""
    while (found := read(path)) is not None and found.silent_for <= 0:
        with contextlib.suppress(OSError), Handle(found.identity) as handle:
            if not handle.wait(min(PAUSE, max(0.0, -found.silent_for)) + 0.1) and not locks.is_held(path):
                return
    if found is None:
        locks.await_release(path)


def _write(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, data.ljust(_SIZE - 1) + b"\n", 0)


def _has_open(pid: int, path: str) -> bool:
    """Say whether the process has the lock file open; elsewhere than on Linux its own word counts."""
    if sys.platform != "linux":
        return True
    try:
        wanted = os.stat(path)
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(f"/proc/{pid}/fd/{name}")
                if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return True
    except OSError:
        return False
    return False

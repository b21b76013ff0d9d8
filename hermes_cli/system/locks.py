"""Kernel locks: taken with filelock, looked at without taking part.

A lock file is never deleted and never read: who holds the lock is what the kernel says, so a dead holder is none.
"""

import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from filelock import UnixFileLock

# Long enough to outlast a look (microseconds), short enough to be "at once" for a person.
_OUTLAST_A_LOOK = 0.2


def is_held(path: str) -> bool:
    """Whether some process holds the lock. Takes a shared lock for a moment, which `take` outlasts."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)  # releases the shared lock with it
    return False


def await_release(path: str) -> None:
    """Return when nobody holds the lock; the kernel wakes us, also when the holder is killed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def take(path: str, timeout: float = _OUTLAST_A_LOOK) -> "UnixFileLock | None":
    """Take the lock within `timeout` seconds, or None. The holder must not fork without exec: a child keeps it."""
    from filelock import Timeout, UnixFileLock

    from hermes_cli.system.durable import make_private_directory

    make_private_directory(os.path.dirname(path))
    # It looks every 5 ms: flock(2) waits for ever or not at all.
    lock = UnixFileLock(path, mode=0o600, fallback_to_soft=False, poll_interval=0.005)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        return None
    return lock

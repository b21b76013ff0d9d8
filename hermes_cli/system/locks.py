"""Kernel locks by flock(2): taken, and looked at without taking part.

The kernel knows who holds a lock, so a dead process holds none. The content of a lock file means nothing here. filelock's
lock_descriptor is the same call; the import of that library costs a process as much as asyncio, and 3 MB for good.
"""

import errno
import fcntl
import os
import time

# Long enough to outlast a look (microseconds), short enough to be "at once" for a person.
_OUTLAST_A_LOOK = 0.2
_AGAIN = 0.005  # seconds between two tries
# Nothing is there, or what nobody could have locked.
_NO_LOCK = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.ENAMETOOLONG}


def look(path: str) -> bool | None:
    """Say whether some process holds the lock, or None: it may not be opened, the disk fails, descriptors ran out (rule 13).

    Takes a shared lock for a moment, which `take` outlasts.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return False if error.errno in _NO_LOCK else None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)  # releases the shared lock with it
    return False


def is_held(path: str) -> bool:
    """Say whether some process is known to hold the lock."""
    return look(path) is True


def may_be_held(path: str) -> bool:
    """Say whether some process holds the lock, or might: for whoever would act on its being free."""
    return look(path) is not False


def is_at(descriptor: int, path: str) -> bool:
    """Say whether the lock file that is open here is still what `path` leads to: somebody may have put another there."""
    try:
        there = os.lstat(path)
    except OSError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def await_release(path: str, patience: float) -> None:
    """Return when nobody holds the lock, or after `patience` seconds. The kernel tells, also when the holder is killed."""
    import threading

    from hermes_cli.system import threads

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return

    def wait() -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    waiter = threading.Thread(target=wait, daemon=True)  # flock(2) waits for ever or not at all
    if not threads.start(waiter):
        os.close(descriptor)
        time.sleep(patience)  # whoever calls this looks again
        return
    waiter.join(patience)


class Lock:
    """A kernel lock that this process holds. A child may inherit `descriptor`, and then holds it as well."""

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        """Own a descriptor of the lock file that is locked already."""
        self.descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock, also for every child that has inherited it."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        finally:
            os.close(self.descriptor)


def take(path: str, timeout: float = _OUTLAST_A_LOOK) -> Lock | None:
    """Take the lock within `timeout` seconds, or return None. Raises OSError.

    It is held until it is released or the process ends. The holder must not fork without exec: a child keeps it.
    """
    from hermes_cli.system.durable import make_private_directory

    make_private_directory(os.path.dirname(path))
    deadline = time.monotonic() + timeout
    while True:
        lock = _try(path)
        if lock is not None or time.monotonic() >= deadline:
            return lock
        time.sleep(_AGAIN)  # flock(2) waits for ever or not at all


def _try(path: str) -> Lock | None:
    # O_NONBLOCK: a FIFO must not hold up the caller; O_NOFOLLOW: a link must not lead it elsewhere.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        # A file without a name is no lock any more: its holder removed it, and the next process makes another.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return Lock(descriptor)
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None

"""A log that several processes write, bounded by a size and a number of files.

    PATH      what is written now        PATH.1   the one before it        …        PATH.(files - 1)   the oldest

Whoever writes a line first takes the lock of the current file, and whoever finds the file full moves it aside under that
same lock: so no two rotate at once, and no line goes into a file that was moved. Output that goes past this module (a
dying interpreter's last words) goes into the file that descriptors 1 and 2 lead to: `LogFile` has them follow a rotation
and looks at the file's own size, so that output counts as well. Nothing waits for the lock for long: a process that was
suspended while it held it delays each other writer for two seconds in ten, and lets the file become twice as long.
"""

import contextlib
import fcntl
import os
import stat
import threading
import time
from typing import NamedTuple

SIZE, FILES = 5 * 1024 * 1024, 3
_PATIENCE = 2.0  # seconds that a line waits for the lock; on a busy machine its holder may get no turn for a while
_AGAIN = 0.001
_LEAVE_ALONE = 10.0  # seconds without another try when the lock was not to be had
_TRIES = 16
_CHUNK = 256 * 1024
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Bounds(NamedTuple):
    """`size` bytes a file, and `files` of them with the current one."""

    size: int = SIZE
    files: int = FILES


class LogFile:
    """The end of a log to write to. All methods may be called by any thread."""

    def __init__(self, path: str, bounds: Bounds | None = None) -> None:
        """Open the log, and make its directory. Raises OSError."""
        self.path = path
        self.bounds = bounds or Bounds()
        self._mutex = threading.RLock()
        self._outputs: tuple[int, ...] = ()
        self._no_lock_before = 0.0
        self._is_torn = False  # the last write stopped short in a line
        self._descriptor = -1
        self._open()

    def lead_outputs(self) -> None:
        """Have descriptors 1 and 2 lead into this log, from now on and after each rotation."""
        with self._mutex:
            self._outputs = (1, 2)
            self._point_outputs()

    def write(self, data: bytes) -> None:
        """Append whole lines. Raises OSError when they cannot be written."""
        with self._mutex:
            for _ in range(_TRIES):
                if self._write_or_rotate(data):
                    return
            self._append(self._descriptor, data)

    def tend(self) -> None:
        """Follow a rotation of somebody else's and rotate for output that went past `write`. Never raises.

        A burst of such output, or what a start printed that died of it, does not stay aside in its full length.
        """
        with contextlib.suppress(OSError):
            self.write(b"")
        for path in files(self.path):
            if path != self.path:
                self._shorten(path)

    def _write_or_rotate(self, data: bytes) -> bool:
        """Write, and return True; False when the file is another one now and it has to be tried again."""
        is_current = self._is_current() or self._try_open()
        descriptor = self._descriptor
        is_locked = is_current and self._lock(descriptor)
        try:
            if is_locked and not self._is_current():
                return False
            size = os.fstat(descriptor).st_size
            if size and size + len(data) > self.bounds.size:
                if is_locked:
                    self._rotate()
                    return False
                if size > 2 * self.bounds.size:
                    return True  # whoever holds the lock does not go on, or no file can be made: the bound comes first
            if data:
                self._append(descriptor, data)
            return True
        finally:
            if is_locked:
                fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _append(self, descriptor: int, data: bytes) -> None:
        left = b"\n" + data if self._is_torn else data
        while left:
            written = os.write(descriptor, left)
            left = left[written:]
            self._is_torn = bool(left)

    def _lock(self, descriptor: int) -> bool:
        now = time.monotonic()
        if now < self._no_lock_before:
            return False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() - now >= _PATIENCE:
                    self._no_lock_before = time.monotonic() + _LEAVE_ALONE
                    return False
                time.sleep(_AGAIN)  # flock(2) waits for ever or not at all
            except OSError:  # a file system without locks
                return False
            else:
                return True

    def _rotate(self) -> None:
        """Move every file one number up; the oldest go. The caller holds the lock of the current file."""
        oldest = max(1, self.bounds.files - 1)
        number = oldest
        while True:  # also those that a larger number of files has left
            try:
                os.unlink(f"{self.path}.{number}")
            except FileNotFoundError:
                if number > oldest:
                    break
            number += 1
        for number in range(oldest - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        if self.bounds.files > 1:
            os.rename(self.path, f"{self.path}.1")
        else:
            os.unlink(self.path)

    def _shorten(self, path: str) -> None:
        """Keep only the end of a file that was written far past its size, by whoever did not ask. Never raises.

        In place: who still has it open goes on at its end, and holds no more of the disk than the file shows.
        """
        with contextlib.suppress(OSError):
            if os.stat(path, follow_symlinks=False).st_size <= 1.5 * self.bounds.size:
                return
            with open(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # another process is at it already: then it does it
                length = os.fstat(file.fileno()).st_size
                source = max(0, length - self.bounds.size)
                target = os.pwrite(file.fileno(), b"[%d bytes before this were left out]\n" % source, 0)
                while chunk := os.pread(file.fileno(), min(_CHUNK, length - source), source):
                    source += len(chunk)
                    target += os.pwrite(file.fileno(), chunk, target)
                os.ftruncate(file.fileno(), target)

    def _try_open(self) -> bool:
        """Open the current file. Say whether that could be done; if not, what was open stays so."""
        try:
            self._open()
        except OSError:
            return False
        return True

    def _open(self) -> None:
        """Open the current file, which is made if it is not there."""
        opened = _opened(self.path)
        old, self._descriptor = self._descriptor, opened
        if old >= 0:
            os.close(old)
        self._point_outputs()

    def _point_outputs(self) -> None:
        if not self._outputs:
            return
        # Not a copy of our descriptor: children inherit 1 and 2, and would hold a lock that a dead parent took.
        output = _opened(self.path)
        try:
            for number in self._outputs:
                os.dup2(output, number)
        finally:
            os.close(output)

    def _is_current(self) -> bool:
        """Say whether the open file is the one that bears the log's name."""
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except OSError:
            return False
        held = os.fstat(self._descriptor)
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)


def files(path: str) -> list[str]:
    """Return the files of a log that are there, the oldest first."""
    found = [path] if os.path.exists(path) else []
    number = 1
    while os.path.exists(f"{path}.{number}"):
        found.insert(0, f"{path}.{number}")
        number += 1
    return found


def is_output(path: str, descriptor: int = 2) -> bool:
    """Say whether a descriptor leads into this log: the current file or one that was moved aside since."""
    try:
        held = os.fstat(descriptor)
    except OSError:
        return False
    if not stat.S_ISREG(held.st_mode):
        return False
    for one in [path, *files(path)]:
        with contextlib.suppress(OSError):
            named = os.stat(one)
            if (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino):
                return True
    return False


def _opened(path: str) -> int:
    from hermes_cli.system.durable import make_private_directory

    try:
        opened = os.open(path, _FLAGS | os.O_CREAT, 0o600)
    except FileNotFoundError:
        make_private_directory(os.path.dirname(path))
        opened = os.open(path, _FLAGS | os.O_CREAT, 0o600)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(22, "not a regular file", path)
    return opened

"""What is in the way of the next start in its own state: a file that it could not open, or could not replace.

A file that is missing is made, and one whose content is nonsense has its reader's answer. What is left is seen here, by
looking only, before a gateway that runs is taken down (rule 10): it has its files open, and would not get them again.
"""

import contextlib
import errno
import os
import stat

from hermes_cli.intents import desired
from hermes_cli.paths import Paths
from hermes_cli.system import durable
from hermes_cli.system.refusal import mend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Unusable:
    """One that is in the way. `why`: what the call would say; `mend`: a command where `is_command`."""

    __slots__ = ("is_command", "mend", "number", "path", "why")

    def __init__(self, path: str, number: int) -> None:
        """Find the words for an error, a `number` of errno."""
        self.path = path
        self.number = number
        self.why = os.strerror(number)
        self.mend, self.is_command = mend(path, number)

    @property
    def text(self) -> str:
        """What is wrong, without the mend."""
        return f"{self.path} cannot be used ({self.why})"


def unusable(paths: Paths) -> "Iterator[Unusable]":
    """Yield what is in the way of a start. Costs microseconds, and opens no messages.sqlite.

    Closing a descriptor of it would let go of the locks that a gateway, whose process this may be, has on it.
    """
    directories = (paths.state, paths.intents, *paths.queue.folders)
    in_the_way = next(filter(None, map(_of_directory, directories)), None) or _of_disks(paths)
    if in_the_way is not None:  # what is below it cannot be looked at
        yield in_the_way
        return
    replaced = (paths.instance, paths.socket, paths.desired)
    yield from (Unusable(path, errno.EISDIR) for path in replaced if _is_directory(path))
    opened = (paths.gateway_lock, paths.messages, paths.queue.driver_lock)
    yield from filter(None, (_of_opened(path, is_link_fit=path == paths.messages) for path in opened))
    beside = (
        f"{paths.messages}-wal",
        f"{paths.messages}-shm",
    )  # whoever closes it last removes them, whatever their mode
    yield from (Unusable(path, errno.EISDIR) for path in beside if os.path.lexists(path) and not os.path.isfile(path))
    unread = unreadable(paths)
    if unread is not None:
        yield unread


def unreadable(paths: Paths) -> Unusable | None:
    """Return desired.json if what it says cannot be told: nobody starts anything then (rule 7)."""
    try:
        desired.read(paths.desired)
    except OSError as error:
        return Unusable(paths.desired, error.errno or errno.EIO)
    return None


def unread_journal(paths: Paths) -> Unusable | None:
    """Return the journal of an update that was cut off if what it says cannot be told: no driver comes past it."""
    for name in durable.names_in(paths.updates_under_way):
        path = f"{paths.updates_under_way}/{name}"
        try:
            durable.read_json(path, strict=True)
        except OSError as error:
            return Unusable(path, error.errno or errno.EIO)
    return None


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # a link is replaced


def _of_directory(path: str) -> Unusable | None:
    if not os.path.lexists(path):
        return None
    if not os.path.isdir(path):
        return Unusable(path, errno.ENOTDIR)
    return None if os.access(path, os.R_OK | os.W_OK | os.X_OK) else Unusable(path, _refusal(path))


def _of_disks(paths: Paths) -> Unusable | None:
    """Return what takes nothing any more, or a folder on another disk than the queue's, where nothing can be moved to."""
    try:  # a file without a name, where nobody watches: after an error a kernel may refuse all, and call the disk writable
        os.close(os.open(paths.queue.staging, getattr(os, "O_TMPFILE", 0) | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:  # not every file system can do it
        if error.errno == errno.EROFS:
            return Unusable(paths.state, error.errno)
    with contextlib.suppress(OSError):
        disk = os.stat(paths.intents).st_dev
        for folder in paths.queue.folders:
            with contextlib.suppress(FileNotFoundError):  # it is made
                if os.stat(folder).st_dev != disk:
                    return Unusable(folder, errno.EXDEV)
    return None


def _of_opened(path: str, *, is_link_fit: bool) -> Unusable | None:
    """Return a file that is opened for writing and could not be. `is_link_fit`: a link to a file does as well."""
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            if not is_link_fit:
                return Unusable(path, errno.ELOOP)
            found = os.stat(path)
    except FileNotFoundError:
        return Unusable(path, errno.ELOOP) if os.path.islink(path) else None
    except OSError as error:
        return Unusable(path, error.errno or errno.EIO)
    if not stat.S_ISREG(found.st_mode):
        return Unusable(path, errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.ENXIO)
    return None if os.access(path, os.R_OK | os.W_OK) else Unusable(path, _refusal(path))


def _refusal(path: str) -> int:
    try:
        is_read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError as error:
        return error.errno or errno.EIO
    return errno.EROFS if is_read_only else errno.EACCES

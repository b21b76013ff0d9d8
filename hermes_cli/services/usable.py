"""What is in the way of the next start in its own state: a file that it could not open, or could not replace.

A file that is missing is made, and one whose content is nonsense has its reader's answer. What is left is seen here, by
looking only, before a gateway that runs is taken down (rule 10): it has its files open, and would not get them again.
"""

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


def unusable(paths: Paths, wish: desired.Look | None = None) -> "Iterator[Unusable]":
    """Yield what is in the way of a start. Costs microseconds, and opens no messages.sqlite.

    Closing a descriptor of it would let go of the locks that a gateway, whose process this may be, has on it.
    `wish`: what desired.json says, where that has been read.
    """
    in_the_way = _of_directories(paths)
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
    yield from (Unusable(path, errno.EISDIR) for path in beside if not os.path.isfile(path) and os.path.lexists(path))
    unread = (wish or desired.look(paths.desired)).error
    if unread is not None:  # nobody starts anything then (rule 7)
        yield Unusable(paths.desired, unread.errno or errno.EIO)


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


def _of_directories(paths: Paths) -> Unusable | None:
    """Return a directory that is none or is refused, one that takes nothing any more, or a folder on another disk.

    Nothing can be moved to another disk than the queue's.
    """
    disks = {}
    for path in (paths.state, paths.intents, *paths.queue.folders):
        try:
            found = os.lstat(path)
        except OSError:
            continue  # it is made
        try:
            found = os.stat(path) if stat.S_ISLNK(found.st_mode) else found
        except OSError:
            return Unusable(path, errno.ENOTDIR)
        if not stat.S_ISDIR(found.st_mode):
            return Unusable(path, errno.ENOTDIR)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            return Unusable(path, _refusal(path))
        disks[path] = found.st_dev
    try:  # a file without a name, where nobody watches: after an error a kernel may refuse all, and call the disk writable
        os.close(os.open(paths.queue.staging, getattr(os, "O_TMPFILE", 0) | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:  # not every file system can do it
        if error.errno == errno.EROFS:
            return Unusable(paths.state, error.errno)
    here = disks.get(paths.intents)
    apart = next((path for path in paths.queue.folders if path in disks and here not in {None, disks[path]}), None)
    return Unusable(apart, errno.EXDEV) if apart is not None else None


def _of_opened(path: str, *, is_link_fit: bool) -> Unusable | None:
    """Return a file that is opened for writing and could not be. `is_link_fit`: a link to a file does as well."""
    found = None
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            if not is_link_fit:
                return Unusable(path, errno.ELOOP)
            found = os.stat(path)
    except FileNotFoundError:
        return None if found is None else Unusable(path, errno.ELOOP)
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

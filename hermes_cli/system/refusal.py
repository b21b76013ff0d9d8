"""What helps against a file or directory that cannot be opened, made or replaced."""

import errno
import os

_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENXIO}
_SHORT_OF = {
    errno.EAGAIN: "end some of this user's processes, or raise ulimit -u",
    errno.ENOMEM: "free some memory",
    errno.EMFILE: "raise ulimit -n",
    errno.ENFILE: "close some of the machine's files",
}


def shortage(number: int | None) -> str | None:
    """Return what helps where the process, its user or the machine has run out of something; None of other errors."""
    return _SHORT_OF.get(number) if number is not None else None


def refused(path: str, what: str, error: OSError) -> str:
    """Return the one line that says that `path` cannot be `what` (written, made …), and what helps."""
    how, _ = mend(path, error.errno or errno.EIO)
    return f"{path} cannot be {what} ({error.strerror or error}): {how} and repeat"


def mend(path: str, number: int) -> tuple[str, bool]:
    """Return what helps whoever owns `path` against an error of its opening, and whether that is a command."""
    import shlex

    there = path
    while not os.path.lexists(there) and there != os.path.dirname(there):
        there = os.path.dirname(there)
    named = shlex.quote(there)
    if number in _IN_THE_WAY:
        return f"mv {named} {shlex.quote(f'{there}.aside')}", True
    if number in {errno.EACCES, errno.EPERM}:
        if os.access(there, os.R_OK | os.W_OK | (os.X_OK if os.path.isdir(there) else 0)):
            return f"see that {path} is writable", False
        if os.lstat(there).st_uid == os.geteuid():
            return f"chmod u+rw{'x' if os.path.isdir(there) else ''} {named}", True
        return f"give it back to its user: sudo chown {os.geteuid()} {named}", False
    if number in {errno.ENOSPC, errno.EDQUOT}:
        return f"free some space on the disk of {there}", False
    if number == errno.EROFS:
        return f"mount the disk of {there} writable again", False
    if number == errno.EXDEV:
        return f"let {there} be a folder of the disk of {os.path.dirname(there)}", False
    if number == errno.EIO:
        return f"see that the disk of {there} answers", False
    return shortage(number) or "mend it", False

"""What helps against a file or directory that cannot be opened, made or replaced."""

import errno
import os

_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENXIO}


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
    return f"see that the disk of {there} answers" if number == errno.EIO else "mend it", False

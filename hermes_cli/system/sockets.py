"""Unix sockets below paths of any length, and who is at the other end.

A socket address holds 108 bytes on Linux and 104 on macOS (unix(7), unix(4)); a home directory may be longer.
"""

import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ADDRESS_LIMIT = 100  # bytes; below both limits, with the closing NUL
BACKLOG = 1024  # who connects at once; the kernel has its own limit (net.core.somaxconn)
_FULL = 0.01  # seconds between two tries
# <sys/un.h> and <sys/ucred.h> of macOS and the BSDs: struct xucred is version, uid, ngroups, 16 groups.
_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID, _XUCRED_SIZE = 0, 1, 2, 76


def listen(path: str) -> socket.socket:
    """Listen at `path`, mode 0600 from its first moment, replacing what a dead owner left. Raises OSError.

    The caller holds the lock that makes it the only owner of `path`.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)  # the name must never exist with a wider mode, not even before a chmod
    try:
        with _address(path) as address:
            listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(previous)
    return listener


def identity(path: str) -> tuple[int, int] | None:
    """Return which socket its user can reach at `path`, or None for anything else."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    is_fit = stat.S_ISSOCK(found.st_mode) and found.st_mode & 0o600 == 0o600
    return (found.st_dev, found.st_ino) if is_fit else None


def connect(path: str, timeout: float) -> socket.socket:
    """Connect to the socket at `path`, in blocking mode with `timeout` seconds. Raises OSError."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deadline = time.monotonic() + timeout
    try:
        client.settimeout(timeout)
        with _address(path) as address:
            while True:
                try:
                    client.connect(address)
                    break
                except BlockingIOError:  # somebody listens who has not yet taken those before us: unix(7)
                    if time.monotonic() >= deadline:
                        raise
                time.sleep(_FULL)
    except BaseException:
        client.close()
        raise
    return client


def peer_uid(connection: socket.socket) -> int | None:
    """Return the user at the other end, or None where the kernel does not say."""
    try:
        if sys.platform == "linux":
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", found)[1])
        found = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_SIZE)
        return int(struct.unpack_from("=II", found)[1])
    except (OSError, struct.error):
        return None


def peer_pid(connection: socket.socket) -> int | None:
    """Return the process at the other end, of a listener the one that listens; None where the kernel does not say."""
    try:
        if sys.platform == "linux":
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", found)[0]) or None
        return connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID) or None
    except (OSError, struct.error):
        return None


@contextmanager
def _address(path: str) -> Iterator[bytes | str]:
    raw = os.fsencode(path)
    if len(raw) <= _ADDRESS_LIMIT:
        yield raw
        return
    directory, name = os.path.split(path)
    if sys.platform == "linux":
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{descriptor}/{name}"
        finally:
            os.close(descriptor)
        return
    # mkdtemp makes it 0700, so nobody else can point the link elsewhere; TMPDIR of macOS alone is half the limit.
    import tempfile

    private = tempfile.mkdtemp(prefix="socket-", dir="/tmp")
    link = f"{private}/s"
    try:
        os.symlink(directory, link)
        yield f"{link}/{name}"
    finally:
        with suppress(FileNotFoundError):
            os.unlink(link)
        os.rmdir(private)

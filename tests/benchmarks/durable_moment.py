"""The moment at which a record is durable, seen from outside: its name in pending/, then the end of the directory's sync.

inotify(7) tells of both: the rename, and that the descriptor on which the directory was synced was closed.
"""

import ctypes
import os
import select
import struct
import time
from typing import Self

_IN_CLOSE_NOWRITE, _IN_MOVED_TO = 0x10, 0x80
_HEADER = struct.Struct("iIII")
_PATIENCE = 20.0  # seconds


class DurableMoment:
    """Watches one pending/ directory."""

    def __init__(self, directory: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "inotify_init1")
        watch = libc.inotify_add_watch(self._descriptor, os.fsencode(directory), _IN_CLOSE_NOWRITE | _IN_MOVED_TO)
        if watch < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), directory)
        self._poller = select.poll()
        self._poller.register(self._descriptor, select.POLLIN)

    def wait(self) -> tuple[str, float]:
        """The record's name and the time (perf_counter) at which it was durable."""
        name = ""
        while self._poller.poll(_PATIENCE * 1000):
            now = time.perf_counter()
            for mask, found in self._events():
                if mask & _IN_MOVED_TO:
                    name = found
                elif name and not found:  # of the directory itself, not of a file in it
                    return name, now
        raise TimeoutError(f"no record was made durable within {_PATIENCE} s")

    def forget(self) -> None:
        """Drop what was seen so far."""
        while self._poller.poll(0):
            self._events()

    def _events(self) -> list[tuple[int, str]]:
        data, found, at = os.read(self._descriptor, 65536), [], 0
        while at < len(data):
            _, mask, _, length = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            found.append((mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))))
            at += length
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

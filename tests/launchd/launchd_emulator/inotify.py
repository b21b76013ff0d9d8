"""inotify(7) for many watchers in one descriptor: the kernel's instances are few, and tested programs need some too."""

import ctypes
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

MODIFY, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x2, 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF, IGNORED = 0x400, 0x800, 0x8000
ENTRIES = MOVED_FROM | MOVED_TO | CREATE | DELETE
_ADD_TO_MASK = 0x20000000
_HEAD = struct.Struct("iIII")

Call = Callable[[int, str], None]


@dataclass(eq=False)
class Interest:
    """A watcher of one inode, and the events that it wants."""

    watch: int
    mask: int
    call: Call


class Inotify:
    """An inotify instance. It calls with (mask, name) for each event that an interest asked for."""

    def __init__(self) -> None:
        """Raise OSError where the kernel has none left."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self.descriptor < 0:
            raise _error("inotify_init1")
        self._interests: dict[int, list[Interest]] = {}

    def add(self, path: str, mask: int, call: Call) -> Interest:
        """Watch a path. Raises OSError."""
        # The same inode has one watch, whoever asks: masks are united, and taken apart again at delivery.
        watch = int(self._libc.inotify_add_watch(self.descriptor, os.fsencode(path), mask | _ADD_TO_MASK))
        if watch < 0:
            raise _error(path)
        interest = Interest(watch, mask, call)
        self._interests.setdefault(watch, []).append(interest)
        return interest

    def remove(self, interest: Interest) -> None:
        """Stop watching. This is harmless when the kernel has dropped the watch already."""
        others = self._interests.get(interest.watch, [])
        if interest in others:
            others.remove(interest)
            if not others:
                del self._interests[interest.watch]
                self._libc.inotify_rm_watch(self.descriptor, interest.watch)

    def read(self) -> None:
        """Deliver the events that have arrived."""
        try:
            text = os.read(self.descriptor, 65536)
        except BlockingIOError:
            return
        start = 0
        while start < len(text):
            watch, mask, _, length = _HEAD.unpack_from(text, start)
            name = os.fsdecode(text[start + _HEAD.size : start + _HEAD.size + length].rstrip(b"\0"))
            start += _HEAD.size + length
            interested = list(self._interests.get(watch, ()))
            if mask & IGNORED:
                self._interests.pop(watch, None)
            for interest in interested:
                if mask & (interest.mask | IGNORED):
                    interest.call(mask, name)


def _error(what: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code), what)

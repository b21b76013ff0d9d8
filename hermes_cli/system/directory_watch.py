"""Wake up when a directory changes: inotify(7) on Linux, kqueue elsewhere.

The watch is only a hint: every reader looks at the directory before it waits and after it wakes. If the kernel has no
watch left (inotify's limits are small and shared), the watch is blind and its readers look again every half second.
"""

import errno
import os
import select
import sys
from typing import Any, Self

_IN_MODIFY, _IN_CLOSE_WRITE, _IN_MOVED, _IN_CREATE, _IN_DELETE, _IN_DELETE_SELF = 0x2, 0x8, 0xC0, 0x100, 0x200, 0x400
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.ENOMEM}
_BLIND_PATIENCE = 0.5  # seconds
_EVENTS = _IN_CLOSE_WRITE | _IN_MOVED | _IN_CREATE | _IN_DELETE | _IN_DELETE_SELF


class DirectoryWatch:
    """A descriptor that is readable after a name in one of the directories came, went or was replaced."""

    def __init__(self, *paths: str, modified: bool = False) -> None:
        """Watch directories, with `modified` (Linux) also writes to the files in them. Raises OSError."""
        self._directories: list[int] = []
        self._kqueue: Any = None
        self._descriptor = -1
        self.is_blind = False
        try:
            if sys.platform == "linux":
                self._watch_by_inotify(paths, _EVENTS | (_IN_MODIFY if modified else 0))
            else:
                self._watch_by_kqueue(paths)
        except OSError as error:
            self.close()
            if error.errno not in _EXHAUSTED:
                raise
            self.is_blind = True
            self._descriptor, unused = os.pipe()
            self._directories.append(unused)

    def _watch_by_inotify(self, paths: tuple[str, ...], events: int) -> None:
        import ctypes  # here, for many import this and watch nothing; whoever watches does so from its start on

        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        for path in paths:
            if libc.inotify_add_watch(self._descriptor, os.fsencode(path), events) < 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), path)

    def _watch_by_kqueue(self, paths: tuple[str, ...]) -> None:
        if sys.platform == "linux":
            return
        self._kqueue = select.kqueue()
        self._descriptor = self._kqueue.fileno()
        for path in paths:
            directory = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._directories.append(directory)
            flags = select.KQ_EV_ADD | select.KQ_EV_CLEAR
            notes = select.KQ_NOTE_WRITE | select.KQ_NOTE_DELETE | select.KQ_NOTE_RENAME
            self._kqueue.control([select.kevent(directory, select.KQ_FILTER_VNODE, flags, notes)], 0)

    def fileno(self) -> int:
        """Return the descriptor, which is readable after a change."""
        return self._descriptor

    def patience(self, timeout: float | None) -> float | None:
        """Return how many seconds to wait at most, if there are `timeout` seconds (None: no limit) to wait."""
        if not self.is_blind:
            return timeout
        return _BLIND_PATIENCE if timeout is None else min(timeout, _BLIND_PATIENCE)

    def drain(self) -> None:
        """Forget the changes so far."""
        if self.is_blind:
            return
        if self._kqueue is not None:
            self._kqueue.control(None, 64, 0)
            return
        try:
            while os.read(self._descriptor, 65536):
                pass
        except BlockingIOError:
            pass

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds. Say whether something may have changed, and forget the changes."""
        if self.is_blind:
            timeout = min(timeout, _BLIND_PATIENCE)
        poller = select.poll()
        poller.register(self._descriptor, select.POLLIN)
        changed = bool(poller.poll(max(0.0, timeout) * 1000))
        self.drain()
        return changed or self.is_blind

    def close(self) -> None:
        """Release the descriptors."""
        for directory in self._directories:
            os.close(directory)
        self._directories.clear()
        if self._kqueue is not None:
            self._kqueue.close()
            self._kqueue = None
        elif self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""Watches of paths: of files, of directories, and of paths that are not there yet.

Of a directory: an entry came, went or was renamed; with `subtree` anything below it. Of a file: it was written, or
replaced. By inotify where there is one, else by looking every so often.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from launchd_emulator import inotify
from launchd_emulator.inotify import Inotify, Interest
from launchd_emulator.loop import Loop

if TYPE_CHECKING:
    from launchd_emulator.timers import Timer

LOOK_EVERY = 0.05  # seconds, without inotify
_GONE = inotify.DELETE_SELF | inotify.MOVE_SELF


class Watch(Protocol):
    """A watch of one path. It calls at every change until it is closed."""

    def close(self) -> None:
        """Stop watching."""


class Watcher:
    """The maker of watches."""

    def __init__(self, loop: Loop, *, by_looking: bool = False) -> None:
        self._loop = loop
        self._inotify: Inotify | None = None
        try:
            if not by_looking:
                self._inotify = Inotify()
                loop.reading(self._inotify.descriptor, self._inotify.read)
        except (OSError, AttributeError):  # none left, or a system without inotify
            self._inotify = None

    def watch(self, path: str, on_change: Callable[[], None], *, subtree: bool = False) -> Watch:
        """Begin to call at every change of the path."""
        if self._inotify is not None:
            try:
                return _Notified(self._inotify, path, on_change, subtree=subtree)
            except OSError:  # the kernel has no watch left
                pass
        return _Looked(self._loop, path, on_change, subtree=subtree)


def look(path: str, *, subtree: bool) -> object:
    """Return something that differs after a change."""
    try:
        found = os.stat(path)
        if not os.path.isdir(path):
            return (found.st_ino, found.st_mtime_ns, found.st_size)
        if not subtree:
            return sorted((entry.name, entry.inode()) for entry in os.scandir(path))
        return [
            (entry.name, entry.inode(), look(entry.path, subtree=True))
            for entry in sorted(os.scandir(path), key=lambda one: one.name)
        ]
    except OSError:
        return None


class _Looked:
    """A watch that looks at the path again and again."""

    def __init__(self, loop: Loop, path: str, on_change: Callable[[], None], *, subtree: bool) -> None:
        self._loop = loop
        self._look: Callable[[], object] = lambda: look(path, subtree=subtree)
        self._on_change = on_change
        self._seen = self._look()
        self._timer: Timer = loop.later(LOOK_EVERY, self._again)

    def _again(self) -> None:
        self._timer = self._loop.later(LOOK_EVERY, self._again)
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            self._on_change()

    def close(self) -> None:
        """Stop watching."""
        self._timer.cancel()


class _Notified:
    """A watch of the path itself and of the nearest folder above it that exists: one of them hears of every change."""

    def __init__(self, notify: Inotify, path: str, on_change: Callable[[], None], *, subtree: bool) -> None:
        """Raise OSError where the kernel has no watch left."""
        self._inotify = notify
        self._path = os.path.normpath(path)
        self._on_change = on_change
        self._subtree = subtree
        self._interests: list[Interest] = []
        self._existed = False
        self._arm()

    def close(self) -> None:
        """Stop watching."""
        for interest in self._interests:
            self._inotify.remove(interest)
        self._interests.clear()

    def _arm(self) -> None:
        self.close()
        try:
            above, name = self._watch_above()
            if os.path.isdir(self._path):
                self._watch_folder(self._path)
        except (FileNotFoundError, NotADirectoryError):  # gone between the look and the watch
            self._arm()
            return
        self._existed = os.path.lexists(self._path)
        # What came between the look for the nearest folder and its watch would be heard of by nobody.
        if not self._existed and os.path.lexists(os.path.join(above, name)):
            self._arm()

    def _watch_above(self) -> tuple[str, str]:
        above, name = os.path.split(self._path)
        while not os.path.isdir(above):
            above, name = os.path.split(above)
        mask = inotify.ENTRIES | inotify.MODIFY | _GONE
        self._interests.append(self._inotify.add(above, mask, lambda mask, found: self._above(name, mask, found)))
        return above, name

    def _watch_folder(self, folder: str) -> None:
        mask = inotify.ENTRIES | (inotify.MODIFY if self._subtree else 0)
        self._interests.append(self._inotify.add(folder, mask, lambda mask, _: self._inside(mask)))
        if self._subtree:
            for entry in os.scandir(folder):
                if entry.is_dir(follow_symlinks=False):
                    self._watch_folder(entry.path)

    def _above(self, name: str, mask: int, found: str) -> None:
        if found == name or mask & (_GONE | inotify.IGNORED):
            existed = self._existed
            self._arm()
            if (found == name and (existed or self._existed)) or existed != self._existed:
                self._on_change()

    def _inside(self, mask: int) -> None:
        if mask & inotify.IGNORED:
            self._arm()
            return
        if self._subtree:
            self._arm()  # there may be a new folder
        self._on_change()

"""Read logs that `log_file` writes: the last lines over all files of each, then what comes, over any rotation.

A file that was opened stays readable when it is moved aside or removed. So a follower reads each file to its end, also
after its successor has begun: a process whose output leads into the old one may still write to it.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Self

_BLOCK = 65536
_KEEP = 3  # files before the current one that a follower goes on looking at
_LOOK_AGAIN = 0.5 if sys.platform != "linux" else 30.0  # seconds; kqueue does not tell of a file that grows
Line = tuple[int, bytes]  # the number of the log, and the line


class _File:
    """An open file of a log. `end` is where what was given out ends; half a line at the end is left for `grown`."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        found = os.fstat(descriptor)
        self.identity = (found.st_dev, found.st_ino)
        self.size = found.st_size
        self.end = self._whole(self.size)

    def backwards(self) -> Iterator[bytes]:
        """Yield the lines before `end`, the last one first."""
        position, rest = self.end, b""
        while position > 0:
            begin = max(0, position - _BLOCK)
            first, *lines = (os.pread(self.descriptor, position - begin, begin) + rest)[:-1].split(b"\n")
            position, rest = begin, first + b"\n"
            for line in reversed(lines):
                yield line + b"\n"
        if rest:
            yield rest

    def grown(self, *, is_last: bool) -> Iterator[bytes]:
        """Yield the whole lines since. Where nobody writes any more (not `is_last`), half a line is one as well."""
        rest = b""
        position = self.end
        while block := os.pread(self.descriptor, _BLOCK, position):
            position += len(block)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                self.end += len(line) + 1
                yield line + b"\n"
        if rest and not is_last:
            self.end += len(rest)
            yield rest

    def rest(self) -> bytes:
        """Return the half line that was there at the end when the file was opened."""
        return os.pread(self.descriptor, self.size - self.end, self.end)

    def _whole(self, position: int) -> int:
        """Return where the last whole line before `position` ends."""
        while position > 0:
            begin = max(0, position - _BLOCK)
            found = os.pread(self.descriptor, position - begin, begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            position = begin
        return 0

    def close(self) -> None:
        os.close(self.descriptor)


class _Log:
    """One log: its open files, the oldest first."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.files: list[_File] = []

    def open(self) -> None:
        """Open what is there. Raises OSError when that is nothing."""
        self.files = self._newer(None)
        if not self.files:
            os.close(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))

    def backwards(self, *, unfinished: bool) -> Iterator[bytes]:
        for file in reversed(self.files):
            if rest := file.rest() if unfinished or file is not self.files[-1] else b"":
                yield rest
            yield from file.backwards()

    def grown(self) -> Iterator[bytes]:
        """Yield the lines that have come, and open the files that have come."""
        while True:
            newer = self._newer(self.files[-1].identity if self.files else None)
            for position, file in enumerate(self.files):
                yield from file.grown(is_last=not newer and position == len(self.files) - 1)
            if not newer:
                break
            for file in newer:
                file.end = 0
            self.files.extend(newer)
        for file in self.files[: -_KEEP - 1]:
            file.close()
        del self.files[: -_KEEP - 1]

    def _newer(self, last: tuple[int, int] | None) -> list[_File]:
        """Open the files that are newer than the one of that identity, or all if it is not there any more."""
        found: list[_File] = []
        number = 0
        while True:
            try:
                descriptor = os.open(
                    f"{self.path}.{number}" if number else self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
                )
            except FileNotFoundError:
                if number:
                    break
                number += 1
                continue
            file = _File(descriptor)
            if file.identity == last:
                file.close()
                break
            if any(file.identity == one.identity for one in (*found, *self.files)):
                file.close()  # moved on while we looked
            else:
                found.insert(0, file)
            number += 1
        return found

    def close(self) -> None:
        for file in self.files:
            file.close()
        self.files = []


class Reader:
    """Several logs, whose lines are given out with the log's number."""

    def __init__(self, paths: list[str]) -> None:
        """Open nothing yet."""
        self._logs = [_Log(path) for path in paths]

    def __enter__(self) -> Self:
        """Open the logs that are there. Raises OSError when that is none, or one cannot be read."""
        missing: FileNotFoundError | None = None
        for log in self._logs:
            try:
                log.open()
            except FileNotFoundError as error:
                missing = missing or error
        if missing is not None and not any(log.files for log in self._logs):
            raise missing
        return self

    def __exit__(self, *_: object) -> None:
        for log in self._logs:
            log.close()

    def backwards(self, *, unfinished: bool) -> list[Iterator[bytes]]:
        """Return for each log its lines when it was opened, the last one first.

        `unfinished`: with half a line at the end, somebody's last words. A follower gets it when it is whole.
        """
        return [log.backwards(unfinished=unfinished) for log in self._logs]

    def follow(self) -> Iterator[Line]:
        """Yield what is written from then on, without end."""
        from hermes_cli.system.directory_watch import DirectoryWatch

        directory = os.path.dirname(self._logs[0].path)
        while True:
            try:
                watched = os.stat(directory).st_ino
                watch = DirectoryWatch(directory, modified=True)
            except OSError:  # it is made again by whoever writes
                yield from self._grown()
                time.sleep(_LOOK_AGAIN / 10)
                continue
            with watch:
                while _is_there(directory, watched):
                    yield from self._grown()
                    watch.wait(_LOOK_AGAIN)

    def _grown(self) -> Iterator[Line]:
        for number, log in enumerate(self._logs):
            for line in log.grown():
                yield number, line


def _is_there(directory: str, inode: int) -> bool:
    with contextlib.suppress(OSError):
        return os.stat(directory).st_ino == inode
    return False

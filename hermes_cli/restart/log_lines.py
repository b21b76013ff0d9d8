"""The last lines that the gateway has logged since a moment: why a start failed, for the requester that waits."""

import os

from hermes_cli.system import durable
from hermes_cli.system.command import printable

_SHOWN = 3
_READ = 16384  # bytes
_TELLS_THE_END = " INFO hermes.supervisor: "  # that it ended and how, which whoever shows these lines has said already


class LogLines:
    """Remember how long a log is now; later, return its last lines since."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._size = self._length()

    def last(self) -> tuple[str, ...]:
        """Return the last few whole lines that were written since, without the supervisor's; none when the log cannot be read."""
        length = self._length()
        return _last(self._path, self._size if length >= self._size else 0)  # shorter: it was rotated meanwhile

    def _length(self) -> int:
        try:
            return os.stat(self._path).st_size
        except OSError:
            return 0


def last_lines(path: str) -> tuple[str, ...]:
    """Return the last few lines of a log, without the supervisor's; none when it cannot be read."""
    return _last(path, 0)


def _last(path: str, begin: int) -> tuple[str, ...]:
    try:
        with open(path, "rb", opener=durable.prompt_opener) as file:
            file.seek(max(begin, file.seek(0, os.SEEK_END) - _READ))
            found = file.read(_READ)
    except OSError:
        return ()
    lines = [printable(line).rstrip() for line in found.decode(errors="replace").splitlines()]
    return tuple(line for line in lines if line and _TELLS_THE_END not in line)[-_SHOWN:]

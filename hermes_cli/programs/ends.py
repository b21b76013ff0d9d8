"""state/ends: how runs of the gateway ended, a line for each. Whoever waited for the process writes it: nobody else is told.

    1795449911 4242 killed SEGV      epoch seconds, pid (0: not known), then as systemd.exec(5) says it in $EXIT_CODE, $EXIT_STATUS

The embedded supervisor writes it, under systemd the unit itself; the next gateway takes the lines over into starts.json. launchd
is asked afterwards.
"""

import contextlib
import os
import signal
from typing import NamedTuple

from hermes_cli.paths import Paths
from hermes_cli.system import durable

_LIMIT = 4096  # bytes; who fails before it can take them over again and again fills no disk
# Run by systemd when the service has ended. Never fails, and never keeps the next start waiting for long.
_SHELL = (
    'umask 077; exec 2>/dev/null; [ "$(wc -c <"$0")" -gt {limit} ] && : >"$0"; '
    'echo "$(date +%s) 0 $EXIT_CODE $EXIT_STATUS" >>"$0"; exit 0'
)


class End(NamedTuple):
    """One end. `at`: epoch seconds; `code`: the exit code, negative: ended by that signal."""

    at: float
    pid: int
    code: int


def path_of(paths: Paths) -> str:
    """Return the path of the file."""
    return f"{paths.state}/ends"


def argv(paths: Paths) -> list[str]:
    """Return the command that notes the end of a service whose $EXIT_CODE and $EXIT_STATUS it is given."""
    return ["/bin/sh", "-c", _SHELL.format(limit=_LIMIT), path_of(paths)]


def note(paths: Paths, end: End) -> None:
    """Add an end. Never raises: it is told to people only."""
    how = f"exited {end.code}" if end.code >= 0 else f"killed {-end.code}"
    with contextlib.suppress(OSError), open(path_of(paths), "ab", opener=durable.private_opener) as file:
        if file.tell() > _LIMIT:
            file.truncate(0)
        file.write(f"{end.at:.3f} {end.pid} {how}\n".encode("ascii"))


def read(paths: Paths) -> tuple[End, ...]:
    """Return the ends that nobody has taken over yet, oldest first; lines that say nothing are passed over."""
    try:
        data = durable.read_small(path_of(paths), 2 * _LIMIT, private=True)
    except (OSError, durable.UnfitFileError):
        return ()
    return tuple(found for line in data.decode("ascii", "replace").splitlines() if (found := _end(line)) is not None)


def forget(paths: Paths) -> None:
    """Remove what was taken over."""
    with contextlib.suppress(OSError):
        os.unlink(path_of(paths))


def _end(line: str) -> End | None:
    words = line.split()
    if len(words) != 4:
        return None
    try:
        at, pid = float(words[0]), int(words[1])
        code = int(words[3]) if words[2] == "exited" else -_signal(words[3])
    except ValueError:
        return None
    return End(at, pid, code) if 0 <= at < 1e12 else None


def _signal(word: str) -> int:
    """Return the number of a signal given as such or by name. Raises ValueError."""
    if word.isdecimal():
        return int(word)
    try:
        return int(signal.Signals[f"SIG{word}"])
    except KeyError:
        raise ValueError(word) from None

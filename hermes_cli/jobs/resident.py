"""The resident restarter of an adopted program: sleep until its process ends or a file says something, then look.

    python -m hermes_cli.jobs.resident PROFILE STATE

It only waits, so it stays small, and an update need not restart it. Every look is a process of its own on the installed
code (`hermes_cli.jobs.adopted`), which says in lines on its output what to wait for:

    pid PID TICKS     that process's end
    watch DIRECTORY   a change there …
    file PATH         … of this file; without any, of anything
    sign PATH         this file comes or goes
    until SECONDS     at the latest after so long
"""

import fcntl
import os
import select
import signal
import sys
import time

from hermes_cli.pending import RESIDENT_LOCK
from hermes_cli.system import process_table
from hermes_cli.system.directory_watch import DirectoryWatch

_AGAIN = 5.0  # seconds after a look that failed
_AGAIN_AT_MOST = 60.0
_LONGEST = 3600.0  # seconds; a look is owed even if every event was lost
_LOOK = 86400.0  # seconds; a look drives a restart to its end, whose own deadlines are shorter


def main(profile: str, state: str) -> None:
    """Wait and look, for ever; one at a time."""
    _lock(f"{state}/{RESIDENT_LOCK}")
    pause = _AGAIN
    while True:
        orders = _look(profile)
        if orders is None:
            time.sleep(pause)  # nobody could say what to wait for
            pause = min(2 * pause, _AGAIN_AT_MOST)
            continue
        pause = _AGAIN
        wait(orders, f"{state}/restart-intents/pending")


def _lock(path: str) -> None:
    """Hold the lock by which everybody sees that a resident is at work; this process holds it to its end."""
    try:
        fcntl.flock(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), fcntl.LOCK_EX)
    except OSError as error:
        print(f"hermesctl: {path}: {error}", file=sys.stderr, flush=True)  # it is only missed by who asks


def _look(profile: str) -> "list[tuple[str, str]] | None":
    """Run one look to its end. Return what it says, or None when it failed."""
    argv = [sys.executable, "-P", "-m", "hermes_cli.jobs.adopted", profile]
    reading, writing = os.pipe()
    try:  # not subprocess: importing it alone costs a tenth of the memory
        pid = os.posix_spawn(
            argv[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)]
        )
    except OSError as error:
        print(f"hermesctl: {error}", file=sys.stderr, flush=True)
        os.close(reading)
        return None
    finally:
        os.close(writing)
    said = _read(reading, pid)
    _, status = os.waitpid(pid, 0)
    if status:
        return None
    pairs = (line.partition(" ") for line in os.fsdecode(said).splitlines())
    return [(word, rest) for word, _, rest in pairs]


def _read(reading: int, pid: int) -> bytes:
    """Return all that the look says. One that outlasts every deadline of its own is killed."""
    said, deadline = b"", time.monotonic() + _LOOK
    poller = select.poll()
    poller.register(reading, select.POLLIN)
    try:
        while poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            data = os.read(reading, 65536)
            if not data:
                return said
            said += data
        os.kill(pid, signal.SIGKILL)
        return b""
    finally:
        os.close(reading)


def wait(orders: "list[tuple[str, str]]", pending: str) -> None:
    """Wait until something of that happens."""
    files = [rest for word, rest in orders if word == "file"]
    signs = [rest for word, rest in orders if word == "sign"]
    limits = [float(rest) for word, rest in orders if word == "until"]
    deadline = time.monotonic() + min([*limits, _LONGEST])
    places = [rest for word, rest in orders if word == "watch" and os.path.isdir(rest)]
    before = _seen(files, signs)
    handle = -1
    with DirectoryWatch(pending, *places) as watch:
        if _seen(files, signs) != before or os.listdir(pending):
            return  # since the look
        poller = select.poll()
        poller.register(watch.fileno(), select.POLLIN)
        try:
            for word, rest in orders:
                if word == "pid":
                    pid, _, ticks = rest.partition(" ")
                    handle = _handle(int(pid))
                    if handle < 0 or (ticks and process_table.start_ticks(int(pid)) != int(ticks)):
                        return
                    poller.register(handle, select.POLLIN)
            while (left := deadline - time.monotonic()) > 0:
                found = poller.poll((watch.patience(left) or 0.0) * 1000 + 1)
                watch.drain()
                if any(descriptor == handle for descriptor, _ in found) or os.listdir(pending):
                    return
                if _seen(files, signs) != before:
                    return
                if handle >= 0 and sys.platform != "linux" and process_table.create_time(int(pid)) is None:
                    return
        finally:
            if handle >= 0:
                os.close(handle)


def _handle(pid: int) -> int:
    """Return a descriptor that is readable when the process ends, or -1 when there is no such process."""
    if sys.platform != "linux":
        queue = select.kqueue()
        try:
            queue.control([select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)], 0)
            return os.dup(queue.fileno())
        except OSError:
            return -1
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def _seen(files: list[str], signs: list[str]) -> "list[object]":
    return [*map(_stamp, files), *map(os.path.exists, signs)]


def _stamp(path: str) -> "tuple[int, int] | None":
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


if __name__ == "__main__":
    main(*sys.argv[1:3])

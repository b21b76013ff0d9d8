"""The terminal tool: a shell command in a process group of its own, its output as it comes.

The shell stays a zombie until its group has been ended: until then its pid, which is also the group's, cannot be reused,
and a signal reaches nobody else (rule 5). That is why this is Popen and a process handle, not asyncio's subprocess.
"""

import asyncio
import codecs
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hermes_cli.system.process import Handle, Identity, signal_name

_BACKGROUND_GRACE = 0.5  # seconds to read what is in the pipe when the shell has ended; its daemons are not waited for
_CHUNK = 65536
_NO_MEMORY = 1.0  # seconds until what a command prints is read again where there was no memory for it
_MOST_LEFT = 64  # pipes of daemons that commands have left behind; beyond that the oldest is closed
_unreaped: set[int] = set()  # shells, whose pids cannot have been reused
_left: "list[_Pipe]" = []  # pipes whose turn is over and whose last writer is not


class Limits(NamedTuple):
    """Seconds that a command may run (0: without limit), and seconds from SIGTERM to SIGKILL."""

    timeout: float
    kill_after: float = 2.0


async def run(
    command: str, shell: str, environment: Mapping[str, str], limits: Limits, emit: Callable[[str], None]
) -> str:
    """Run a command, give its output to `emit`, and return the closing line: "", or for example "[exit 3]".

    When this is cancelled, the whole group is ended before CancelledError goes on.
    """
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: ASYNC220  asyncio's own blocks for the same exec, and reaps too early
            [shell, "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env=dict(environment),
            process_group=0,
        )
    except (OSError, ValueError) as error:
        os.close(reading)
        return f"[not started: {error}]"
    finally:
        os.close(writing)
    _unreaped.add(process.pid)
    pipe = _Pipe(loop, reading, emit)
    exited = _watch_exit(loop, process.pid)
    try:
        done, _ = await asyncio.wait({exited}, timeout=limits.timeout or None)
        if done:
            await asyncio.wait({pipe.closed}, timeout=_BACKGROUND_GRACE)
            return _closing(_reap(process))
        await _end_group(process.pid, exited, pipe, limits)
    except asyncio.CancelledError:
        await _end_group(process.pid, exited, pipe, limits)
        raise
    finally:
        # A daemon that still holds the pipe keeps it, though the turn reads it no more: closing it would kill the daemon
        # (SIGPIPE).
        pipe.finish()
        _reap(process)
    return f"[ended: it ran longer than {limits.timeout:g} s]"


def kill_all() -> None:
    """Kill every command that still runs, with its group, for an exit that does not wait."""
    for pid in _unreaped:
        _signal_group(pid, signal.SIGKILL)


class _Pipe:
    """The read end of a command's output. It decodes characters that arrive in parts, and never blocks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int, emit: Callable[[str], None]) -> None:
        self.closed: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._descriptor = descriptor
        self._emit: Callable[[str], None] | None = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        os.set_blocking(descriptor, False)
        loop.add_reader(descriptor, self._read)

    def finish(self) -> None:
        """Give no more output to the turn. Go on emptying the pipe until its last writer is gone."""
        if self._emit is not None:
            self._give(self._decoder.decode(b"", final=True))
            self._emit = None
            if not self.closed.done():
                _left.append(self)
                if len(_left) > _MOST_LEFT:
                    _left[0].close()

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except MemoryError:  # there is something to read at once: the loop would do nothing but ask
            self._loop.remove_reader(self._descriptor)
            self._loop.call_later(_NO_MEMORY, self._read_again)
            return
        except OSError:
            data = b""
        if data:
            self._give(self._decoder.decode(data))
            return
        self.close()

    def _read_again(self) -> None:
        if not self.closed.done():
            self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Read no more: nobody writes, or so many others are read that this one's daemon has to do without."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        if self in _left:
            _left.remove(self)
        if not self.closed.done():
            self.closed.set_result(None)

    def _give(self, text: str) -> None:
        if text and self._emit is not None:
            self._emit(text)


def _watch_exit(loop: asyncio.AbstractEventLoop, pid: int) -> "asyncio.Future[None]":
    exited: asyncio.Future[None] = loop.create_future()
    try:
        handle = Handle(Identity.of(pid) or Identity(pid))  # without a start time it is a zombie: no handle
    except ProcessLookupError:
        exited.set_result(None)
        return exited

    def note() -> None:
        loop.remove_reader(handle.fileno())
        handle.close()
        if not exited.done():
            exited.set_result(None)

    loop.add_reader(handle.fileno(), note)
    return exited


async def _end_group(pid: int, exited: "asyncio.Future[None]", pipe: _Pipe, limits: Limits) -> None:
    _signal_group(pid, signal.SIGTERM)
    await asyncio.wait({exited, pipe.closed}, timeout=limits.kill_after, return_when=asyncio.ALL_COMPLETED)
    # Even if the pipe is closed: a member that closed its output may still run, and a signal to an empty group is harmless.
    _signal_group(pid, signal.SIGKILL)
    await asyncio.wait({exited}, timeout=limits.kill_after)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _reap(process: "subprocess.Popen[bytes]") -> int:
    _unreaped.discard(process.pid)
    try:
        return process.wait(timeout=1.0)
    except subprocess.TimeoutExpired:  # uninterruptible in the kernel; Popen keeps such children in a list of its own
        return -signal.SIGKILL


def _closing(code: int) -> str:
    if code < 0:
        return f"[ended by {signal_name(-code)}]"
    return f"[exit {code}]" if code else ""

"""Run one external command: bounded, away from the terminal, and never left behind by a caller that goes on.

The environment is always the caller's choice. A timeout means that what the command did is unknown.
"""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from hermes_cli.system import complaint
from hermes_cli.system import printable as everything
from hermes_cli.system.process import describe_exit

OUTPUT = 16 * 1024 * 1024  # bytes of each output of a command that are kept: the last ones
_GRACE = 5.0  # seconds between SIGTERM and SIGKILL: git removes its lock files on the first
_LONGEST = 280  # letters of a reason
_CREDENTIALS = re.compile(r"://[^/@\s]+@")


class Ended(NamedTuple):
    """How a command ended. `code` None: it did not end within `timeout` seconds."""

    code: int | None
    out: str = ""
    err: str = ""
    timeout: float = 0.0
    raw: bytes = b""  # `out` before it was decoded: names of files need not be text

    @property
    def ok(self) -> bool:
        """Say whether it exited 0."""
        return self.code == 0

    @property
    def is_killed(self) -> bool:
        """Say whether a signal ended it, so that it has said nothing of what it was asked."""
        return self.code is not None and self.code < 0

    @property
    def why(self) -> str:
        """Return the line on stderr that says why, or how it ended if it printed none there."""
        if self.code is None:
            return f"it took over {self.timeout:.0f} s"
        found = complaint.reason(self.err) or describe_exit(self.code)
        # The reason stands at the end, after the name that it is about.
        return printable(found if len(found) <= _LONGEST else f"{found[: _LONGEST // 2]} … {found[-_LONGEST // 2 :]}")

    @property
    def last_word(self) -> str:
        """Return its last line on stderr, else the last on stdout, else how it ended."""
        return "no answer in time" if self.code is None else _last_line(f"{self.out}\n{self.err}", self.code)


class Running:
    """A command that was started and whose end is collected later, by the process that started it."""

    def __init__(self, argv: list[str], environment: Mapping[str, str], keep: tuple[int, ...] = ()) -> None:
        """Start `argv`. Raises OSError; FileNotFoundError when there is no such program.

        The child inherits the descriptors in `keep`: it shares their locks and holds them until it, too, has ended, so
        that nobody repairs what a dead caller's command still changes.
        """
        # In a session of its own, nothing can ask for a password on the terminal, Ctrl-C does not cut a change in half,
        # and all of it can be ended together.
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=environment,
            start_new_session=True,
            pass_fds=keep,
        )
        self._kept: dict[Any, bytearray] = {}

    def collect(self, timeout: float, *, grace: float = _GRACE) -> Ended:
        """Wait at most `timeout` seconds for the end, then end the command, as `end` does."""
        try:
            out, err = self._read(timeout)
        except subprocess.TimeoutExpired:
            self.end(grace)
            return Ended(None, timeout=timeout)
        except BaseException:
            self.end(grace)
            raise
        text, words = out.decode(errors="replace"), err.decode(errors="replace")
        return Ended(self._process.returncode, text, words, timeout, out)

    def end(self, grace: float = _GRACE) -> None:
        """End the command and all that it started in its session: SIGTERM, and SIGKILL after `grace` seconds."""
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, _GRACE)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._read(patience)
                return

    def _read(self, timeout: float) -> tuple[bytes, bytes]:
        """Read both outputs until they are closed and the command has ended; of each the last OUTPUT bytes are kept.

        Raises TimeoutExpired.
        """
        deadline = time.monotonic() + timeout
        streams = [stream for stream in (self._process.stdout, self._process.stderr) if stream and not stream.closed]
        with selectors.DefaultSelector() as selector:
            for stream in streams:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise subprocess.TimeoutExpired(self._process.args, timeout)
                for key, _ in selector.select(left):
                    self._take(key.fileobj, selector)
        self._process.wait(max(0.0, deadline - time.monotonic()))
        for stream in streams:
            stream.close()
        out, err = (self._kept.get(stream, bytearray()) for stream in (self._process.stdout, self._process.stderr))
        return bytes(out[-OUTPUT:]), bytes(err[-OUTPUT:])

    def _take(self, stream: Any, selector: selectors.BaseSelector) -> None:
        data = os.read(stream.fileno(), 65536)
        if not data:
            selector.unregister(stream)
            return
        kept = self._kept.setdefault(stream, bytearray())
        kept += data
        if len(kept) > 2 * OUTPUT:  # not at every read: that would move it all each time
            del kept[:-OUTPUT]


def run(
    argv: list[str],
    timeout: float,
    *,
    environment: Mapping[str, str],
    keep: tuple[int, ...] = (),
    grace: float = _GRACE,
) -> Ended:
    """Run `argv` for at most `timeout` seconds. Raises FileNotFoundError when there is no such program."""
    return Running(argv, environment, keep).collect(timeout, grace=grace)


def printable(text: str, limit: int = 300) -> str:
    """Return `text` without what would move a terminal's cursor, and without the password of a URL."""
    return _CREDENTIALS.sub("://", everything.printable(text))[:limit]


def _last_line(text: str, code: int) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable(lines[-1]) if lines else describe_exit(code)

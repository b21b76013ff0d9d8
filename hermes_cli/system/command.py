"""Run one external command, bounded, away from the terminal, and never left behind by an updater that goes on."""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass

from hermes_cli.environment import scrubbed

_LAST_WORDS = 5.0  # seconds between SIGTERM and SIGKILL: git removes its lock files on the first
_CREDENTIALS = re.compile(r"://[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `code` None: it did not within its timeout."""

    code: int | None
    out: str
    why: str  # its last line on stderr, or what stands for one
    err: str = ""

    @property
    def ok(self) -> bool:
        """Whether it exited 0."""
        return self.code == 0


def run(
    argv: list[str], timeout: float, *, environment: dict[str, str] | None = None, keep: tuple[int, ...] = ()
) -> Ended:
    """Run `argv` for at most `timeout` seconds. Raises FileNotFoundError when there is no such program.

    The child inherits the descriptors in `keep`: a lock that it shares is held until it, too, has ended, so that
    nobody repairs a checkout under the hands of a dead updater's git.
    """
    # A session of its own: nothing can ask for a password on the terminal, and all of it can be ended together.
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=scrubbed() if environment is None else environment,
        start_new_session=True,
        pass_fds=keep,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        return Ended(None, "", f"it took over {timeout:.0f} s")
    except BaseException:
        _end(process)
        raise
    why = _last_line(err, process.returncode)
    return Ended(process.returncode, out.decode(errors="replace"), why, err.decode(errors="replace"))


def printable(text: str) -> str:
    """`text` without what would move a terminal's cursor, and without the password of a URL."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return _CREDENTIALS.sub("://", clean)[:300]


def _last_line(stderr: bytes, code: int) -> str:
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    if lines:
        return printable(lines[-1])
    return f"exit code {code}" if code >= 0 else f"killed by signal {-code}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_LAST_WORDS)
            return

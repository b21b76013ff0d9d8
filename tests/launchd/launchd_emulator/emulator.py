"""The emulator as a test sees it: it starts the daemon, sends it requests, and waits for events of its trace."""

import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from launchd_emulator import launchctl, trace
from launchd_emulator.knobs import Knobs
from launchd_emulator.trace import Event

_PATIENCE = 30  # seconds; beyond what anything takes that is not broken
_TAIL = 40  # lines of the trace in a failure's message
_PACKAGE = Path(__file__).resolve().parent
# Isolated, and with the package's folder last: where it is installed, everything else that is installed lies there too.
_DAEMON = f"import sys; sys.path.append({str(_PACKAGE.parent)!r}); from launchd_emulator.daemon import main; main()"


class Launchd:
    """A launchd with a state of its own; `bin` goes to the front of a PATH.

    `home` is HOME of every job. The plists in `agents_dir` are loaded at login, as those of ~/Library/LaunchAgents are.
    All other keywords are knobs.
    """

    def __init__(self, folder: Path, *, home: Path | None = None, agents_dir: Path | None = None, **knobs: Any) -> None:
        # Absolute, since the daemon's working directory is another one.
        self.folder = folder = folder.absolute()
        self.bin = folder / "bin"
        self.home = (home or Path.home()).absolute()
        self.agents = agents_dir and agents_dir.absolute()
        self.domain = f"gui/{os.getuid()}"
        self.trace_path = folder / "trace.jsonl"
        self._daemon: subprocess.Popen[bytes] | None = None
        self._left: int | None = None  # at its end of file nothing is left
        folder.mkdir(parents=True, exist_ok=True)
        # A socket's path is limited to 104 bytes, a test's folder is not.
        self._runtime = Path(tempfile.mkdtemp(prefix="launchd-", dir="/tmp"))
        (self._runtime / "T").mkdir()
        self._socket = f"{self._runtime}/s"
        (folder / "knobs.json").write_text(Knobs().changed(knobs).to_json())
        self._write_launchctl()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the daemon

    def _write_launchctl(self) -> None:
        self.bin.mkdir(exist_ok=True)
        script = self.bin / "launchctl"
        command = shlex.join([sys.executable, "-I", "-S", "-B", str(_PACKAGE / "launchctl.py"), self._socket])
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)

    def _start(self) -> None:
        Path(self._socket).unlink(missing_ok=True)
        self._left, kept = os.pipe()
        arguments = [str(self.folder), str(self._runtime), str(self.home), str(self.agents or ""), str(kept)]
        with (self.folder / "daemon.log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _DAEMON, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[kept],
                start_new_session=True,
            )
        os.close(kept)
        assert self._daemon.stdout is not None
        said, _, _ = select.select([self._daemon.stdout], [], [], _PATIENCE)
        ready = said and self._daemon.stdout.readline() == b"ready\n"
        self._daemon.stdout.close()
        assert ready, f"the daemon does not come up\n{self._log()}"

    def _ask(self, *, patience: float = _PATIENCE, **asked: Any) -> Any:
        payload = json.dumps(asked).encode()
        code, out, err = launchctl.call(self._socket, [b"control", payload], patience)
        if code:
            raise ValueError(err.decode())
        return json.loads(out) if out else None

    def knob(self, **changes: Any) -> None:
        """Change knobs of the running daemon."""
        self._ask(ask="knob", changes=changes)

    def advance(self, seconds: float) -> None:
        """Move launchd's clock forward, held or not, and do what falls due on the way in order, each at its moment."""
        self._ask(ask="advance", seconds=seconds)

    def pid(self, label: str) -> int | None:
        """Return the pid of a job's main process, or None."""
        found: int | None = self._ask(ask="pid", label=label)
        return found

    def logout(self) -> None:
        """Begin to tear the gui domain down. The event `domain-gone` tells the end of it."""
        self._ask(ask="logout")

    def login(self) -> None:
        """Wait for the end of a logout, create the gui domain again, and load the agents."""
        self._ask(ask="login", agents=str(self.agents or ""))

    def restart(self) -> None:
        """Reboot: stop every job, kill whatever is left, and start the daemon anew."""
        if self._daemon is not None:
            self._ask(ask="shutdown", patience=3 * _PATIENCE)
            self._reap()
        self._start()

    def kill(self) -> None:
        """Cut the power: end the daemon and everything that it ever started at once."""
        if self._daemon is not None:
            self._daemon.send_signal(signal.SIGKILL)
            self._reap()

    def close(self) -> None:
        """End everything, and leave nothing but the folder. Raises AssertionError if the daemon had ended by itself."""
        ended = self._daemon is not None and self._daemon.poll() is not None
        self.kill()
        shutil.rmtree(self._runtime, ignore_errors=True)
        assert not ended, f"the daemon ended by itself\n{self._tail()}"

    def _reap(self) -> None:
        """Wait for the end of the daemon, which is ending, and of everything below it."""
        assert self._daemon is not None
        assert self._left is not None
        assert self._daemon.stdin is not None
        self._daemon.stdin.close()
        self._daemon.wait(_PATIENCE)
        self._daemon = None
        gone, _, _ = select.select([self._left], [], [], _PATIENCE)
        os.close(self._left)
        assert gone, f"processes of jobs go on after the daemon's end\n{self._tail()}"

    # --- what a test asks

    def launchctl(
        self, *arguments: object, timeout: float = 30, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run one launchctl command to its end."""
        return subprocess.run(
            [self.bin / "launchctl", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=check,
        )

    def mark(self) -> float:
        """Return the present moment by the trace's clock."""
        return time.monotonic()

    def events(self, event: str | None = None, label: str | None = None, **match: Any) -> list[Event]:
        """Return what happened so far."""
        return [one for one in trace.read(str(self.trace_path)) if one.matches(event, label, match)]

    def wait_for(
        self,
        event: str,
        label: str | None = None,
        *,
        count: int = 1,
        after: float = 0.0,
        timeout: float = 20,
        **match: Any,
    ) -> Event:
        """Wait for the count-th such event later than `after`. Raises AssertionError if there is none in time."""
        deadline = time.monotonic() + timeout
        while True:
            size = self.trace_path.stat().st_size
            found = [one for one in self.events(event, label, **match) if one.t > after]
            if len(found) >= count:
                return found[count - 1]
            left = deadline - time.monotonic()
            wanted = f"{event} {label or ''} {_shown(match)}: {len(found)} of {count} within {timeout} s"
            assert left > 0, f"{wanted}\n{self._tail()}"
            self._wait_for_growth(size, left)

    def _wait_for_growth(self, size: int, patience: float) -> None:
        try:
            self._ask(ask="wait", size=size, patience=patience)
        except TimeoutError:
            return
        except OSError as error:
            raise AssertionError(f"the daemon does not answer: {error}\n{self._tail()}") from error

    def _tail(self) -> str:
        lines = self.trace_path.read_text().splitlines()[-_TAIL:] if self.trace_path.exists() else []
        return "\n".join(["--- end of the trace", *lines, self._log()])

    def _log(self) -> str:
        return f"--- daemon.log\n{(self.folder / 'daemon.log').read_text()}"


def _shown(match: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value!r}" for name, value in match.items())

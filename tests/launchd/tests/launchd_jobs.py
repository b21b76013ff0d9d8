"""Jobs for the emulator's own tests: plists, and shell programs that say when they are ready."""

import os
import plistlib
import select
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from launchd_emulator import Launchd, process_table

FAST = 0.1  # the time scale of most tests: ten of launchd's seconds last one
PATIENCE = 240  # seconds; only a hang meets it
LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc, or uses pidfds")
SUBREAPER = pytest.mark.skipif(
    sys.platform != "linux", reason="without a subreaper, who left the session and lost its parent is out of reach"
)
IDLE = "exec sleep 1000"
# A command before which this stands runs in a session of its own (macOS has no setsid command).
_SETSID = "import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])"
SETSID = "setsid" if sys.platform == "linux" else shlex.join([sys.executable, "-I", "-S", "-c", _SETSID])
STUBBORN = "trap '' TERM; echo ready > {ready}; while :; do sleep 1000; done"


class Line:
    """A FIFO on which a job says something: waiting for it is no polling."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # O_RDWR: writers never block, and never see EPIPE
        self._text = ""

    def wait(self) -> str:
        """The next line that a job wrote."""
        while "\n" not in self._text:
            readable, _, _ = select.select([self._descriptor], [], [], PATIENCE)
            assert readable, f"nothing was written to {self.path}"
            self._text += os.read(self._descriptor, 65536).decode()
        line, _, self._text = self._text.partition("\n")
        return line

    def close(self) -> None:
        os.close(self._descriptor)


class Jobs:
    """Plists of one test, and the launchd that they are for."""

    def __init__(self, launchd: Launchd, folder: Path) -> None:
        self.launchd = launchd
        self.folder = folder
        self.ready = Line(folder / "ready")

    def pipe(self, name: str) -> Path:
        """A FIFO for a script that waits for the test: `read go < {here}/NAME`."""
        path = self.folder / name
        os.mkfifo(path)
        return path

    def target(self, label: str = "job") -> str:
        return f"{self.launchd.domain}/{label}"

    def plist(self, script: str = IDLE, label: str = "job", **keys) -> Path:
        """A definition whose program is a shell script.

        "{ready}" in it is the line to the test, "{here}" a folder of the test's, "{launchctl}" and "{target}" are for
        a job that asks launchd for something.
        """
        filled = script.replace("{ready}", str(self.ready.path)).replace("{here}", str(self.folder))
        filled = filled.replace("{launchctl}", str(self.launchd.bin / "launchctl"))
        arguments = ["/bin/sh", "-c", filled.replace("{target}", self.target(label))]
        path = self.folder / f"{label}.plist"
        path.write_bytes(plistlib.dumps({"Label": label, "ProgramArguments": arguments, **keys}))
        return path

    def bootstrap(self, path: Path) -> int:
        return self.launchd.launchctl("bootstrap", self.launchd.domain, path).returncode

    def load(self, script: str = IDLE, label: str = "job", **keys) -> Path:
        """Write the definition, and bootstrap it."""
        path = self.plist(script, label, **keys)
        done = self.launchd.launchctl("bootstrap", self.launchd.domain, path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return path

    def run(self, script: str = IDLE, label: str = "job", **keys) -> int:
        """Load it, and start it; its pid. A script that says so is ready."""
        self.load(script, label, **keys)
        assert self.kickstart(label) == 0
        pid = self.launchd.wait_for("spawn", label).pid
        if "{ready}" in script:
            self.ready.wait()
        return pid

    def kickstart(self, label: str = "job", *options: str) -> int:
        return self.launchd.launchctl("kickstart", *options, self.target(label)).returncode

    def bootout(self, label: str = "job") -> int:
        return self.launchd.launchctl("bootout", self.target(label)).returncode

    def shown(self, label: str = "job") -> subprocess.CompletedProcess[str]:
        """`launchctl print`."""
        return self.launchd.launchctl("print", self.target(label))

    def field(self, name: str, label: str = "job") -> str | None:
        """The first line of that name in `print`; None: there is none."""
        lines = [line.strip() for line in self.shown(label).stdout.splitlines()]
        return next((line.partition(" = ")[2] for line in lines if line.startswith(f"{name} = ")), None)

    def spawns(self, label: str = "job") -> list[float]:
        """When it was started, by launchd's clock."""
        return [one.clock for one in self.launchd.events("spawn", label)]


def parent(pid: int) -> int:
    """Whose child it is."""
    return next(row.parent for row in process_table.rows() if row.pid == pid)


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    return any(row.pid == pid and not row.zombie for row in process_table.rows())

"""Jobs of the probe's own, under whatever launchd the `launchctl` on PATH speaks to, and what they say."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import plistlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

PREFIX = "ai.hermes.probe"
TIMEOUT = 60.0  # seconds for one launchctl; None as its code means that it did not return
MARGIN = 1.0  # seconds of a busy machine, on top of launchd's own
_LOOK_EVERY = 0.02
_AGENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe_agent.py")


class Called(NamedTuple):
    """One launchctl, to its end."""

    code: int | None
    out: str
    err: str
    took: float

    def __str__(self) -> str:
        """Its exit code and what it says."""
        return f"{self.code} {' / '.join(self.err.strip().splitlines())}".strip()


class Event(NamedTuple):
    """Something that a job said."""

    t: float
    label: str
    event: str
    pid: int
    more: dict[str, Any]


class Lab:
    """A folder, a journal, and jobs that end with it. `scale`: how long launchd's seconds last (an emulator's may be short)."""

    def __init__(self, scale: float = 1.0) -> None:
        # Events come for real paths, and macOS's temporary folder lies behind a symbolic link.
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="hermes-probe-"))
        self.scale = scale
        self.journal = f"{self.folder}/journal"
        os.mkfifo(self.journal)
        self._reader = os.open(self.journal, os.O_RDWR | os.O_NONBLOCK)  # a writer of our own: never at end of file
        self._text = ""
        self.events: list[Event] = []
        self._jobs: list[Job] = []
        self._number = 0
        user = os.getuid()
        self.domains = [name for name in (f"gui/{user}", f"user/{user}") if self.launchctl("print", name).code == 0]
        self.holds = "unknown"  # what on-demand-only mode holds back, if the domain is in it

    @property
    def domain(self) -> str:
        """Where jobs are loaded unless told otherwise."""
        return self.domains[0]

    def launchctl(self, *arguments: str) -> Called:
        """One bounded call."""
        began = time.monotonic()
        try:
            done = subprocess.run(
                ["launchctl", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Called(None, "", "does not return", time.monotonic() - began)
        return Called(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    def pause(self, seconds: float) -> None:
        """Let so many of launchd's seconds pass: a measurement, or a throttle that is to be over."""
        time.sleep(seconds * self.scale)

    def patience(self, seconds: float) -> float:
        """So many of launchd's seconds, and some for the machine."""
        return seconds * self.scale + MARGIN

    # --- jobs

    def job(self, mode: str, *arguments: str, domain: str | None = None, **keys: Any) -> Job:
        """A definition that is not loaded yet."""
        self._number += 1
        made = Job(self, f"{PREFIX}.{os.getpid()}.{self._number}", domain or self.domain, mode, arguments, keys)
        self._jobs.append(made)
        return made

    def load(self, mode: str, *arguments: str, domain: str | None = None, **keys: Any) -> Job:
        """A definition, loaded. Raises RuntimeError."""
        made = self.job(mode, *arguments, domain=domain, **keys)
        done = made.bootstrap()
        if done.code != 0:
            raise RuntimeError(f"bootstrap: {done}")
        return made

    def make_folder(self) -> str:
        """An empty one."""
        return tempfile.mkdtemp(dir=self.folder)

    def close(self) -> None:
        """Remove every job, and end what is left of them."""
        for job in self._jobs:
            job.remove()
        for event in self.events:
            if event.event == "descendant" and is_locked(event.more["lock"]):  # so that pid is still that process
                with contextlib.suppress(ProcessLookupError):
                    os.kill(event.pid, signal.SIGKILL)
        os.close(self._reader)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- what they say

    def wait_for(self, label: str, event: str, count: int = 1, patience: float = 10.0) -> Event | None:
        """The count-th of such events, or None after so many of launchd's seconds."""
        deadline = time.monotonic() + self.patience(patience)
        while True:
            found = [one for one in self.events if (one.label, one.event) == (label, event)]
            if len(found) >= count:
                return found[count - 1]
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._reader], [], [], left)[0]:
                return None
            self._read()

    def count(self, label: str, event: str) -> int:
        """How many of them came so far."""
        while select.select([self._reader], [], [], 0)[0]:
            self._read()
        return sum((one.label, one.event) == (label, event) for one in self.events)

    def _read(self) -> None:
        self._text += os.read(self._reader, 65536).decode()
        *lines, self._text = self._text.split("\n")
        for line in lines:
            said = json.loads(line)
            t, label, event, pid = (said.pop(name) for name in ("t", "label", "event", "pid"))
            self.events.append(Event(t, label, event, pid, said))


class Job:
    """One definition of the probe's."""

    def __init__(
        self, lab: Lab, label: str, domain: str, mode: str, arguments: tuple[str, ...], keys: dict[str, Any]
    ) -> None:
        self.lab = lab
        self.label = label
        self.domain = domain
        self.target = f"{domain}/{label}"
        self.path = f"{lab.folder}/{label}.plist"
        self._disabled = False
        program = [sys.executable, "-I", "-S", _AGENT, lab.journal, label, mode, *arguments]
        document = {
            "Label": label,
            "ProgramArguments": program,
            "LimitLoadToSessionType": ["Aqua", "Background"],
            **keys,
        }
        with open(self.path, "wb") as file:
            plistlib.dump(document, file)
        os.chmod(self.path, 0o600)

    def bootstrap(self) -> Called:
        """Load it."""
        return self.lab.launchctl("bootstrap", self.domain, self.path)

    def kickstart(self, *options: str) -> Called:
        """Demand-start it."""
        return self.lab.launchctl("kickstart", *options, self.target)

    def bootout(self) -> Called:
        """Ask for its removal."""
        return self.lab.launchctl("bootout", self.target)

    def disable(self) -> None:
        """Switch the label off; `remove` switches it on again."""
        self._disabled = True
        self.lab.launchctl("disable", self.target)

    def enable(self) -> None:
        """Switch it on."""
        self.lab.launchctl("enable", self.target)

    def kill(self, name: str) -> Called:
        """A signal to its main process."""
        return self.lab.launchctl("kill", name, self.target)

    def field(self, name: str) -> str | None:
        """The first such line of `print`; None: there is none."""
        found = re.search(rf"^\t{name} = (.*)$", self.lab.launchctl("print", self.target).out, re.MULTILINE)
        return found[1] if found else None

    def started(self, count: int = 1, patience: float = 10.0) -> Event | None:
        """Its count-th run, or None."""
        return self.lab.wait_for(self.label, "start", count, patience)

    def starts(self) -> int:
        """How many runs there were."""
        return self.lab.count(self.label, "start")

    def gone(self, patience: float = 30.0) -> float | None:
        """Wait until `print` knows no such label: when that was seen (time.monotonic), or None."""
        deadline = time.monotonic() + self.lab.patience(patience)
        while self.lab.launchctl("print", self.target).code == 0:
            if time.monotonic() > deadline:
                return None
            time.sleep(_LOOK_EVERY)  # launchd tells nobody
        return time.monotonic()

    def remove(self) -> None:
        """Nothing of it stays; a stubborn one is killed."""
        if self.lab.launchctl("print", self.target).code == 0:
            self.bootout()
            self.kill("KILL")
            self.gone()
        if self._disabled:
            self.enable()


def is_locked(path: str) -> bool:
    """Whether the descendant that holds this lock lives."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def ended(path: str, patience: float) -> bool:
    """Whether that descendant ends within so many seconds."""
    deadline = time.monotonic() + patience
    while is_locked(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY)  # a lock that is let go tells nobody
    return True

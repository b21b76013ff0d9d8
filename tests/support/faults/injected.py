"""Faults at the calls into the kernel, given by strace: a process is killed on entering one, or the call fails.

strace counts each call by its name, so a point is a name and how often it was called before. A dry run gives the points.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from support.faults.recorded import STRACE

# What changes anything outside the process, or may be refused it; reading its own code is not among them.
CALLS = (
    "openat,read,pread64,getdents64,pipe2,mkdir,mkdirat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,"
    "link,linkat,unlink,unlinkat,flock,"
    "socket,connect,sendto,pidfd_open,pidfd_send_signal,clone,clone3,fork,vfork,inotify_init1,exit_group"
)
_ALWAYS = re.compile(r"^(pipe2|socket|connect|sendto|pidfd_\w+|clone3?|v?fork|inotify_init1|exit_group)\(")
ERRORS = ("ENOSPC", "EIO", "EMFILE", "EINTR")
# What each call may really be refused with; write(2), open(2) and so on.
_POSSIBLE = {
    "ENOSPC": r"openat|mkdir|write|pwrite64|fsync|fdatasync|rename|link|inotify",
    "EIO": r"openat|read|pread64|getdents64|mkdir|write|pwrite64|fsync|fdatasync|rename|link|unlink",
    "EMFILE": r"openat|pipe2|socket|pidfd_open|inotify",
    "EINTR": r"openat|read|pread64|write|pwrite64|fsync|fdatasync|connect|sendto|flock",
}
Chosen = TypeVar("Chosen")
_TRIES = 4  # of one strike
_LEAVES_NOTHING = {"read", "pread64", "getdents64", "pipe2"}  # killed there is killed before the next call


@dataclass(frozen=True, slots=True)
class Point:
    """The `ordinal`-th call of that name by the process's first thread; `line` is what strace showed of it."""

    name: str
    ordinal: int
    line: str

    def __str__(self) -> str:
        return f"{self.name} {self.ordinal}: {self.line[:160]}"

    def killed(self) -> list[str]:
        """Options that kill the process on entering the call."""
        return ["-e", f"inject={self.name}:signal=KILL:when={self.ordinal}"]

    def refused(self, error: str) -> list[str]:
        """Options that let the call fail."""
        return ["-e", f"inject={self.name}:error={error}:when={self.ordinal}"]

    @property
    def what(self) -> str:
        """The call without what differs from run to run: descriptors, pids, ids, times."""
        return re.sub(r"[0-9a-f]*[0-9][0-9a-f]*", "#", self.line)

    def nearest(self, found: "list[Point]") -> "Point":
        """The point of another run that is most like this one."""
        named = [point for point in found if point.name == self.name]
        alike = [point for point in named if point.what == self.what]
        return min(alike or named or found, key=lambda point: abs(point.ordinal - self.ordinal))

    @property
    def is_worth_a_kill(self) -> bool:
        """Whether it may leave anything that the call before it does not."""
        return self.name not in _LEAVES_NOTHING

    def may_fail_with(self, error: str) -> bool:
        """Whether a kernel could do so."""
        if error == "ENOSPC" and self.name == "openat" and "O_CREAT" not in self.line:
            return False
        return re.match(_POSSIBLE[error], self.name) is not None


def argv(options: Iterable[str], log: Path) -> list[str]:
    """strace with these options, for a command to follow."""
    assert STRACE is not None
    return [STRACE, "-y", "-s", "120", "-e", f"trace={CALLS}", "-o", str(log), *options]


def hermes(options: Iterable[str], log: Path, *arguments: str) -> list[str]:
    """One hermes command under strace."""
    return [*argv(options, log), sys.executable, "-m", "hermes_cli", *arguments]


def points(log: Path, home: str, without: tuple[str, ...] = ()) -> list[Point]:
    """Every point of a recorded run that concerns the files below `home`, other processes, or the end.

    `without`: what lies below `home` and is none of that, such as the code that the process itself runs.
    """
    counts: Counter[str] = Counter()
    found = []
    for line in log.read_text(errors="replace").splitlines():
        name, parenthesis, _ = line.partition("(")
        if not parenthesis or not name.isidentifier():
            continue
        counts[name] += 1
        if any(place in line for place in without):
            continue
        if home in line or '"/proc/' in line or _ALWAYS.match(line):
            found.append(Point(name, counts[name], line))
    return found


class Strikes:
    """How many faults were asked for, and how many came: what is called less often this time is never struck."""

    def __init__(self, log: Path, without: tuple[str, ...] = ()) -> None:
        """`log` is what strace writes; `without` as in `points`."""
        self._log, self._without = log, without
        self.asked = self.came = 0

    def strike(self, point: Point, error: str | None, run: Callable[[list[str], str], str]) -> None:
        """Strike a process that waits for others, and so makes more or fewer calls each time.

        A run that the strike missed is one to which nothing was done: it says where to strike the next one. `run` takes
        options and a description, and returns the home that the run concerned.
        """
        for _ in range(_TRIES):
            options = point.killed() if error is None else point.refused(error)
            home = run(options, f"{point} {error or 'killed'}")
            if self._has_come():
                break
            point = point.nearest(points(self._log, home, self._without))
        self.asked += 1
        self.came += self._has_come()

    def _has_come(self) -> bool:
        text = self._log.read_text(errors="replace")
        return "(INJECTED)" in text or "+++ killed by SIGKILL" in text

    def told(self, what: str) -> None:
        """Say it. A waiting process looks more or less often, but no more than one, or one in five, may have been missed."""
        print(f"{what}: {self.came} of {self.asked}")
        assert self.asked - self.came <= max(1, 0.2 * self.asked), f"{self.came} of {self.asked}"
        assert self.came, what


def attach(pid: int, options: Iterable[str], log: Path) -> subprocess.Popen[str]:
    """strace on a living process's first thread; it is attached when this returns."""
    process = subprocess.Popen([*argv(options, log), "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "attached" in said, said
    return process


def kills(found: list[Point]) -> list[Point]:
    """Those at which it is worth being killed."""
    return [point for point in found if point.is_worth_a_kill]


def refusals(found: list[Point]) -> list[tuple[Point, str]]:
    """Each of them with each error that a kernel could give."""
    return [(point, error) for point in found for error in ERRORS if point.may_fail_with(error)]


def chosen(found: list[Chosen], stride: int) -> list[Chosen]:
    """Every `stride`-th, all with HERMES_PROOF=full; never fewer than one."""
    stride = 1 if os.environ.get("HERMES_PROOF") == "full" else stride
    assert found, "the recorded run made no call"
    return found[stride // 2 :: stride] or found[:1]

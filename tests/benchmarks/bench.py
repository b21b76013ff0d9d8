"""What every line needs: a copy of the code that nobody edits meanwhile, homes on a real disk, processes and their end."""

import compileall
import io
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.machines.installation import REPOSITORY, Installation, end_processes_below

from hermes_cli.paths import Paths

_MEMORY = {"tmpfs", "ramfs", "overlay"}
CONFIG = "[restart]\nstorm_limit = 100000\n"


@dataclass(frozen=True, slots=True)
class Effort:
    """How many samples of each kind."""

    calls: int  # in process, under a millisecond each
    scans: int  # tens of milliseconds
    starts: int  # of an interpreter
    restarts: int  # of a gateway


FULL = Effort(calls=2000, scans=50, starts=100, restarts=20)
QUICK = Effort(calls=300, scans=10, starts=12, restarts=5)


class Bench:
    """A temporary directory with a copy of hermes_cli, as git would check it out, compiled."""

    def __init__(self, directory: str | None, effort: Effort) -> None:
        self.effort = effort
        self.root = Path(tempfile.mkdtemp(prefix="hermes-benchmarks-", dir=directory or _disk()))
        self.code = self.root / "code"
        shutil.copytree(
            REPOSITORY / "hermes_cli", self.code / "hermes_cli", ignore=shutil.ignore_patterns("__pycache__")
        )
        self.is_checkout = _check_in(self.code)
        compileall.compile_dir(self.code / "hermes_cli", quiet=1)

    def installation(self, name: str) -> Installation:
        """A home of its own."""
        return Installation(self._place(name), code=self.code, config=CONFIG)

    def of_release(self, name: str, release: str) -> Installation | None:
        """A home of its own that runs the code of a commit; None where there is no history."""
        command = ["git", "-C", str(REPOSITORY), "archive", "--format=zip", release, "hermes_cli"]
        archive = subprocess.run(command, capture_output=True, check=False)
        if archive.returncode != 0:
            return None
        code = self._place(f"code of {name}")
        with zipfile.ZipFile(io.BytesIO(archive.stdout)) as files:
            files.extractall(code)
        _check_in(code)
        compileall.compile_dir(code / "hermes_cli", quiet=1)
        return Installation(self._place(name), code=code, config=CONFIG)

    def paths(self, name: str) -> Paths:
        """A home in which nothing runs, without a config.toml."""
        home = str(self._place(name))
        os.makedirs(home, mode=0o700)
        return Paths("default", f"{home}/state", home, f"{home}/logs")

    def _place(self, name: str) -> Path:
        """A directory that is not there yet: a group may be measured twice."""
        return next(
            place for number in itertools.count() if not (place := self.root / f"{name}{number or ''}").exists()
        )

    def environment(self, home: str | None = None, **more: str) -> dict[str, str]:
        """A person's shell, with our copy of the code first; the same for a floor, whose search path is as long."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HERMES_", "PYTHON"))}
        return {**kept, "PYTHONPATH": str(self.code), **({"HERMES_HOME": home} if home else {}), **more}

    def close(self) -> None:
        """End every process that was started and remove everything."""
        end_processes_below(self.root)
        shutil.rmtree(self.root)


def hermes(*arguments: str) -> list[str]:
    """One command line. Not the console script: it would add pip's wrapper, or an installer's, to what is measured."""
    return [sys.executable, "-P", "-m", "hermes_cli", *arguments]


def python(code: str) -> list[str]:
    """A floor: an interpreter with the same options that runs a line."""
    return [sys.executable, "-P", "-c", code]


def spawn(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Start a process that prints to nowhere; its pid."""
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1)]
    return os.posix_spawn(argv[0], argv, environment, file_actions=null)


def reap(pid: int, argv: Sequence[str], expected: int = 0) -> None:
    """Await a child's end and its exit code."""
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != expected:
        raise RuntimeError(f"{' '.join(argv)}: exit code {code}, not {expected}")


def to_end(argv: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds from the spawn of a process to its end."""
    before = time.perf_counter()
    reap(spawn(argv, environment), argv)
    return time.perf_counter() - before


def file_system(path: str) -> str:
    """The type of the file system that holds `path`, of /proc/mounts."""
    found = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    holders = [
        (place, kind) for place, kind in found if f"{os.path.realpath(path)}/".startswith(f"{place.rstrip('/')}/")
    ]
    return max(holders, key=lambda one: len(one[0]))[1] if holders else "unknown"


def _disk() -> str:
    """The first of the usual places that is no memory: there an fsync costs nothing."""
    places = [tempfile.gettempdir(), "/var/tmp", str(REPOSITORY)]
    return next((place for place in places if file_system(place) not in _MEMORY), places[0])


def _check_in(directory: Path) -> bool:
    """Make a checkout of it: `status` and the gateway ask git for the revision. False without git."""
    (directory / ".gitignore").write_text("__pycache__/\n", encoding="ascii")
    who = ("-c", "user.name=benchmarks", "-c", "user.email=benchmarks@localhost", "-c", "commit.gpgsign=false")
    try:
        for command in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "The code that is measured")):
            subprocess.run(["git", "-C", str(directory), *command], check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True

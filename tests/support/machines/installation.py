"""An installation of hermes with a home of its own: every process real, every wait an event with a deadline."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

from hermes_cli import paths, user_environment
from hermes_cli.intents import queue
from hermes_cli.intents.instance import Instance
from hermes_cli.intents.request import make_directories
from hermes_cli.intents.settled import Settled
from hermes_cli.programs import own
from hermes_cli.services.job import names
from hermes_cli.services.systemd.units import Names
from hermes_cli.system import durable, locks
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle, Identity
from support import PATIENCE, TESTS
from support.machines.interpreter import FAULTS, Python

# Another copy of the package, in which tests/switched_off.py has taken something away.
REPOSITORY = Path(os.environ.get("HERMES_TEST_CODE") or TESTS.parent)
SHORT_CLOCKS = """\
[gateway]
drain_timeout = 20
stop_timeout = 2
teardown_timeout = 2
start_timeout = 15

[update]
stay_ready = 0.3

[restart]
storm_limit = 1000
"""
STILL_STARTING = "the gateway was not ready after"  # what install says of a machine that is slower than its limit
Found = TypeVar("Found")


def processes_below(folder: Path) -> list[psutil.Process]:
    """Every living process whose HERMES_HOME is `folder` or lies below it."""
    found = []
    for process in psutil.process_iter():
        try:
            home = process.environ().get("HERMES_HOME", "")
            if f"{home}/".startswith(f"{folder}/") and process.pid != os.getpid():
                process.cmdline()
                found.append(process)
        except psutil.Error:
            continue
    return found


def argv_of(process: psutil.Process) -> list[str]:
    """The command line of a process, empty once it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def end_processes_below(folder: Path) -> None:
    """Kill them, and whatever they started meanwhile to replace each other."""
    while left := processes_below(folder):
        for process in left:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue
        psutil.wait_procs(left, timeout=PATIENCE)


class Installation:
    """Runs `hermes` in its own home; `code` is the folder that holds the package, None: `python` has it."""

    def __init__(
        self,
        home: Path,
        code: Path | None = REPOSITORY,
        config: str = SHORT_CLOCKS,
        manager: str = "embedded",
        variables: dict[str, str] | None = None,
        interpreter: Python | None = None,
        python: str = sys.executable,
    ) -> None:
        """`variables` are what its service manager is reached by; with an `interpreter`, no variable names the code."""
        self.home = home
        self.code = code
        self.manager = manager
        self.variables = variables or {}
        self.interpreter = interpreter
        self.python = str(interpreter.python) if interpreter else python
        home.mkdir(mode=0o700, parents=True)
        (home / "config.toml").write_text(config)
        self.paths = paths.Paths("default", f"{home}/state", str(home), f"{home}/logs", str(home))
        self.suffix = names.suffix(self.paths)  # of what its jobs are called
        self.units = Names(self.paths)
        make_directories(self.paths.intents)
        durable.make_private_directory(self.paths.logs)

    def environment(self, fault: str | None = None, **more: str) -> dict[str, str]:
        """What a person's shell has: nothing of a gateway's; with `fault`, tests/faults strikes."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HERMES_", "XDG_", "PIP_", "PYTHONPATH")) and name not in user_environment.REACH
        }
        found = {**kept, "HERMES_HOME": str(self.home), "HERMES_SERVICE_MANAGER": self.manager, **self.variables}
        found["SHELL"] = (
            "/bin/sh"  # each install asks it for PATH; whose login files it reads is the developer's affair
        )
        if self.interpreter is None:
            places = [str(place) for place in (FAULTS if fault else None, self.code) if place is not None]
            found["PYTHONPATH"] = os.pathsep.join(places)
        # The code under test is compiled beforehand; other code (a checkout, a release) by who runs it first, as with users.
        if self.code == REPOSITORY:
            found["PYTHONDONTWRITEBYTECODE"] = "1"
        else:
            found.pop("PYTHONDONTWRITEBYTECODE", None)
        found |= more
        return {**found, "HERMES_TEST_FAULT": fault} if fault else found

    def start(self, *arguments: str, fault: str | None = None, **more: str) -> subprocess.Popen[str]:
        """One `hermes` command, running."""
        return subprocess.Popen(
            [self.python, "-m", "hermes_cli", *arguments],
            env=self.environment(fault, **more),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, fault: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """One `hermes` command, to its end."""
        with self.start(*arguments, fault=fault, **more) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def install(self, fault: str | None = None) -> Instance:
        """`hermes gateway install`: the first instance, ready.

        The command gives up after `start_timeout`, which the tests have made short: what it has started goes on.
        """
        done = self.run("gateway", "install", fault=fault)
        assert done.returncode == 0 or STILL_STARTING in done.stderr, done.stderr + self.log()
        return self.ready()

    def status(self) -> dict:
        """`hermes gateway status --json`."""
        return json.loads(self.run("gateway", "status", "--json").stdout)

    def chat(self, text: str, session: str = "main", code: int = 0) -> str:
        """One message, to its answer; `code` 1: its command fails."""
        done = self.run("chat", "--session", session, text)
        assert done.returncode == code, done.stdout + done.stderr + self.log()
        return done.stdout

    def busy(self, session: str = "busy") -> Callable[[], None]:
        """A turn that runs until the returned function is called."""
        fifo = self.home / f"{session}.fifo"
        os.mkfifo(fifo)
        before = self.ready().active_turns
        self.start("chat", "--session", session, f"!cat {shlex.quote(str(fifo))}")
        self.until(lambda: self.ready().active_turns > before, "a running turn")
        holder = self.ready().identity

        def is_let_go() -> bool:
            try:
                os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                if error.errno != errno.ENXIO:  # nobody reads yet, or no longer: the turn was cut off meanwhile
                    raise
                found = own.read_alive(self.paths)
                return found is None or not found.active_turns or not found.identity.is_same_as(holder)
            return True

        return lambda: self.until(is_let_go, "the end of the turn") and None

    # --- waiting for what is seen

    def until(self, look: Callable[[], Found], what: str, patience: float = PATIENCE) -> Found:
        """The first thing that `look` finds, looking again whenever a file of this profile changes."""
        deadline = time.monotonic() + patience
        places = (
            self.paths.state,
            self.paths.pending,
            self.paths.queue.settled,
            self.paths.queue.progress,
        )
        with DirectoryWatch(*places, self.paths.logs, modified=True) as watch:
            while not (found := look()):
                left = deadline - time.monotonic()
                assert left > 0, f"{what}: not within {patience} s\n{self.log()}"
                watch.wait(min(left, 0.5))
        return found

    def without_problems(self) -> None:
        """Wait until `status` names no problem."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = self.status()["problems"]
            return not found

        try:
            self.until(look, "a status without problems")
        except AssertionError as error:
            error.add_note(f"{found}")
            raise

    def ready(self, other_than: Instance | None = None, patience: float = PATIENCE) -> Instance:
        """A ready instance, not the given one."""

        def look() -> Instance | None:
            found = own.read_alive(self.paths)
            if found is None or not found.ready:
                return None
            same = other_than is not None and found.identity.is_same_as(other_than.identity)
            return None if same else found

        return self.until(look, "a ready instance", patience)

    def in_state(self, state: str) -> Instance:
        """The instance in that state."""

        def look() -> Instance | None:
            found = own.read_alive(self.paths)
            return found if found is not None and found.state == state else None

        return self.until(look, f"an instance that is {state}")

    def settled(self, count: int = 1) -> list[Settled]:
        """At least so many settled intents and none pending, newest first."""

        def look() -> list[Settled] | None:
            found = self.paths.queue.history()
            return found if len(found) >= count and not os.listdir(self.paths.pending) else None

        return self.until(look, f"{count} settled intents")

    def ever_settled(self) -> list[Settled]:
        """Settled intents, whatever is pending."""
        return self.paths.queue.history()

    def pending(self) -> list[queue.Intent]:
        """Unsettled intents."""
        return self.paths.queue.unsettled()

    def gone(self, identity: Identity) -> None:
        """Wait for that process to end."""
        try:
            with Handle(identity) as handle:
                assert handle.wait(PATIENCE), f"pid {identity.pid} goes on"
        except ProcessLookupError:
            return

    # --- what happened

    def log(self) -> str:
        """Everything that was logged."""
        names = sorted(Path(self.paths.logs).glob("*.log"))
        return "\n".join(f"--- {name.name}\n{name.read_text(errors='replace')}" for name in names)

    def starts(self) -> int:
        """How many instances became ready, ever."""
        return self.log().count("hermes.lifecycle: ready")

    def supervisor(self) -> Identity | None:
        """The supervisor that holds its lock."""
        if not locks.is_held(f"{self.paths.supervisor}/lock"):
            return None
        found = [one for one in self.processes() if "--supervise" in argv_of(one)]
        return Identity.of(found[0].pid) if found else None

    def processes(self) -> list[psutil.Process]:
        """Every living process that this installation started."""
        return processes_below(self.home)

"""The real hermes-agent, unmodified, in an environment of its own, as a job of the emulated launchd.

A command inside the gateway is a child of its process: a hook of the test's own, in the gateway's documented way, reads
commands from a FIFO and runs them.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from launchd_emulator.emulator import Launchd

from hermes_cli.system.process import Identity

VERSION = "0.19.0"
LABEL = "ai.hermes.gateway"
PATIENCE = 90.0
_HOOK = """\
import subprocess, threading

def _serve(path):
    while True:
        with open(path) as file:
            for line in file:
                subprocess.Popen(["/bin/sh", "-c", line])

async def handle(event_type, context):
    threading.Thread(target=_serve, args=({fifo!r},), daemon=True).start()
"""
_RESTART = "from hermes_cli.gateway import launchd_restart; launchd_restart()"
_STOP = "from hermes_cli.gateway import launchd_stop; launchd_stop()"
_START = "from hermes_cli.gateway import launchd_start; launchd_start()"
_UNINSTALL = "from hermes_cli.gateway import launchd_uninstall; launchd_uninstall()"
RESTART, STOP, START, UNINSTALL = _RESTART, _STOP, _START, _UNINSTALL
# Its functions for a Mac look for the account's real home and for processes of every home; both are ours here.
_HOME = "import hermes_cli.gateway as g; from pathlib import Path; g._launchd_user_home = lambda: Path({user!r}); "


@dataclass(frozen=True)
class Ended:
    """What became of one scenario."""

    alive: bool
    spawns: int
    new_after: float | None  # seconds from the old process's end to the next spawn
    unchanged: bool  # the definition, byte for byte


class HermesAgent:
    """One installed hermes-agent, and what happens to it."""

    def __init__(self, folder: Path, environment: Path, make_launchd: Callable[..., Launchd], **knobs: Any) -> None:
        """`environment` is the virtual environment that has it."""
        self.user = folder / "user"
        self.home = self.user / ".hermes"
        agents = self.user / "Library" / "LaunchAgents"
        agents.mkdir(parents=True)
        self.home.mkdir()
        self.python = environment / "bin" / "python"
        self.launchd = make_launchd(home=self.user, agents_dir=agents, **knobs)
        self.definition = agents / f"{LABEL}.plist"
        self.fifo = folder / "commands"
        os.mkfifo(self.fifo)
        hook = self.home / "hooks" / "test"
        hook.mkdir(parents=True)
        (hook / "HOOK.yaml").write_text("name: test\nevents: ['gateway:startup']\n")
        (hook / "handler.py").write_text(_HOOK.format(fifo=str(self.fifo)))

    @property
    def target(self) -> str:
        return f"{self.launchd.domain}/{LABEL}"

    def environment(self, **more: str) -> dict[str, str]:
        """A person's shell: hermes-agent's home, nothing of ours."""
        path = f"{self.launchd.bin}:/usr/local/bin:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(self.user), "HERMES_HOME": str(self.home), "LC_ALL": "C.UTF-8", **more}

    def theirs(self, code: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run a function of hermes-agent, as its own command would, from outside."""
        return subprocess.run(
            self._argv(code),
            env=self.environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def ours(self, *arguments: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run `hermesctl`."""
        repository = Path(__file__).parents[3]
        return subprocess.run(
            [sys.executable, "-m", "hermes_cli", *arguments],
            env=self.environment(PYTHONPATH=str(repository), HERMES_SERVICE_MANAGER="launchd"),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def install(self) -> Identity:
        """Write its own definition, load it, and wait until it is ready."""
        shown = self.theirs("from hermes_cli.gateway import generate_launchd_plist as g; print(g(), end='')")
        assert shown.returncode == 0, shown.stderr
        self.definition.write_text(shown.stdout)
        self.launchd.launchctl("bootstrap", self.launchd.domain, self.definition, check=True)
        ready = self.ready()
        self.launchd.advance(60)  # it has run for longer than its throttle, as gateways have
        return ready

    def adopt(self, *options: str) -> None:
        """`hermesctl gateway adopt hermes-agent`, and its resident at work."""
        done = self.ours("gateway", "adopt", "hermes-agent", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        self.until(lambda: self.state_of_ours("seen.json"), "the resident's first look")

    def inside(self, command: str) -> None:
        """Run a shell command as a child of the gateway."""
        with open(self.fifo, "w", encoding="utf-8") as file:
            file.write(f"{command}\n")

    def restart_inside(self) -> None:
        """Call its own restart function from a child of the gateway, and nothing else."""
        self.inside(shlex.join([*self._argv(RESTART)]))

    def described(self) -> dict[str, Any]:
        """What its state file says."""
        try:
            return dict(json.loads((self.home / "gateway_state.json").read_text()))
        except (OSError, ValueError):
            return {}

    def running(self) -> Identity | None:
        """The gateway's process as its state file names it, if it lives."""
        found = self.described()
        identity = Identity.of(found["pid"]) if isinstance(found.get("pid"), int) else None
        return identity if identity is not None and identity.start_ticks == found.get("start_time") else None

    def ready(self, other_than: Identity | None = None, patience: float = PATIENCE) -> Identity:
        """A ready gateway, not that one."""

        def look() -> Identity | None:
            found = self.running()
            if found is None or self.described().get("gateway_state") != "running":
                return None
            return None if other_than is not None and found.is_same_as(other_than) else found

        return self.until(look, "a ready gateway", patience)

    def gone(self, identity: Identity, patience: float = PATIENCE) -> float:
        """Wait for that process to end; when, by the trace's clock."""
        return float(self.launchd.wait_for("exit", LABEL, pid=identity.pid, timeout=patience).t)

    def until(self, look: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
        """The first thing that `look` finds; files of another program are looked at again and again."""
        deadline = time.monotonic() + patience
        while not (found := look()):
            assert time.monotonic() < deadline, f"{what}: not within {patience} s\n{self.log()}"
            time.sleep(0.05)
        return found

    def state_of_ours(self, name: str, profile: str = "hermes-agent") -> dict[str, Any] | None:
        """One of our own files of the adopted profile."""
        path = self.user / ".local" / "state" / "hermes" / "profiles" / profile / name
        try:
            return dict(json.loads(path.read_text()))
        except (OSError, ValueError):
            return None

    def spawns(self) -> int:
        """How often launchd has started it."""
        return len(self.launchd.events("spawn", LABEL))

    def log(self) -> str:
        """Everything that was logged."""
        places = [*self.user.rglob("restarter.log"), *(self.home / "logs").glob("gateway.log")]
        return "\n".join(f"--- {place}\n{place.read_text(errors='replace')[-4000:]}" for place in places)

    def residents(self) -> list[psutil.Process]:
        """Our resident processes in this home."""
        found = []
        for process in psutil.process_iter():
            try:
                argv = process.cmdline()
            except psutil.Error:
                continue
            if "hermes_cli.jobs.resident" in argv and str(self.user) in argv[-1]:
                found.append(process)
        return found

    def kill(self, identity: Identity) -> None:
        """SIGKILL to that process."""
        os.kill(identity.pid, signal.SIGKILL)

    def _argv(self, code: str) -> list[str]:
        return [str(self.python), "-P", "-c", _HOME.format(user=str(self.user)) + code]

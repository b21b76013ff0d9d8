"""Unmodified hermes-agent under the emulated launchd: its own definition, its own commands, a home of its own."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from launchd_emulator.emulator import Launchd

from support.agent.installed import CLOSED, offline
from support.machines.installation import PATIENCE

THROTTLE = 30  # of its own definition, in launchd's seconds
_LOOK = 0.02  # seconds between two looks at what has no event
_GLANCE = 0.2  # the same, where what is seen needs a command
_RESTART = "from hermes_cli.gateway import launchd_restart as restart; restart()"
_KILLED = """\
import os, signal
real = os.kill
def once(pid, number):
    real(pid, number)
    if number == signal.SIGUSR1:
        real(os.getpid(), signal.SIGKILL)
os.kill = once
"""
# Not a descendant: the first child ends, and the second belongs to another parent before it asks for anything.
_DETACHED = "import os, time\nif os.fork(): os._exit(0)\nos.setsid(); p = os.getpid()\nif os.fork(): os._exit(0)\nwhile os.getppid() == p: time.sleep(0.01)\n"


@dataclass(frozen=True)
class Seen:
    """What became of the gateway."""

    alive: bool
    spawns: int  # by launchd, since the request
    after_end: float | None  # seconds from the old process's end to the new process
    after_label: float | None  # seconds from the label's removal to the new process
    took: float | None  # seconds from the request until its own file says that it runs
    unchanged: bool  # the definition, byte for byte


class Agent:
    """One profile of hermes-agent on a Mac that `launchd` makes; `close` ends all of it."""

    def __init__(self, python: Path, launchd: Launchd, user: Path, profile: str | None = None) -> None:
        self.python = python
        self.launchd = launchd
        self.user = user
        self.profile = profile
        self.home = user / ".hermes" / "profiles" / profile if profile else user / ".hermes"
        self.label = f"ai.hermes.gateway-{profile}" if profile else "ai.hermes.gateway"
        self.plist = user / "Library" / "LaunchAgents" / f"{self.label}.plist"
        self.requested = 0.0
        self._before: psutil.Process | None = None
        self._ended: list[float] = []
        self._definition = b""
        hook = self.home / "hooks" / "turns"
        hook.mkdir(parents=True)
        (hook / "HOOK.yaml").write_text("name: turns\nevents: [gateway:startup]\n")
        shutil.copy(Path(__file__).parent / "turns_hook.py", hook / "handler.py")
        (self.home / ".env").write_text(CLOSED)
        # What its installer has a shell find, and what lies in /bin on a Mac: its terminal's shell is a login shell.
        (user / ".bash_profile").write_text(f'export PATH="{launchd.bin}:{python.parent}:$PATH"\n')

    # --- its own commands

    @property
    def target(self) -> str:
        return f"{self.launchd.domain}/{self.label}"

    def environment(self) -> dict[str, str]:
        """A person's shell on that Mac."""
        path = f"{self.launchd.bin}:{self.python.parent}:/usr/local/bin:/usr/bin:/bin"
        return {"HOME": str(self.user), "HERMES_HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", "TERM": "dumb"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """One of its commands, running."""

        def begin() -> subprocess.Popen[str]:
            return subprocess.Popen(
                [str(self.python), *arguments],
                env=self.environment(),
                cwd=self.user,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

        return offline(begin)

    def run(self, *arguments: str, check: bool = True) -> str:
        """`hermes ARGUMENTS`, typed in a shell, to its end; what it says."""
        with self.start("-m", "hermes_cli.main", *arguments) as process:
            said, _ = process.communicate(timeout=3 * PATIENCE)
        assert process.returncode == 0 or not check, said
        return said

    def install(self) -> None:
        """`hermes gateway install`, to a gateway that runs; no throttle is owed then."""
        self.run("gateway", "install")
        self.await_running()
        self._definition = self.plist.read_bytes()
        self.age()

    def by_hand(self) -> None:
        """`hermes gateway run` in a shell; to a gateway that runs."""
        shell = self.start("-m", "hermes_cli.main", "gateway", "run")
        threading.Thread(target=shell.communicate, daemon=True).start()
        self._until(lambda: self.state().get("gateway_state") == "running" and self.state()["pid"] == shell.pid, "it")

    def close(self) -> None:
        """End what launchd does not: what was started by hand."""
        for process in self.helpers():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def age(self) -> None:
        """The gateway has run for as long as its throttle is."""
        self.launchd.advance(THROTTLE + 1)

    # --- what is asked from inside

    def _tell(self, **asked: Any) -> None:
        pipe = self.home / "hooks" / "turns" / "turns"
        self._until(pipe.exists, "its hook")
        self._before = self._before or psutil.Process(self.state()["pid"])
        with pipe.open("w") as turns:  # opens when the hook reads
            turns.write(json.dumps(asked) + "\n")

    def inside(self, code: str) -> None:
        """Run that in Python, as a child of the gateway."""
        self._tell(argv=[str(self.python), "-c", code])

    def restart_inside(self, *, killed: bool = False, detached: bool = False) -> None:
        """A child of the gateway calls its restart function, as `hermes update` does at its end."""
        self.inside((_DETACHED if detached else "") + (_KILLED if killed else "") + _RESTART)

    def command_inside(self, *arguments: str) -> None:
        """A child of the gateway is that command of its own."""
        self._tell(argv=[str(self.python), "-m", "hermes_cli.main", *arguments])

    def terminal(self, command: str) -> None:
        """Type that in the agent's terminal: its own tool."""
        self._tell(tool=command)

    def hold_up(self, seconds: float) -> None:
        """Work in a thread that the gateway joins at its end."""
        self._tell(**{"holds up": ["sleep", str(seconds)]})

    # --- what is seen

    def ask(self) -> None:
        """From now on is counted; whoever runs now is the old one."""
        found = self.state()
        self._before = psutil.Process(found["pid"])
        self._ended.clear()
        self.requested = self.launchd.mark()
        threading.Thread(target=self._watch_end, args=(self._before,), daemon=True).start()

    def _watch_end(self, process: psutil.Process) -> None:
        process.wait()
        seen = time.monotonic()
        exits = [one.t for one in self.launchd.events("exit", self.label, pid=process.pid) if one.t > self.requested]
        self._ended.append(exits[-1] if exits else seen)  # launchd knows it first, unless it was started by hand

    def state(self) -> dict[str, Any]:
        """Its own file; empty when there is none."""
        try:
            found: dict[str, Any] = json.loads((self.home / "gateway_state.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def pid(self) -> int | None:
        return self.launchd.pid(self.label)

    def running(self) -> bool:
        """Its own file and launchd agree that it runs."""
        found, pid = self.state(), self.pid()
        return pid is not None and found.get("pid") == pid and found.get("gateway_state") == "running"

    def await_running(self, patience: float = 3 * PATIENCE) -> int:
        self._until(self.running, "a running gateway", patience)
        found = self.pid()
        assert found is not None
        return found

    def _until(self, look: Callable[[], Any], what: str, patience: float = 3 * PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not look():
            assert time.monotonic() < deadline, f"{what}: not within {patience} s\n{self.log()}"
            time.sleep(_LOOK)

    def await_end(self, patience: float = 3 * PATIENCE) -> float:
        """Wait until the old process has ended; the moment."""
        self._until(lambda: self._ended, "the old one's end", patience)
        return self._ended[0]

    def spawns(self) -> list[float]:
        return [one.t for one in self.launchd.events("spawn", self.label) if one.t > self.requested]

    def helpers(self) -> list[psutil.Process]:
        """Every process of this home."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("HERMES_HOME") == str(self.home):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _is_over(self) -> bool:
        """Nothing lives, and launchd owes no start: it is dead until somebody acts."""
        if self.helpers() or self.pid() is not None:
            return False
        shown = self.launchd.launchctl("print", self.target)
        return shown.returncode == 113 or "state = not running" in shown.stdout

    def outcome(self, bound: float, calm: float = 1.0) -> Seen:
        """Wait until the old one has ended and it is running again, or `bound` seconds more and nothing is starting.

        With `bound` 0: until nothing is left that could start it. An outcome stands for `calm` seconds.
        """
        ended = self.await_end()
        since: tuple[bool, float] | None = None
        while True:
            now = time.monotonic()
            running = self.running()
            over = not running and (now - ended > bound and self.pid() is None if bound else self._is_over())
            if not running and not over:
                since = None
            elif since is None or since[0] != running:
                since = (running, now)
            elif now - since[1] >= calm:
                break
            assert now - ended < bound + 3 * PATIENCE, f"neither dead nor alive\n{self.log()}"
            time.sleep(_GLANCE)
        return self.seen(ended, took=since[1] - self.requested if running else None)

    def seen(self, ended: float, took: float | None) -> Seen:
        spawns = self.spawns()
        removed = [one.t for one in self.launchd.events("removed", self.label) if one.t > self.requested]
        first = next((t for t in spawns if t > (removed[-1] if removed else 0.0)), None)
        return Seen(
            alive=self.running(),
            spawns=len(spawns),
            after_end=first - ended if first else None,
            after_label=first - removed[-1] if removed and first else None,
            took=took,
            unchanged=self.plist.exists() and self.plist.read_bytes() == self._definition,
        )

    def log(self) -> str:
        """Everything that was said."""
        names = [*sorted((self.home / "logs").glob("*.log")), *self.home.glob("hooks/*/*.log")]
        texts = [f"--- {name.name}\n{name.read_text(errors='replace')[-3000:]}" for name in names]
        return "\n".join([json.dumps(self.state()), *texts, self.launchd.trace_path.read_text()[-6000:]])


def user_folder() -> Path:
    """An account's home: its own command writes no definition that names a folder for temporary files."""
    place = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="hermes-agent-", dir=place if os.access(place, os.W_OK) else Path.home()))

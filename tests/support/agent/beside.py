"""hermesctl beside an adopted gateway: its own state and jobs, a person's shell that knows of both."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from support.agent.on_launchd import Agent
from support.machines.installation import PATIENCE, REPOSITORY
from support.machines.interpreter import Interpreter


class Beside:
    """Runs `hermesctl` on the machine of `agent`."""

    def __init__(self, agent: Agent, folder: Path) -> None:
        self.agent = agent
        self.interpreter = Interpreter(folder / f"hermesctl {agent.label}", REPOSITORY)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`hermesctl ARGUMENTS`, to its end."""
        done = subprocess.run(
            [self.interpreter.python, "-m", "hermes_cli", *arguments],
            env={**self.agent.environment(), "HERMES_SERVICE_MANAGER": "launchd"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    @property
    def profile(self) -> str:
        """Ours for it."""
        return self.agent.profile or "hermes-agent"

    def adopt(self, *options: str) -> str:
        """`hermesctl gateway adopt hermes-agent`, to a resident that has looked; what it says."""
        named = ["--home", str(self.agent.home), "--as", self.profile] if self.agent.profile else []
        said = self.run("gateway", "adopt", "hermes-agent", *named, *options).stdout
        self.until(self.has_looked, "the resident's first look")
        return said

    def floor(self) -> float:
        """Seconds that the calls of one rescue take here and now, one after the other."""
        began = time.monotonic()
        look = [str(self.interpreter.python), "-P", "-c", "import hermes_cli.jobs.adopted"]
        subprocess.run(look, cwd="/", check=True, timeout=PATIENCE)
        for _ in range(4):
            self.agent.launchd.launchctl("print", self.agent.target)
        return time.monotonic() - began

    def residents(self) -> list[psutil.Process]:
        """Our resident processes on that machine."""
        found = []
        for process in psutil.process_iter():
            try:
                if "hermes_cli.jobs.resident" in process.cmdline() and str(self.agent.user) in process.cmdline()[-1]:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def has_looked(self) -> bool:
        """The resident has seen the instance that runs."""
        pid = self.agent.state().get("pid")
        return any(
            json.loads(path.read_text()).get("identity", {}).get("pid") == pid for path in self.files("seen.json")
        )

    def files(self, name: str) -> list[Path]:
        """Files of ours by name; none may lie in its home."""
        found = [path for path in self.agent.user.rglob(name) if not path.is_relative_to(self.agent.user / ".hermes")]
        return sorted(found)

    def intents(self) -> list[dict[str, Any]]:
        """Every intent, newest first."""
        said = self.run("-p", self.profile, "gateway", "intents", "list", "--json").stdout
        found: list[dict[str, Any]] = json.loads(said)["intents"]
        return found

    def until(self, look: Callable[[], Any], what: str, patience: float = 3 * PATIENCE) -> Any:
        deadline = time.monotonic() + patience
        while not (found := look()):
            assert time.monotonic() < deadline, f"{what}: not within {patience} s\n{self.log()}"
            time.sleep(0.05)  # files of two programs and a launchd, of which no one thing tells
        return found

    def log(self) -> str:
        """What both have said."""
        own = "\n".join(f"--- {path}\n{path.read_text(errors='replace')[-6000:]}" for path in self.files("*.log"))
        return f"{own}\n{self.agent.log()}"

    def restart_gateway(self) -> None:
        """So that it loads its hook; it has run for as long as its throttle is then."""
        before = self.agent.pid()
        self.agent.launchd.launchctl("kickstart", "-k", self.agent.target, check=True)
        self.until(lambda: self.agent.running() and self.agent.pid() != before, "a fresh gateway")
        self.until(self.has_looked, "the resident's look at it")
        self.agent.age()


def kill(process: psutil.Process) -> None:
    os.kill(process.pid, 9)

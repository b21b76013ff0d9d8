"""A Mac with a program as a job that says that it leaves long before it has, and hermesctl beside it."""

import plistlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from launchd_emulator.emulator import Launchd

from support.machines.installation import PATIENCE, REPOSITORY
from support.machines.interpreter import Interpreter
from support.machines.mac import launchd_of
from support.models import says_and_leaves

LABEL = "test.says-and-leaves"
PROGRAM = """\
schema = 1
name = "leaver"
home = {{ default = "{home}" }}
[service]
launchd = {{ label = "{label}" }}
[instance]
pid = {{ json = "{{home}}/state.json", field = "pid", start = "start" }}
state = {{ json = "{{home}}/state.json", field = "state", ready = ["running"], draining = ["draining"], stopped = ["stopped"] }}
[restart]
signal = "SIGUSR1"
signal_when = {{ exists = "{{home}}/pid" }}
exit_limit = 60.0
[watch]
wanted = {{ json = "{{home}}/state.json", field = "restart_requested", is = true }}
paths = ["{{home}}/state.json"]
"""


class Leaver:
    """That Mac."""

    def __init__(self, folder: Path, make_launchd: Callable[..., Launchd]) -> None:
        self.user = folder / "user"
        self.home = folder / "program"
        self.home.mkdir()
        self.launchd = launchd_of(self.user, make_launchd)
        plist = self.launchd.agents / f"{LABEL}.plist"
        self.python = Interpreter(folder / "hermesctl", REPOSITORY).python
        argv = [str(self.python), "-P", says_and_leaves.__file__, str(self.home)]
        job = {"Label": LABEL, "RunAtLoad": True, "KeepAlive": True, "ProgramArguments": argv}
        plist.write_bytes(plistlib.dumps(job))
        self.launchd.launchctl("bootstrap", self.launchd.domain, plist, check=True)
        self.until((self.home / "pid").exists, "its start")
        self.program = folder / "leaver.toml"
        self.program.write_text(PROGRAM.format(home=self.home, label=LABEL))

    def ours(self, *arguments: str, check: bool = True) -> str:
        """`hermesctl ARGUMENTS`, to its end; what it prints, on stderr as well unless it is to succeed."""
        kept = {"HOME": str(self.user), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [str(self.python), "-m", "hermes_cli", *arguments],
            env={**kept, "PATH": f"{self.launchd.bin}:/usr/bin:/bin", "HERMES_SERVICE_MANAGER": "launchd"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout if check else done.stdout + done.stderr

    def adopt(self, *options: str) -> None:
        """To a resident that has looked."""
        self.ours("gateway", "adopt", str(self.program), *options)
        self.until(lambda: [*self.user.rglob("seen.json")], "the resident's first look")
        self.until(lambda: not self.looks(), "its end")

    def looks(self) -> list[int]:
        """The pids of the looks of our resident that are at work."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            argv, variables = process.info["cmdline"] or [], process.info["environ"] or {}
            if "hermes_cli.jobs.adopted" in argv and variables.get("HOME") == str(self.user):
                found.append(process.pid)
        return found

    def until(self, look: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < deadline, f"{what}\n{self.log()}"
            time.sleep(0.02)  # a process that ends, and a file, tell nobody here
        return found

    def log(self) -> str:
        """What our restarter has said."""
        return "\n".join(path.read_text() for path in self.user.rglob("restarter.log"))

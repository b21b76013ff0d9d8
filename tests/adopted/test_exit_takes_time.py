"""An adopted program that says that it leaves long before it has: whoever is to start it again is ready at its end."""

import json
import os
import plistlib
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from launchd_emulator.emulator import Launchd
from support.machines.installation import PATIENCE, REPOSITORY
from support.machines.interpreter import Interpreter
from support.machines.mac import launchd_of
from support.models import says_and_leaves

pytestmark = [pytest.mark.timeout(120)]
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


class Machine:
    """A Mac with that program as a job, and hermesctl."""

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

    def ours(self, *arguments: str) -> str:
        """`hermesctl ARGUMENTS`, to its end; what it prints."""
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
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def adopt(self) -> None:
        self.ours("gateway", "adopt", str(self.program))
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
            logs = "\n".join(path.read_text() for path in self.user.rglob("restarter.log"))
            assert time.monotonic() < deadline, f"{what}\n{logs}"
            time.sleep(0.02)  # a process that ends, and a file, tell nobody here
        return found


def test_a_look_is_at_work_before_the_end_and_acts_at_it(tmp_path: Path, make_launchd: Callable[..., Launchd]) -> None:
    machine = Machine(tmp_path, make_launchd)
    machine.adopt()
    launchd = machine.launchd
    launchd.knob(on_demand_only=True, on_demand_holds="all")
    asked = launchd.mark()
    pid = launchd.pid(LABEL)
    assert pid is not None
    os.kill(pid, signal.SIGUSR1)
    launchd.wait_for("request", after=asked)  # all that a rescue imports is there when launchd is asked
    (look,) = machine.looks()
    assert launchd.pid(LABEL) == pid
    (machine.home / says_and_leaves.LEAVE).touch()
    launchd.wait_for("spawn", LABEL, after=asked)
    machine.until(lambda: not machine.looks(), "the end of the restart")
    said = json.loads(machine.ours("-p", "leaver", "gateway", "intents", "list", "--json"))
    (intent,) = said["intents"]
    assert (intent["reason"], intent["outcome"], intent["requester"]["pid"]) == ("observed", "restarted", look), intent

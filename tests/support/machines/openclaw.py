"""openclaw under launchd or systemd, as its own definition has it run: a stand-in, or the real one where it is given.

HERMES_TEST_OPENCLAW names the prefix below which npm has installed it, with a node that can run it beside it in bin/.
"""

import abc
import contextlib
import json
import os
import plistlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from launchd_emulator.emulator import Launchd

from hermes_cli.system.process import Identity
from support.machines.installation import PATIENCE, REPOSITORY
from support.machines.mac import launchd_of
from support.machines.user_manager import UserManager
from support.models import stand_in_openclaw

GIVEN = os.environ.get("HERMES_TEST_OPENCLAW")
LABEL, UNIT = "ai.openclaw.gateway", "openclaw-gateway.service"
SLOW = 10 if GIVEN else 1  # times; the real one takes a minute to be ready on a busy machine
_UNIT = """\
[Service]
ExecStart={argv}
{environment}
Restart=always
RestartSec=0.2
RestartPreventExitStatus=78
SuccessExitStatus=0 143
KillMode=mixed
"""


class OpenClaw(abc.ABC):
    """One openclaw; `start` and the like act on its service as a person would."""

    label = ""
    kind = ""

    def __init__(self, user: Path, variables: dict[str, str], path: str) -> None:
        self.user = user
        self.home = user / ".openclaw"
        self.home.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.configure()
        self._variables = {**variables, "PATH": path}

    @property
    def argv(self) -> list[str]:
        program = [f"{GIVEN}/bin/openclaw"] if GIVEN else [sys.executable, "-P", stand_in_openclaw.__file__]
        return [*program, "gateway", "run", "--port", str(self.port), "--bind", "loopback"]

    def service_environment(self, *, managed: bool) -> dict[str, str]:
        """What its definition has. Not `managed`: it does not know that somebody starts it again."""
        path = f"{GIVEN}/bin:/usr/bin:/bin" if GIVEN else "/usr/bin:/bin"
        offline = {"OPENCLAW_SKIP_CHANNELS": "1", "OPENCLAW_DISABLE_BONJOUR": "1"}
        found = {"PATH": path, "HOME": str(self.user), "OPENCLAW_STATE_DIR": str(self.home), **offline}
        if managed:
            found |= {"OPENCLAW_SERVICE_MARKER": "openclaw", "OPENCLAW_SERVICE_KIND": "gateway"}
            found |= {"OPENCLAW_LAUNCHD_LABEL": LABEL} if self.kind == "launchd" else {"OPENCLAW_SYSTEMD_UNIT": UNIT}
        else:
            found |= {"OPENCLAW_NO_RESPAWN": "1"}
        return found

    def configure(self, **more: Any) -> None:
        """Its configuration: nothing that leaves this machine."""
        gateway = {"mode": "local", "port": self.port, "bind": "loopback", "auth": {"mode": "token", "token": "t"}}
        document = {"gateway": gateway, "update": {"checkOnStart": False}, **more}
        (self.home / "openclaw.json").write_text(json.dumps(document))

    def ours(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`hermesctl ARGUMENTS`."""
        bare = {"HOME": str(self.user), "LC_ALL": "C.UTF-8", "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            [sys.executable, "-m", "hermes_cli", *arguments],
            env={**bare, **self._variables, "HERMES_SERVICE_MANAGER": self.kind},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=(PATIENCE if GIVEN else 40.0) * SLOW,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{done.stdout}{done.stderr}\n{self.log()}"
        return done

    def adopt(self) -> None:
        """`hermesctl gateway adopt openclaw`, to a resident that has looked."""
        self.ours("gateway", "adopt", "openclaw")
        self.until(lambda: [*self.user.rglob("seen.json")], "the resident's first look")

    def status(self) -> dict[str, Any]:
        """`status --json` of our profile for it."""
        found: dict[str, Any] = json.loads(
            self.ours("-p", "openclaw", "gateway", "status", "--json", check=False).stdout
        )
        return found

    def intents(self) -> list[dict[str, Any]]:
        """Ours, newest first."""
        said = self.ours("-p", "openclaw", "gateway", "intents", "list", "--json").stdout
        found: list[dict[str, Any]] = json.loads(said)["intents"]
        return found

    def answers(self) -> dict[str, Any] | None:
        """What `/startupz` says, once it is 200."""
        from hermes_cli.programs import probes

        found = probes.ask({"http": f"http://127.0.0.1:{self.port}/startupz"}, str)
        return found.document if found.holds else None

    def ready(self, other_than: Identity | None = None) -> Identity:
        """A process that its manager runs and that has started, not that one."""

        def look() -> Identity | None:
            pid = self.pid()
            identity = Identity.of(pid) if pid else None
            if identity is None or self.answers() is None:
                return None
            return None if other_than is not None and identity.is_same_as(other_than) else identity

        found: Identity = self.until(look, "a ready gateway")
        return found

    def until(self, look: Callable[[], Any], what: str) -> Any:
        """The first thing that `look` finds; another program's answers are asked for again and again."""
        deadline = time.monotonic() + (PATIENCE if GIVEN else 40.0) * SLOW
        while not (found := look()):
            assert time.monotonic() < deadline, f"{what}\n{self.log()}"
            time.sleep(0.05)  # it tells nobody that its answers have changed
        return found

    def log(self) -> str:
        """What was logged of it."""
        logs = [*self.user.rglob("restarter.log"), *self.user.rglob("seen.json")]
        return "\n".join(f"--- {path}\n{path.read_text()[-3000:]}" for path in logs)

    def residents(self) -> list[psutil.Process]:
        """Our resident processes in this home."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                argv = process.cmdline()
                if "hermes_cli.jobs.resident" in argv and str(self.user) in argv[-1]:
                    found.append(process)
        return found

    def inspected(self) -> bool:
        """Whether anybody has sent it SIGUSR1."""
        return stand_in_openclaw.INSPECTED in {path.name for path in self.home.iterdir()}

    def signal(self, identity: Identity, number: signal.Signals) -> None:
        """As a child of its own would."""
        os.kill(identity.pid, number)

    # --- its service

    @abc.abstractmethod
    def install(self, *, managed: bool = True, comes_back: bool = True) -> Identity:
        """Load its definition, to a gateway that has started. Not `comes_back`: its manager starts it only on demand."""

    @abc.abstractmethod
    def pid(self) -> int | None:
        """Of what its manager runs."""

    @abc.abstractmethod
    def unload(self) -> None:
        """As a person takes it down."""

    @abc.abstractmethod
    def definition(self) -> bytes:
        """Byte for byte."""


class OnLaunchd(OpenClaw):
    """Under the emulated launchd."""

    label, kind = LABEL, "launchd"

    def __init__(self, folder: Path, make_launchd: Callable[..., Launchd]) -> None:
        user = folder / "user"
        self.launchd = launchd_of(user, make_launchd)
        self._plist = self.launchd.agents / f"{LABEL}.plist"
        super().__init__(user, {}, f"{self.launchd.bin}:/usr/local/bin:/usr/bin:/bin")

    def install(self, *, managed: bool = True, comes_back: bool = True) -> Identity:
        document = {
            "Label": LABEL,
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": 10,
            "ExitTimeOut": 20,
            "ProgramArguments": self.argv,
            "EnvironmentVariables": self.service_environment(managed=managed),
        }
        self._plist.write_bytes(plistlib.dumps(document))
        self.launchd.launchctl("bootstrap", self.launchd.domain, self._plist, check=True)
        found = self.ready()
        self.launchd.advance(60)  # it has run for longer than its throttle
        if not comes_back:
            self.launchd.knob(on_demand_only=True, on_demand_holds="all")
        return found

    def pid(self) -> int | None:
        return self.launchd.pid(LABEL)

    def unload(self) -> None:
        self.launchd.launchctl("bootout", f"{self.launchd.domain}/{LABEL}", check=True)

    def definition(self) -> bytes:
        return self._plist.read_bytes()


class OnSystemd(OpenClaw):
    """Under a real `systemd --user`."""

    label, kind = UNIT, "systemd"

    def __init__(self, manager: UserManager) -> None:
        self.manager = manager
        super().__init__(manager.home, manager.variables, "/usr/local/bin:/usr/bin:/bin")

    def install(self, *, managed: bool = True, comes_back: bool = True) -> Identity:
        environment = self.service_environment(managed=managed)
        lines = "\n".join(f'Environment="{name}={value}"' for name, value in environment.items())
        self.manager.units.mkdir(parents=True, exist_ok=True)
        (self.manager.units / UNIT).write_text(_UNIT.format(argv=" ".join(self.argv), environment=lines))
        if comes_back:
            self.manager.load()
        else:
            self.manager.change(UNIT, "[Service]", "Restart=no")
        assert self.manager.systemctl("start", UNIT).returncode == 0
        return self.ready()

    def pid(self) -> int | None:
        return int(self.manager.show(UNIT, "MainPID") or 0) or None

    def unload(self) -> None:
        assert self.manager.systemctl("stop", UNIT).returncode == 0

    def definition(self) -> bytes:
        return (self.manager.units / UNIT).read_bytes()

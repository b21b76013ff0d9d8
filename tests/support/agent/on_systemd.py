"""Unmodified hermes-agent under a real `systemd --user`: the unit that it writes itself, and hermesctl beside it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermes_cli.system.process import Identity
from support.agent.installed import CLOSED
from support.machines.user_manager import UserManager

UNIT = "hermes-gateway.service"
PATIENCE = 90.0
REPOSITORY = Path(__file__).parents[3]


class OnSystemd:
    """Below a user manager of its own."""

    def __init__(self, manager: UserManager, python: Path) -> None:
        self.manager = manager
        self.python = python
        self.home = manager.home / ".hermes"
        self.unit = manager.units / UNIT

    def environment(self, **more: str) -> dict[str, str]:
        bare = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HERMES_HOME": str(self.home)}
        return {**bare, **self.manager.variables, **more}

    def run(self, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            env=self.environment(**more),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def ours(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        more = {"PYTHONPATH": str(REPOSITORY), "HERMES_SERVICE_MANAGER": "systemd"}
        return self.run(sys.executable, "-m", "hermes_cli", *arguments, **more)

    def theirs(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.python.parent / "hermes"), *arguments)

    def install(self, *settings: str) -> Identity:
        """Write the unit that it would install, with a drop-in of these settings, and start it."""
        code = "from hermes_cli.gateway import generate_systemd_unit as g; print(g(), end='')"
        text = self.run(str(self.python), "-P", "-c", code)
        assert text.returncode == 0, text.stderr
        self.home.mkdir(exist_ok=True)
        (self.home / ".env").write_text(CLOSED)
        self.unit.parent.mkdir(parents=True, exist_ok=True)
        self.unit.write_text(text.stdout)
        if settings:
            folder = self.unit.with_name(f"{UNIT}.d")
            folder.mkdir()
            (folder / "test.conf").write_text("\n".join(settings) + "\n")
        self.manager.systemctl("daemon-reload")
        assert self.manager.systemctl("start", UNIT).returncode == 0
        return self.ready()

    def adopt(self) -> None:
        done = self.ours("gateway", "adopt", "hermes-agent")
        assert done.returncode == 0, done.stdout + done.stderr
        self.until(lambda: list(self.manager.home.rglob("seen.json")), "the resident's first look")

    def ready(self, other_than: Identity | None = None) -> Identity:
        def look() -> Identity | None:
            try:
                found = json.loads((self.home / "gateway_state.json").read_text())
            except (OSError, ValueError):
                return None
            identity = Identity.of(found["pid"])
            if identity is None or identity.start_ticks != found["start_time"] or found["gateway_state"] != "running":
                return None
            return None if other_than is not None and identity.is_same_as(other_than) else identity

        found: Identity = self.until(look, "a ready gateway")
        return found

    def until(self, look: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < deadline, f"{what}\n{self.log()}"
            time.sleep(0.05)  # hermes-agent and systemd tell nobody here
        return found

    def log(self) -> str:
        shown = [self.manager.systemctl("status", "--no-pager", UNIT, "hermesctl-hermes-agent.service").stdout]
        shown += [path.read_text() for path in self.manager.home.rglob("seen.json")]
        shown += [(self.home / "gateway_state.json").read_text()]
        places = [*self.manager.home.rglob("restarter.log"), *(self.home / "logs").glob("gateway.log")]
        return "\n".join(shown) + "\n".join(
            f"--- {place}\n{place.read_text(errors='replace')[-3000:]}" for place in places
        )

    def stays_away(self) -> None:
        """Let more time pass than any patience of ours: nothing may happen, so there is no event to wait for."""
        time.sleep(8)
        assert self.manager.show(UNIT, "MainPID") == "0", self.log()

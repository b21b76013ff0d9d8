"""The service managers that the conformance suite runs under. A new back end is one function more in `WORLDS`.

A world is an installation, and the few things that are done to a manager from outside in ways of its own.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from installation import PATIENCE, REPOSITORY, Installation
from interpreter import Interpreter
from mac import Mac

TYPE_CHECKING = False
if TYPE_CHECKING:
    from user_manager import UserManager

_CALL = """
import dataclasses, json, sys
from hermes_cli.errors import HermesError
from hermes_cli.paths import resolve
from hermes_cli.services import choose
try:
    found = getattr(choose(resolve()), sys.argv[1])(*sys.argv[2:])
except HermesError as error:
    found = {"error": type(error).__name__, "text": str(error)}
if dataclasses.is_dataclass(found):
    found = dataclasses.asdict(found)
elif isinstance(found, tuple):
    found = [dataclasses.asdict(one) if dataclasses.is_dataclass(one) else one for one in found]
print(json.dumps(found))
"""


@dataclass(frozen=True)
class World:
    """One manager with one profile on it."""

    name: str
    hermes: Installation
    silence: Callable[[], object]  # from now on it answers nobody
    drift: tuple[str, str]  # what an older release wrote into the service's definition

    def call(self, method: str, *arguments: str) -> Any:
        """One method of the back end, called in a process of its own; what it gives, or the error that it raises."""
        interpreter = self.hermes.interpreter
        done = subprocess.run(
            [str(interpreter.python if interpreter else sys.executable), "-c", _CALL, method, *arguments],
            env=self.hermes.environment(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def definitions(self) -> list[Path]:
        """The files that `install` writes, the service's first."""
        return [Path(one["path"]) for one in self.call("definitions")]


def _embedded(request: pytest.FixtureRequest, code: Path = REPOSITORY) -> World:
    hermes = request.getfixturevalue("make_installation")(code=code)

    def silence() -> None:
        supervisor = hermes.supervisor()
        assert supervisor is not None
        os.kill(supervisor.pid, signal.SIGSTOP)

    return World("embedded", hermes, silence, ("--supervise", "--supervize"))


def _systemd(request: pytest.FixtureRequest, code: Path = REPOSITORY) -> World:
    manager: UserManager = request.getfixturevalue("user_manager")
    hermes = request.getfixturevalue("make_installation")(
        code=code,
        manager="systemd",
        variables=manager.variables,
        interpreter=Interpreter(request.getfixturevalue("tmp_path") / "python", code),
    )
    return World("systemd", hermes, manager.kill_alone, ("RestartSec=1", "RestartSec=60"))


def _launchd(request: pytest.FixtureRequest, code: Path = REPOSITORY) -> World:
    mac = Mac(request.getfixturevalue("tmp_path"), request.getfixturevalue("make_launchd"), code=code)

    def silence() -> None:
        # Nor does it start anything by itself meanwhile, which it would say to nobody.
        mac.launchd.knob(launchctl_latency_ms=600_000, on_demand_only=True)

    drift = ("<key>KeepAlive</key>", "<key>ThisKeyIsOld</key><true/><key>KeepAlive</key>")
    return World("launchd", mac, silence, drift)


WORLDS: dict[str, Callable[..., World]] = {
    "embedded": _embedded,
    "systemd": _systemd,
    "launchd": _launchd,
}

"""The service managers that tests run under. A new back end is one function more in `WORLDS`.

A world is an installation, and the few things that are done to a manager from outside in ways of its own.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from launchd_emulator.emulator import Launchd

from support.machines.installation import PATIENCE, REPOSITORY, SHORT_CLOCKS, Installation
from support.machines.interpreter import Interpreter, Python
from support.machines.mac import Mac
from support.machines.user_manager import UserManager, needed

_HOME = "höme 'of' \"hermes\""

_CALL = """
import dataclasses, json, sys
from hermes_cli.errors import HermesError
from hermes_cli.paths import resolve
from hermes_cli.services import choose
try:
    found = getattr(choose(resolve()), sys.argv[1])(*sys.argv[2:])
except HermesError as error:
    found = {"error": type(error).__name__, "text": str(error)}

def plain(value):
    if hasattr(value, "_asdict"):
        return {name: plain(one) for name, one in value._asdict().items()}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value

print(json.dumps(plain(found), default=dataclasses.asdict))
"""


@dataclass(frozen=True)
class World:
    """One manager with one profile on it."""

    name: str
    hermes: Installation
    silence: Callable[[], object]  # from now on it answers nobody
    drift: tuple[str, str]  # what an older release wrote into the service's definition
    manager: UserManager | None = None  # systemd's
    hold_clock: Callable[[], object] = lambda: None  # from now on it starts nothing by itself that it has put off

    def call(self, method: str, *arguments: str) -> Any:
        """One method of the back end, called in a process of its own; what it gives, or the error that it raises."""
        done = subprocess.run(
            [self.hermes.python, "-c", _CALL, method, *arguments],
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


def make(
    name: str, folder: Path, stack: ExitStack, interpreter: Python, config: str = SHORT_CLOCKS, **knobs: Any
) -> World:
    """A world in `folder`; nothing is installed yet. What it starts beside hermes itself ends with `stack`.

    `interpreter` finds the package; `knobs` are the emulated launchd's. Raises NoManagerError.
    """
    if name == "launchd":
        return _launchd(folder, stack, interpreter, config, **knobs)
    return {"embedded": _embedded, "systemd": _systemd}[name](folder, stack, interpreter, config)


def _embedded(folder: Path, stack: ExitStack, interpreter: Python, config: str) -> World:
    hermes = Installation(folder / _HOME, config=config, interpreter=interpreter)

    def silence() -> None:
        supervisor = hermes.supervisor()
        assert supervisor is not None
        os.kill(supervisor.pid, signal.SIGSTOP)

    return World("embedded", hermes, silence, ("--supervise", "--supervize"))


def _systemd(folder: Path, stack: ExitStack, interpreter: Python, config: str) -> World:
    manager = UserManager()
    stack.callback(manager.close)
    manager.start()
    hermes = Installation(
        folder / _HOME, config=config, manager="systemd", variables=manager.variables, interpreter=interpreter
    )
    return World("systemd", hermes, manager.kill_alone, ("RestartSec=1", "RestartSec=60"), manager)


def _launchd(folder: Path, stack: ExitStack, interpreter: Python, config: str, **knobs: Any) -> World:
    def make_launchd(**more: Any) -> Launchd:
        return stack.enter_context(Launchd(folder / "launchd", **more))

    mac = Mac(folder, make_launchd, config, interpreter=interpreter, **knobs)

    def silence() -> None:
        # Nor does it start anything by itself meanwhile, which it would say to nobody.
        mac.launchd.knob(launchctl_latency_ms=600_000, on_demand_only=True)

    drift = ("<key>KeepAlive</key>", "<key>StandardOutPath</key><string>/old</string><key>KeepAlive</key>")
    return World("launchd", mac, silence, drift, hold_clock=mac.hold_clock)


def _for_test(name: str) -> Callable[..., World]:
    def build(
        request: pytest.FixtureRequest, code: Path = REPOSITORY, interpreter: Python | None = None, **more: Any
    ) -> World:
        stack = ExitStack()
        request.addfinalizer(stack.close)
        folder = request.getfixturevalue("tmp_path")
        with needed():
            return make(name, folder, stack, interpreter or Interpreter(folder / "python", code), **more)

    return build


# As a test asks for them: `WORLDS[name](request)`; skipped with the reason where there is no such manager.
WORLDS: dict[str, Callable[..., World]] = {name: _for_test(name) for name in ("embedded", "systemd", "launchd")}


# For what is of a definition in a file, or of a job with a name: the embedded manager has neither.
with_definitions = pytest.mark.parametrize("world", ["systemd", "launchd"], indirect=True)


def mostly(*names: str) -> pytest.MarkDecorator:
    """Let a test run under these managers, and under the others at night: for what is alike under each."""
    cells = [pytest.param(name, marks=[] if name in names else [pytest.mark.nightly]) for name in WORLDS]
    return pytest.mark.parametrize("world", cells, indirect=True)

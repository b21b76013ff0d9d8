"""Ours and hermes-agent 0.19, each with a home and a service manager of its own, and the same questions asked of both.

Nothing of hermes-agent is changed: its release from the index, its own definition, its own commands.
"""

import json
import os
import shutil
import site
import subprocess
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from launchd_emulator.emulator import Launchd
from support.agent.checkout import Checkout as TheirCheckout
from support.agent.installed import CLOSED, installed, offline
from support.agent.on_launchd import THROTTLE, Agent, user_folder
from support.machines.installation import Installation
from support.machines.interpreter import Python
from support.machines.mac import Mac
from support.machines.user_manager import UserManager

from hermes_cli.programs import own
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Identity

PATIENCE = 300.0  # seconds
_LOOK = 0.2  # seconds between looks, should an event be missed
CONFIG = "[restart]\nstorm_limit = 100000\n"
_UNIT = "from hermes_cli.gateway import generate_systemd_unit as g; print(g(), end='')"


@dataclass(frozen=True)
class Peer:
    """One of the two where it is installed. `state` is the folder that its own file of its state lies in."""

    command: list[str]  # what `gateway status` and so on is appended to
    environment: dict[str, str]
    state: Path
    is_ready: Callable[[], Identity | None]  # the instance that its own file calls ready, when it lives
    rest: Callable[[], object] = lambda: None  # neither its manager nor it itself puts the next start off
    publish: Callable[[], object] = lambda: None  # the next release
    others: Callable[[], list[psutil.Process]] = list  # what runs beside its gateway as long as that does

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One of its commands, running."""

        def begin() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [*self.command, *arguments],
                env=self.environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

        return offline(begin)

    def await_ready(self, other_than: Identity | None = None) -> Identity:
        """A ready instance that is not the given one."""
        deadline = time.monotonic() + PATIENCE
        with DirectoryWatch(str(self.state)) as watch:
            while True:
                found = self.is_ready()
                if found is not None and (other_than is None or not found.is_same_as(other_than)):
                    return found
                assert time.monotonic() < deadline, f"{self.command[0]}: no ready gateway"
                watch.wait(_LOOK)


def versions() -> dict[str, str]:
    """What the environments need of the person's, without what names one of the two."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HERMES_", "PYTHON", "XDG_"))}


# --- under a real `systemd --user`


@contextmanager
def on_systemd(folder: Path, code: Path) -> Iterator[tuple[Peer, Peer]]:
    """Hermes-agent and ours, each below a manager of its own, running."""
    with ExitStack() as closing:
        yield _their_unit(closing, installed(folder)), _our_unit(closing, folder, code)


def _manager(closing: ExitStack) -> UserManager:
    manager = UserManager()
    closing.callback(manager.close)
    offline(manager.start)
    return manager


def _their_unit(closing: ExitStack, python: Path) -> Peer:
    manager = _manager(closing)
    home = manager.home / ".hermes"
    home.mkdir()
    (home / ".env").write_text(CLOSED)
    bare = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HERMES_HOME": str(home)}
    environment = {**bare, **manager.variables}
    text = subprocess.run(
        [str(python), "-P", "-c", _UNIT], env=environment, capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    manager.units.mkdir(parents=True, exist_ok=True)
    (manager.units / "hermes-gateway.service").write_text(text)
    manager.load()
    peer = theirs(python, environment, home)
    assert manager.systemctl("start", "hermes-gateway.service").returncode == 0
    peer.await_ready()
    return peer


def _our_unit(closing: ExitStack, folder: Path, code: Path) -> Peer:
    manager = _manager(closing)
    running = Installation(
        folder / "ours on systemd",
        code=None,
        config=CONFIG,
        manager="systemd",
        variables=manager.variables,
        interpreter=interpreter(folder / "python on systemd", code),
    )
    running.install()
    return ours(running)


# --- under the emulated launchd


@contextmanager
def on_launchd(folder: Path, code: Path) -> Iterator[tuple[Peer, Peer]]:
    """Hermes-agent and ours, each on an emulated launchd of its own, running."""
    with ExitStack() as closing:
        agent = agent_on(closing, folder, installed(folder))
        yield their_job(agent), _our_job(closing, folder, interpreter(folder / "python on launchd", code))


@contextmanager
def of_checkouts(
    folder: Path, ours_from: Callable[[Path], tuple[Python, Callable[[], object]]]
) -> Iterator[tuple[Peer, Peer]]:
    """Both on an emulated launchd, from a git checkout with a repository that has the next release."""
    with ExitStack() as closing:
        made = TheirCheckout(installed(folder), folder / "theirs")
        agent = agent_on(closing, folder, made.python, made)
        first = iter([None])  # its origin is one commit ahead from the start
        peer = their_job(agent, publish=lambda: made.advance() if next(first, made) else None)
        python, publish = ours_from(folder)
        yield peer, _our_job(closing, folder, python, publish)


def agent_on(closing: ExitStack, folder: Path, python: Path, checkout: TheirCheckout | None = None) -> Agent:
    """hermes-agent, installed by its own command and running."""
    user = user_folder()
    closing.callback(shutil.rmtree, user, ignore_errors=True)
    agents = user / "Library" / "LaunchAgents"
    agents.mkdir(parents=True)
    if checkout is not None:
        checkout.gitconfig(user)
    launchd = offline(lambda: Launchd(folder / "their launchd", home=user, agents_dir=agents))
    closing.enter_context(launchd)
    agent = Agent(python, launchd, user)
    closing.callback(agent.close)
    agent.install()
    return agent


def their_job(agent: Agent, publish: Callable[[], object] = lambda: None) -> Peer:
    """It, as a peer."""
    return theirs(agent.python, agent.environment(), agent.home, agent.age, publish)


def _our_job(closing: ExitStack, folder: Path, python: Python, publish: Callable[[], object] = lambda: None) -> Peer:
    running = Mac(
        folder / "our Mac",
        lambda **knobs: closing.enter_context(Launchd(folder / "our launchd", **knobs)),
        CONFIG,
        code=None,
        interpreter=python,
        time_scale=1.0,
    )
    running.install()
    return ours(running, lambda: running.launchd.advance(THROTTLE + 1), publish)


# --- either of them


def interpreter(folder: Path, code: Path) -> Python:
    """An environment that finds our code and what it needs."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    made = Python(folder)
    made.look_also_in(code, *site.getsitepackages())
    made.write_script()
    return made


def ours(
    running: Installation, rest: Callable[[], object] = lambda: None, publish: Callable[[], object] = lambda: None
) -> Peer:
    """An installation of ours."""

    def is_ready() -> Identity | None:
        found = own.read_alive(running.paths)
        return found.identity if found is not None and found.ready else None

    def others() -> list[psutil.Process]:
        gateway = is_ready()
        return [one for one in running.processes() if gateway is not None and one.pid != gateway.pid]

    environment = {name: value for name, value in running.environment().items() if not name.startswith("PYTHON")}
    if running.interpreter is None:
        environment["PYTHONPATH"] = str(running.code)
    command = [running.python, "-P", "-m", "hermes_cli"]
    return Peer(command, environment, Path(running.paths.state), is_ready, rest, publish, others)


def theirs(
    python: Path,
    environment: dict[str, str],
    home: Path,
    rest: Callable[[], object] = lambda: None,
    publish: Callable[[], object] = lambda: None,
) -> Peer:
    """A home of hermes-agent."""

    def is_ready() -> Identity | None:
        try:
            found = json.loads((home / "gateway_state.json").read_text())
        except (OSError, ValueError):
            return None
        identity = Identity.of(found["pid"]) if found.get("gateway_state") == "running" else None
        return identity if identity is not None and identity.start_ticks == found["start_time"] else None

    def rested() -> None:
        (home / "gateway-starts.log").unlink(missing_ok=True)  # the sixth start within some minutes waits 10 s and more
        rest()

    return Peer([str(python), "-m", "hermes_cli.main"], environment, home, is_ready, rested, publish)

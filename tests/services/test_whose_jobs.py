"""A job is touched only when it is this home's own, whatever it is called (rule 11)."""

import os
import plistlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.machines.installation import PATIENCE, Installation
from support.machines.mac import Mac
from support.machines.user_manager import UserManager
from support.machines.worlds import World, with_definitions

from hermes_cli.services.launchd import plists
from hermes_cli.system.process import Identity

pytestmark = [pytest.mark.e2e, with_definitions]
DEFAULT = {"HERMES_HOME": ""}  # the platform's own place
REFUSED = (("install",), ("start",), ("stop",), ("uninstall",))


@dataclass(frozen=True)
class Jobs:
    """What a person can do with the manager of a world."""

    hermes: Installation
    folder: Path  # of the definitions
    pid: Callable[[str], int | None]
    define: Callable[[str, list[str], dict[str, str]], Path]  # and start
    name: str  # of the default home's service


@pytest.fixture
def jobs(world: World) -> Jobs:
    if world.name == "launchd":
        return _of_launchd(world.hermes)
    return _of_systemd(world.hermes, world.manager)


def _of_launchd(mac: Mac) -> Jobs:
    def define(label: str, argv: list[str], variables: dict[str, str]) -> Path:
        mac.agents.mkdir(parents=True, exist_ok=True)
        path = mac.agents / f"{label}.plist"
        document = {"Label": label, "ProgramArguments": argv, "EnvironmentVariables": variables, "RunAtLoad": True}
        path.write_bytes(plistlib.dumps(document))
        mac.launchd.launchctl("bootstrap", mac.launchd.domain, str(path), check=True)
        mac.launchd.wait_for("spawn", label)
        return path

    return Jobs(mac, mac.agents, mac.launchd.pid, define, "ai.hermes.gateway")


def _of_systemd(hermes: Installation, manager: UserManager | None) -> Jobs:
    assert manager is not None

    def define(name: str, argv: list[str], variables: dict[str, str]) -> Path:
        manager.units.mkdir(parents=True, exist_ok=True)
        path = manager.units / name
        environment = "".join(f'Environment="{key}={value}"\n' for key, value in variables.items())
        path.write_text(f"[Service]\nExecStart={' '.join(argv)}\n{environment}")
        manager.load()
        assert manager.systemctl("start", name).returncode == 0
        return path

    def pid(name: str) -> int | None:
        return int(manager.show(name, "MainPID") or 0) or None

    return Jobs(hermes, manager.units, pid, define, "hermes-gateway.service")


def agent(tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """What stands in for hermes-agent: its command line, a module of its name, and nothing else of it."""
    package = tmp_path / "agent" / "hermes_cli"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "main.py").write_text("import time\ntime.sleep(3600)\n")
    home = tmp_path / "agent" / ".hermes"
    argv = [sys.executable, "-m", "hermes_cli.main", "gateway", "run", "--replace"]
    return argv, {"HERMES_HOME": str(home), "PYTHONPATH": str(package.parent)}


def stranger(tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """A unit that somebody wrote by hand."""
    return ["/bin/sleep", "3600"], {}


@pytest.mark.parametrize(
    ("whose", "words"),
    [(agent, ("hermes-agent's", "adopt hermes-agent")), (stranger, ("is not hermes's: it runs /bin/sleep 3600",))],
    ids=["hermes-agent", "by-hand"],
)
def test_a_job_of_somebody_else_keeps_its_definition_and_its_process(
    jobs: Jobs, tmp_path: Path, whose, words: tuple[str, ...]
) -> None:
    path = jobs.define(jobs.name, *whose(tmp_path))
    before, pid = path.read_bytes(), jobs.pid(jobs.name)
    assert pid is not None
    identity = Identity.of(pid)
    for command in REFUSED:
        done = jobs.hermes.run("gateway", *command, **DEFAULT)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), (command, done.stderr)
        assert all(word in done.stderr for word in (jobs.name, *words)), done.stderr
    assert path.read_bytes() == before
    assert jobs.pid(jobs.name) == pid
    assert identity is not None
    assert identity.is_alive()
    assert [one.name for one in jobs.folder.iterdir() if one.is_file()] == [path.name]
    status = jobs.hermes.run("gateway", "status", **DEFAULT)
    assert "gateway    not running" in status.stdout
    assert "problem" in status.stdout
    restart = jobs.hermes.run("gateway", "restart", **DEFAULT)
    assert restart.returncode == 1
    assert jobs.pid(jobs.name) == pid


def test_a_job_that_is_loaded_and_has_no_definition_any_more_is_asked_whose_it_is(jobs: Jobs, tmp_path: Path) -> None:
    path = jobs.define(jobs.name, *agent(tmp_path))
    pid = jobs.pid(jobs.name)
    path.unlink()
    for command in REFUSED:
        done = jobs.hermes.run("gateway", *command, **DEFAULT)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), (command, done.stderr)
        assert "hermes-agent's" in done.stderr
    assert jobs.pid(jobs.name) == pid
    assert not path.exists()


def test_the_default_home_of_another_user_directory_is_another_home(jobs: Jobs, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    installed = jobs.hermes.run("gateway", "install", **DEFAULT)
    assert installed.returncode == 0, installed.stderr
    pid = jobs.pid(jobs.name)
    files = {one.name: one.read_bytes() for one in jobs.folder.iterdir() if one.is_file()}
    for command in REFUSED:
        done = jobs.hermes.run("gateway", *command, **DEFAULT, HOME=str(other))
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), (command, done.stderr)
        assert f"{jobs.hermes.variables['HOME']}/.local/state/hermes" in done.stderr
    assert jobs.pid(jobs.name) == pid
    assert {one.name: one.read_bytes() for one in jobs.folder.iterdir() if one.is_file()} == files
    stopped = jobs.hermes.run("gateway", "uninstall", **DEFAULT)
    assert (stopped.returncode, stopped.stdout) == (0, "uninstalled\n")
    assert jobs.pid(jobs.name) is None


def test_two_homes_have_jobs_of_their_own(jobs: Jobs, tmp_path: Path) -> None:
    hermes = jobs.hermes
    first = hermes.install()
    second = tmp_path / "second"
    done = hermes.run("gateway", "install", HERMES_HOME=str(second))
    assert done.returncode == 0, done.stderr
    for command in ("restart", "stop", "start", "uninstall"):
        done = hermes.run("gateway", command, HERMES_HOME=str(second))
        assert done.returncode == 0, (command, done.stderr)
    assert hermes.ready().identity.is_same_as(first.identity)
    assert hermes.status()["problems"] == []
    suffix = hermes.suffix
    assert suffix in hermes.status()["service"]["label"]
    assert {suffix in one.name for one in jobs.folder.iterdir() if one.is_file()} == {True}


def test_a_home_that_was_moved_keeps_its_jobs_and_a_copy_of_it_has_none(
    jobs: Jobs, world: World, tmp_path: Path
) -> None:

    hermes = jobs.hermes
    first = hermes.install()
    copy = tmp_path / "copy"
    shutil.copytree(hermes.home, copy, ignore=lambda _, names: [name for name in names if name.endswith("sock")])
    done = hermes.run("gateway", "stop", HERMES_HOME=str(copy))
    assert hermes.ready().identity.is_same_as(first.identity), done.stdout + done.stderr
    label = hermes.status()["service"]["label"]
    assert hermes.run("gateway", "stop").returncode == 0
    moved = tmp_path / "moved"
    os.rename(hermes.home, moved)
    done = hermes.run("gateway", "install", HERMES_HOME=str(moved))
    assert done.returncode == 0, done.stderr
    assert "running" in hermes.run("gateway", "status", HERMES_HOME=str(moved)).stdout
    assert label in hermes.run("gateway", "status", HERMES_HOME=str(moved)).stdout
    assert not hermes.home.exists()
    assert hermes.run("gateway", "uninstall", HERMES_HOME=str(moved)).returncode == 0


@pytest.mark.timeout(int(PATIENCE * 3))
def test_a_profile_that_is_called_like_another_ones_job_is_refused(jobs: Jobs) -> None:
    """`work.restarter` of launchd; systemd's is `work-restarter`, which is refused by its name alone."""
    hermes = jobs.hermes
    name = "work.restarter" if isinstance(hermes, Mac) else "work-restarter"
    assert hermes.run("-p", "work", "gateway", "install").returncode == 0
    done = hermes.run("-p", name, "gateway", "install")
    assert done.returncode in {1, 2}
    assert done.stderr.count("\n") == 1
    assert hermes.run("-p", "work", "gateway", "restart").returncode == 0
    assert plists.label("") not in done.stdout

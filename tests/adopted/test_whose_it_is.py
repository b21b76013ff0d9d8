"""Adopting binds: this service, with this home, by this profile of this home of ours. What is not meant is refused, unchanged."""

import json
import os
import plistlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from launchd_emulator.emulator import Launchd
from support.machines.installation import PATIENCE, REPOSITORY
from support.machines.interpreter import Interpreter

from hermes_cli.paths import resolve
from hermes_cli.programs.adoption import Adoption
from hermes_cli.services.adopted.systemd import AdoptedSystemd

pytestmark = [pytest.mark.timeout(120)]
HOOK = "hooks/hermesctl/handler.py"


class Mac:
    """A Mac on which two services say that they are hermes-agent's; neither of them is loaded."""

    def __init__(self, folder: Path, make_launchd: Callable[..., Launchd]) -> None:
        self.user = folder / "user"
        self.agents = self.user / "Library" / "LaunchAgents"
        self.agents.mkdir(parents=True)
        self.launchd = make_launchd(home=self.user, agents_dir=self.agents)
        self.python = Interpreter(folder / "hermesctl", REPOSITORY).python
        self.home = self.define("ai.hermes.gateway", self.user / ".hermes")

    def define(self, label: str, home: Path) -> Path:
        """Write the definition of a service with that home; return the home."""
        home.mkdir(parents=True, exist_ok=True)
        argv = ["/usr/bin/python3", "-m", "hermes_cli.main", "gateway", "run", "--replace"]
        variables = {"HERMES_HOME": str(home)}
        job = {"Label": label, "ProgramArguments": argv, "EnvironmentVariables": variables}
        (self.agents / f"{label}.plist").write_bytes(plistlib.dumps(job))
        return home

    def ours(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`hermesctl gateway ARGUMENTS`."""
        kept = {"HOME": str(self.user), "LC_ALL": "C.UTF-8", "PATH": f"{self.launchd.bin}:/usr/bin:/bin"}
        return subprocess.run(
            [str(self.python), "-m", "hermes_cli", "gateway", *arguments],
            env={**kept, "HERMES_SERVICE_MANAGER": "launchd", **variables},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def adopt(self, *arguments: str, **variables: str) -> str:
        """`hermesctl gateway adopt hermes-agent`; what it prints."""
        done = self.ours("adopt", "hermes-agent", *arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def assert_refused(self, *arguments: str, said: str, **variables: str) -> None:
        """It exits with code 2, says that, and leaves every file as it was."""
        before = self.files()
        done = self.ours("adopt", "hermes-agent", *arguments, **variables)
        assert (done.returncode, said in done.stderr) == (2, True), done.stdout + done.stderr
        assert self.files() == before

    def files(self) -> dict[Path, bytes]:
        """Every file of that account but what a resident writes."""
        looked = {"seen.json", "resident.lock", "restarter.log"}
        found = [path for path in self.user.rglob("*") if path.is_file() and path.name not in looked]
        return {path: path.read_bytes() for path in found}


@pytest.fixture
def mac(tmp_path: Path, make_launchd: Callable[..., Launchd]) -> Mac:
    return Mac(tmp_path, make_launchd)


def test_a_home_is_the_one_that_the_service_runs_with(mac: Mac) -> None:
    other = mac.user / "elsewhere"
    other.mkdir()
    for home in other, Path("/nonexistent"):
        mac.assert_refused("--home", str(home), said=f"runs with the home {mac.home}, not {home}")
    custom = mac.define("ai.hermes.gateway", mac.user / "data")
    mac.adopt()
    assert (custom / HOOK).exists()
    assert not (mac.home / HOOK).exists()


def test_a_home_that_is_not_there_is_not_made(mac: Mac) -> None:
    mac.home.rmdir()
    mac.assert_refused(said=f"home {mac.home} is not there")


def test_a_profile_keeps_one_service_alive_and_a_service_is_kept_by_one_profile(mac: Mac) -> None:
    work = mac.define("ai.hermes.gateway-work", mac.home / "profiles" / "work")
    assert "wrote" in mac.adopt()
    assert "wrote" not in mac.adopt()  # nothing was
    mac.assert_refused("--home", str(work), said="use --as hermes-agent-work for ai.hermes.gateway-work")
    mac.assert_refused("--as", "second", said="is kept alive as profile hermes-agent")
    mac.adopt("--home", str(work), "--as", "hermes-agent-work")
    assert mac.ours("-p", "hermes-agent-work", "release").returncode == 0
    assert (mac.home / HOOK).exists()


def test_the_restarter_of_another_home_of_ours_is_left_as_it_is(mac: Mac) -> None:
    mac.adopt()
    ours = mac.user / "another home"
    (ours / "state").mkdir(parents=True)
    mac.assert_refused(said="is of another home", HERMES_HOME=str(ours))
    # As an earlier release, which did not look, has left it.
    plist = mac.agents / "dev.hermesctl.hermes-agent.plist"
    plist.write_text(plist.read_text().replace(f"{mac.user}/.local/state/hermes", f"{ours}/state"))
    (ours / "state" / "profiles" / "hermes-agent").mkdir(parents=True)
    before = plist.read_bytes()
    done = mac.ours("release")
    assert "is of another home" in done.stdout, done.stderr
    assert plist.read_bytes() == before


def test_a_hook_that_is_no_longer_wanted_is_taken_away(mac: Mac) -> None:
    mac.adopt()
    mac.adopt("--no-hook")
    assert not (mac.home / HOOK).parent.exists()


def test_what_is_released_is_forgotten_with_the_restarts_that_it_owed(mac: Mac) -> None:
    mac.adopt()
    (state,) = mac.user.rglob("adopted.json")
    queue = state.parent / "restart-intents"
    assert mac.ours("release").returncode == 0
    assert not state.parent.exists()  # so that no list shows it
    mac.adopt()
    mac.launchd.launchctl("bootout", f"{mac.launchd.domain}/dev.hermesctl.hermes-agent", check=True)
    record = {"schema": 1, "id": "20261127T080000.000000Z-1-abcd", "action": "restart", "profile": "hermes-agent"}
    (queue / "pending").mkdir(parents=True, exist_ok=True)
    path = queue / "pending" / f"{record['id']}.json"
    path.write_text(json.dumps(record))
    path.chmod(0o600)
    done = mac.ours("release")
    assert "cancelled intent" in done.stdout, done.stdout + done.stderr
    assert not state.parent.exists()  # with what became of that restart
    assert "hermes-agent" not in mac.ours("list").stdout.splitlines()[1]


def test_a_unit_of_another_home_is_told_from_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    found = []
    for home in "one", "other":
        monkeypatch.setenv("HERMES_HOME", str(tmp_path / home))
        paths = resolve("agent")
        os.makedirs(paths.state)
        found.append(AdoptedSystemd(paths, Adoption("p", "systemd", "p.service", "/", "/p.service")))
    one, other = found
    (unit,) = one.definitions()
    Path(unit.path).parent.mkdir(parents=True)
    assert one.stranger() is None
    Path(unit.path).write_text(unit.text)
    assert one.stranger() is None
    assert "is of another home" in (other.stranger() or "")
    os.rmdir(tmp_path / "one" / "state" / "profiles" / "agent")
    assert other.stranger() is None

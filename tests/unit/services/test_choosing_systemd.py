"""Which manager `auto` means, which of systemd's managers, and who must linger."""

import os
from pathlib import Path

import pytest

from hermes_cli.cli.line import run
from hermes_cli.errors import HermesError, UsageError
from hermes_cli.paths import Paths
from hermes_cli.services import registered
from hermes_cli.services.systemd import linger, systemctl
from hermes_cli.services.systemd.manager import Systemd


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths("default", f"{tmp_path}/state", str(tmp_path), f"{tmp_path}/logs")


@pytest.fixture
def managers(monkeypatch: pytest.MonkeyPatch):
    def there(*, user: bool, system: bool, root: bool = True) -> None:
        monkeypatch.setattr(os, "getuid", lambda: 0 if root else 1000)
        monkeypatch.setattr(systemctl, "has_user_manager", lambda: user)
        monkeypatch.setattr(systemctl, "has_system_manager", lambda: system)

    return there


@pytest.mark.parametrize(
    ("user", "system", "domain"),
    [(True, True, "user@0"), (True, False, "user@0"), (False, True, "system"), (False, False, "user@0")],
)
def test_root_has_its_own_manager_first_and_else_the_systems(paths, managers, user, system, domain) -> None:
    managers(user=user, system=system)
    assert Systemd(paths)._systemctl.domain == domain


def test_where_it_was_installed_it_stays(paths, managers) -> None:
    managers(user=True, system=True)
    registered.write(paths, "systemd", scope="system", directory="/etc/systemd/system")
    assert Systemd(paths)._systemctl.domain == "system"
    assert Systemd(paths, system=False)._systemctl.domain == "user@0"


def test_what_another_manager_remembers_says_nothing_of_systemd(paths, managers) -> None:
    managers(user=False, system=True)
    registered.write(paths, "launchd", scope="user")
    assert Systemd(paths)._systemctl.domain == "system"


def test_the_systems_manager_is_roots(paths, managers) -> None:
    managers(user=True, system=True, root=False)
    with pytest.raises(UsageError, match="only root"):
        Systemd(paths, system=True)


def test_the_definitions_of_root_lie_in_etc_and_call_the_systems_manager(paths, managers) -> None:
    managers(user=False, system=True)
    service, restarter, watch = Systemd(paths, system=True).definitions()
    assert {os.path.dirname(one.path) for one in (service, restarter, watch)} == {"/etc/systemd/system"}
    assert '"--system" "--no-block" "start" "hermes-gateway.service"' in restarter.text
    assert "WantedBy=multi-user.target" in watch.text


def test_a_shell_without_its_runtime_directory_finds_its_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert systemctl.Systemctl(system=False)._variables == {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}"}


@pytest.mark.parametrize(
    ("session", "lingers", "ends"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_the_gateway_ends_at_logout_unless_its_user_lingers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: bool, lingers: bool, ends: bool
) -> None:
    for name, there, file in (("_SESSIONS", session, str(os.getuid())), ("_LINGERING", lingers, systemctl.user_name())):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(linger, name, str(tmp_path / name))
        if there:
            (tmp_path / name / file).touch()
    assert linger.ends_at_logout() is ends


def test_what_was_installed_where_systemd_ran_is_removed_where_it_does_not(
    paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemctl, "is_booted", lambda: False)
    units = tmp_path / "units"
    (units / "default.target.wants").mkdir(parents=True)
    unit = units / "hermes-gateway.service"
    unit.touch()
    (units / "default.target.wants" / unit.name).symlink_to(unit)
    registered.write(paths, "systemd", scope="user", directory=str(units))
    Systemd(paths).uninstall()
    assert [one.name for one in units.rglob("*")] == ["default.target.wants"]
    assert registered.read(paths) == {}


@pytest.fixture
def loginctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def answers(line: str) -> Path:
        program = tmp_path / "bin" / "loginctl"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n{line}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        return tmp_path / "asked"

    return answers


def test_lingering_is_asked_for_the_user_alone(loginctl) -> None:
    asked = loginctl("exit 0")
    linger.enable()
    assert asked.read_text() == f"enable-linger {systemctl.user_name()}\n"


def test_refused_lingering_is_said_in_one_line_with_the_mend(loginctl) -> None:
    loginctl("echo 'Could not enable linger: Access denied' >&2; exit 1")
    with pytest.raises(HermesError) as refused:
        linger.enable()
    assert str(refused.value) == (
        "lingering could not be enabled (Could not enable linger: Access denied): "
        f"as root: loginctl enable-linger {systemctl.user_name()}"
    )


@pytest.mark.parametrize("option", ["--system", "--linger"])
def test_what_only_systemd_has_is_refused_of_another_manager(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    assert run(["gateway", "install", "--manager", "embedded", option]) == 2
    assert "are of systemd, and the service manager is embedded" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

"""What `install` writes, as systemd itself reads it; and everything that `install` mends."""

import os
import subprocess
from collections.abc import Callable

import pytest
from support.machines.installation import Installation
from support.machines.user_manager import UserManager

pytestmark = pytest.mark.e2e


def test_systemd_analyze_finds_nothing_to_say(hermes: Installation, user_manager: UserManager) -> None:
    hermes.install()
    done = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", *(str(user_manager.units / name) for name in hermes.units)],
        env={**os.environ, **user_manager.variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_unit_with_an_unknown_key_would_have_been_found(hermes: Installation, user_manager: UserManager) -> None:
    hermes.install()
    wrong = user_manager.root / "wrong.service"
    wrong.write_text((user_manager.units / hermes.units.service).read_text().replace("OOMPolicy", "OOMPolitics"))
    done = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", str(wrong)],
        env={**os.environ, **user_manager.variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "OOMPolitics" in done.stderr


def test_the_jobs_environment_and_output_are_what_was_meant(hermes: Installation, user_manager: UserManager) -> None:
    hermes.install()
    assert hermes.chat("!printf '%s' \"$HERMES_HOME\"").startswith(str(hermes.home))
    assert os.stat(hermes.paths.gateway_log).st_size > 0
    assert os.stat(hermes.paths.gateway_log).st_mode & 0o777 == 0o600
    assert user_manager.show(hermes.units.service, "KillMode") == "mixed"


def test_systemctl_start_returns_when_the_gateway_is_ready(hermes: Installation, user_manager: UserManager) -> None:
    hermes.install()
    user_manager.systemctl("stop", hermes.units.service)
    assert user_manager.systemctl("start", hermes.units.service).returncode == 0
    assert hermes.run("gateway", "status").stdout.startswith("gateway    ready, pid ")


def test_a_masked_service_is_shown_and_install_mends_it(hermes: Installation, user_manager: UserManager) -> None:
    hermes.install()
    hermes.run("gateway", "stop")
    user_manager.mask(hermes.units.service)
    done = hermes.run("gateway", "start")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "hermes gateway install" in done.stderr
    assert "service-disabled" in [one["code"] for one in hermes.status()["problems"]]
    assert hermes.run("gateway", "install").returncode == 0
    assert hermes.status()["problems"] == []


def test_a_service_that_would_not_start_at_login_is_shown_and_start_mends_it(
    hermes: Installation, user_manager: UserManager
) -> None:
    hermes.install()
    user_manager.systemctl("disable", hermes.units.service)
    assert [one["code"] for one in hermes.status()["problems"]] == ["service-disabled"]
    assert hermes.run("gateway", "start").returncode == 0
    assert hermes.status()["problems"] == []


def test_a_removed_definition_is_shown_as_not_installed_parts_and_install_mends_it(
    hermes: Installation, user_manager: UserManager
) -> None:
    hermes.install()
    (user_manager.units / hermes.units.restarter).unlink()
    user_manager.load()
    assert "restarter-missing" in [one["code"] for one in hermes.status()["problems"]]
    assert hermes.run("gateway", "install").returncode == 0
    assert hermes.status()["problems"] == []


def test_a_unit_that_was_changed_and_not_loaded_is_shown_and_install_mends_it(
    hermes: Installation, user_manager: UserManager
) -> None:
    hermes.install()
    path = user_manager.units / hermes.units.path
    os.utime(path, ns=(0, os.stat(path).st_mtime_ns + 10**9))
    assert [one["code"] for one in hermes.status()["problems"]] == ["definition-stale"]
    assert hermes.run("gateway", "install").returncode == 0
    assert hermes.status()["problems"] == []


def test_a_changed_definition_is_taken_up_by_a_restart_after_a_drain(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    path = user_manager.units / hermes.units.service
    path.write_text(path.read_text().replace("OOMPolicy=continue", "OOMPolicy=stop"))
    user_manager.load()
    done = hermes.run("gateway", "install")
    after = hermes.ready(other_than=before)
    assert f"restarted: pid {after.identity.pid}" in done.stdout
    assert user_manager.show(hermes.units.service, "OOMPolicy") == "continue"


def test_a_watch_that_cannot_be_started_is_said_and_keeps_nobody_from_installing_and_restarting(
    hermes: Installation, user_manager: UserManager
) -> None:
    user_manager.change(
        hermes.units.path, "[Unit]", "AssertPathExists=/nonexistent"
    )  # as where inotify has no instance left
    done = hermes.run("gateway", "install")
    assert (done.returncode, done.stdout.count("ready, pid ")) == (0, 1), done.stderr
    assert done.stderr.startswith(f"problem: {hermes.units.path} watches nothing (")
    before = hermes.ready()
    hermes.chat("!hermes gateway restart")
    hermes.ready(other_than=before)
    assert [one.outcome for one in hermes.settled()] == ["restarted"]


def test_without_a_manager_install_says_so_in_one_line(make_installation: Callable[..., Installation]) -> None:
    hermes = make_installation(manager="systemd", variables={"XDG_RUNTIME_DIR": "/nonexistent"})
    done = hermes.run("gateway", "install")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "--manager embedded" in done.stderr
    assert hermes.run("gateway", "status").returncode == 5


def test_where_no_manager_answers_the_embedded_one_is_chosen(make_installation: Callable[..., Installation]) -> None:
    hermes = make_installation(manager="auto", variables={"XDG_RUNTIME_DIR": "/nonexistent"})
    assert hermes.status()["manager"] == "embedded"


def test_where_a_user_manager_answers_systemd_is_chosen(
    user_manager: UserManager, make_installation: Callable[..., Installation]
) -> None:
    hermes = make_installation(manager="auto", variables=user_manager.variables)
    assert hermes.status()["manager"] == "systemd"

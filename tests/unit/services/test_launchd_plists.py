"""The two plists, as launchd would read them back."""

import plistlib
import sys

import pytest

from hermes_cli.config import GatewayConfig, LogConfig
from hermes_cli.paths import Paths
from hermes_cli.services.job import names
from hermes_cli.services.job.definition import Definition, keeping_path
from hermes_cli.services.launchd import plists


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HERMES_HOME", f"{tmp_path}/höme 'of' <hermes> & \"co\"")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "launchctl").write_text("")
    (programs / "launchctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    home = f"{tmp_path}/höme 'of' <hermes> & \"co\""
    return Paths("default", f"{home}/state", home, f"{home}/logs")


def service(paths, config=None):
    return plistlib.loads(plists.service(paths, config or GatewayConfig(), LogConfig()).text.encode())


def restarter(paths):
    return plistlib.loads(plists.restarter(paths, "gui/501").text.encode())


def test_the_service_is_kept_alive_by_an_absolute_program(paths):
    found = service(paths)
    assert found["Label"] == "ai.hermes.gateway"
    assert found["KeepAlive"] is True
    assert found["RunAtLoad"] is True
    assert found["ProgramArguments"][:2] == ["/bin/sh", "-c"]
    assert found["ProgramArguments"][3:] == [
        paths.gateway_log,
        sys.executable,
        *("-P", "-m", "hermes_cli", "-p", "default", "gateway", "run"),
    ]


def test_its_clocks_follow_from_the_drain_clocks(paths):
    config = GatewayConfig(stop_timeout=7.0, teardown_timeout=9.0)
    found = service(paths, config)
    assert found["ExitTimeOut"] >= config.stop_clocks.exit_backstop
    assert found["ExitTimeOut"] - config.stop_clocks.supervisor_kill < 1
    assert found["ThrottleInterval"] == 5


def test_a_throttle_of_nothing_would_be_a_busy_loop(paths):
    assert service(paths, GatewayConfig(teardown_timeout=0.0))["ThrottleInterval"] == 1


def test_the_restarter_is_started_by_the_queue_and_never_kept_alive(paths):
    found = restarter(paths)
    assert found["Label"] == "ai.hermes.gateway.restarter"
    assert found["WatchPaths"] == found["QueueDirectories"] == [paths.pending]
    assert found["RunAtLoad"] is True
    assert found["StartInterval"] > 0
    assert "KeepAlive" not in found


def test_the_restarters_program_is_a_script_with_a_name_that_a_person_recognises(paths):
    argv = restarter(paths)["ProgramArguments"]
    assert argv[0] == f"{paths.state}/restarter/hermes-restarter"
    assert argv[1:4] == [sys.executable, "default", paths.state]
    assert argv[4].endswith("/launchctl")
    assert argv[5:] == ["kickstart", "gui/501/ai.hermes.gateway"]


@pytest.mark.parametrize("read", [service, restarter])
def test_both_run_in_a_login_session_and_over_ssh(paths, read):
    assert read(paths)["LimitLoadToSessionType"] == ["Aqua", "Background"]


@pytest.mark.parametrize("read", [service, restarter])
def test_the_environment_is_what_is_needed_and_nothing_of_the_shell(paths, read, monkeypatch, tmp_path):
    monkeypatch.setenv("API_TOKEN", "secret")
    found = read(paths)["EnvironmentVariables"]
    own = {"HERMES_GATEWAY_STATE", "HERMES_HOME", "HERMES_SERVICE_MANAGER", "PATH"}
    assert set(found) - {"HERMES_RESTARTER_LOG"} == own
    assert found["HERMES_GATEWAY_STATE"] == paths.state
    assert found["HERMES_SERVICE_MANAGER"] == "launchd"
    assert str(tmp_path / "programs") in found["PATH"].split(":")


@pytest.mark.parametrize("read", [service, restarter])
def test_programs_are_absolute(paths, read):
    assert read(paths)["ProgramArguments"][0].startswith("/")


@pytest.mark.parametrize("read", [service, restarter])
def test_no_job_needs_a_directory_of_logs_to_start(paths, read):
    """launchd ends a job whose log it cannot open, and makes no directory."""
    assert not {"StandardOutPath", "StandardErrorPath"} & set(read(paths))
    assert restarter(paths)["EnvironmentVariables"]["HERMES_RESTARTER_LOG"] == paths.restarter_log


def test_a_profile_has_labels_of_its_own(paths):
    named = Paths("work", paths.root, "/c", "/l")
    label = plists.label(names.suffix(named))
    assert label == plistlib.loads(plists.service(named, GatewayConfig(), LogConfig()).text.encode())["Label"]
    assert label == "ai.hermes.gateway-work"
    assert plists.restarter_label(label) == "ai.hermes.gateway-work.restarter"


def test_the_path_of_another_shell_is_no_drift(paths):
    before = plists.service(paths, GatewayConfig(), LogConfig())
    after = Definition(before.path, before.text.replace("/usr/sbin", "/opt/other/sbin"))
    assert after != before
    assert keeping_path(after, before.text, plists.without_path) == before


@pytest.mark.parametrize("text", ["", "no plist", "<plist", "{}", "\ud800"])
def test_what_is_no_plist_is_replaced(paths, text):
    wanted = plists.service(paths, GatewayConfig(), LogConfig())
    assert keeping_path(wanted, text, plists.without_path) == wanted
    assert keeping_path(wanted, None, plists.without_path) == wanted


def test_any_other_difference_is_drift(paths):
    wanted = plists.service(paths, GatewayConfig(), LogConfig())
    other = plists.service(paths, GatewayConfig(teardown_timeout=99.0), LogConfig())
    assert keeping_path(wanted, other.text, plists.without_path) == wanted


def test_what_a_user_added_stays_and_what_a_release_wrote_does_not(paths):
    wanted = plists.service(paths, GatewayConfig(), LogConfig()).text
    edited = plistlib.loads(wanted.encode())
    edited |= {"Nice": 5, "SoftResourceLimits": {"NumberOfFiles": 4096}, "StandardOutPath": "/l/old", "Disabled": True}
    edited |= {"KeepAlive": {"SuccessfulExit": False}}
    edited["EnvironmentVariables"] |= {"MINE": "1", "HERMES_OLD": "1", "HERMES_SERVICE_MANAGER": "other"}
    kept = plistlib.loads(plists.keeping(wanted, plistlib.dumps(edited).decode()).encode())
    expected = plistlib.loads(wanted.encode())
    expected |= {"Nice": 5, "SoftResourceLimits": {"NumberOfFiles": 4096}}
    expected["EnvironmentVariables"]["MINE"] = "1"
    assert kept == expected
    assert plists.keeping(wanted, "no plist") == wanted


@pytest.mark.parametrize("place", ["/Volumes/Disk/hermes/logs", "/Users/u/Documents/h/logs", "/Users/u/Desktop"])
def test_what_launchd_may_not_open_is_out_of_reach(place):
    assert plists.is_out_of_reach(place, "/Users/u")


@pytest.mark.parametrize("place", ["/Users/u/.hermes/logs", "/Users/u/Documents2/logs", "/Users/v/Documents/logs"])
def test_what_it_may_open_is_not(place):
    assert not plists.is_out_of_reach(place, "/Users/u")

"""The texts of the units, read back by a small reader of systemd.syntax(7); systemd itself reads them in tests/e2e."""

import re

import pytest

from hermes_cli.config import GatewayConfig, LogConfig
from hermes_cli.errors import HermesError, UsageError
from hermes_cli.paths import Paths
from hermes_cli.services.job.definition import keeping_path
from hermes_cli.services.systemd import units
from hermes_cli.services.systemd.units import UnitDirectory

USER, SYSTEM = UnitDirectory("/units"), UnitDirectory("/etc/systemd/system", root=True)


def paths(profile: str = "default", home: str = "/home/u") -> Paths:
    return Paths(profile, f"{home}/state", home, f"{home}/logs")


def lines(definition) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in definition.text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def words(command: str) -> list[str]:
    """A command line as systemd takes it apart."""
    assert command.startswith(':"')
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', command)
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in found]


def service(**more):
    return units.service(paths(**more), GatewayConfig(), LogConfig(), USER)


def test_the_service_is_restarted_after_75_and_not_after_78() -> None:
    found = lines(service())
    assert (found["Restart"], found["RestartForceExitStatus"], found["SuccessExitStatus"]) == (
        ["always"],
        ["75"],
        ["75"],
    )
    assert found["RestartPreventExitStatus"] == ["78"]


def test_systemd_kills_after_every_clock_of_the_gateways_own() -> None:
    gateway = GatewayConfig(stop_timeout=20.5, teardown_timeout=7)
    found = lines(units.service(paths(), gateway, LogConfig(), USER))
    assert float(found["TimeoutStopSec"][0]) >= gateway.stop_clocks.supervisor_kill > gateway.stop_clocks.exit_backstop
    assert float(found["TimeoutStartSec"][0]) > gateway.start_timeout


def test_what_the_watch_starts_has_no_limit_and_a_pause() -> None:
    restarter = lines(units.restarter(paths(), USER, ["/bin/systemctl"]))
    assert (restarter["Type"], restarter["StartLimitIntervalSec"]) == (["oneshot"], ["0"])
    assert (restarter["Restart"], restarter["RestartSec"]) == (["on-failure"], ["1"])
    watch = lines(units.watch(paths(), USER))
    assert watch["DirectoryNotEmpty"] == ["/home/u/state/restart-intents/pending"]
    assert watch["Unit"] == ["hermes-gateway-restarter.service"]


@pytest.mark.parametrize("home", ["/h o/m", "/100%i", "/$HOME", "/a'b", '/a"b', "/a\\b", "/höme", "/a;b", "/%%"])
def test_any_path_comes_out_as_it_went_in(home: str) -> None:
    restarter = units.restarter(paths(home=home), USER, ["/bin/systemctl", "--user"])
    argv = words(lines(restarter)["ExecStart"][0])
    assert f"{home}/state/restarter/hermes-restarter" in argv
    assert argv[-3:] == [f"{home}/state", "/bin/systemctl", "--user"]
    assert lines(units.watch(paths(home=home), USER))["DirectoryNotEmpty"] == [
        f"{home}/state/restart-intents/pending".replace("%", "%%")
    ]


def test_no_unit_needs_a_directory_of_logs_to_start() -> None:
    """systemd ends a unit whose log it cannot open (209/STDOUT), and makes no directory."""
    gateway, restarter = lines(service()), lines(units.restarter(paths(), USER, ["/bin/systemctl"]))
    assert not {"StandardOutput", "StandardError"} & (set(gateway) | set(restarter))
    assert words(gateway["ExecStart"][0])[3] == paths().gateway_log
    assert f'"HERMES_RESTARTER_LOG={paths().restarter_log}"' in restarter["Environment"]


def test_a_program_whose_path_systemd_refuses_is_started_by_a_shell() -> None:
    assert units.command(["/a'b", "c"]) == ':"/bin/sh" "-c" "exec \\"$0\\" \\"$@\\"" "/a\'b" "c"'
    assert units.command(["/a b", "c"]) == ':"/a b" "c"'


@pytest.mark.parametrize("home", ["/a\nExecStart=/bin/evil", "/a\x00", "/a\x7f", "/\udcff"])
def test_what_cannot_be_said_is_refused_in_one_line(home: str) -> None:
    for build in (lambda: service(home=home), lambda: units.watch(paths(home=home), USER)):
        with pytest.raises(HermesError) as refused:
            build()
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("profile", ["restarter", "work-restarter"])
def test_a_profile_whose_unit_would_be_anothers_restarter_is_refused(profile: str) -> None:
    with pytest.raises(UsageError, match="another profile's restarter"):
        units.Names(paths(profile))


def test_profiles_have_units_of_their_own() -> None:
    assert list(units.Names(paths("work"))) == [
        "hermes-gateway-work.service",
        "hermes-gateway-work-restarter.service",
        "hermes-gateway-work-restarter.path",
    ]


def test_the_users_units_belong_to_the_login_and_roots_to_the_boot() -> None:
    user, system = lines(service()), lines(units.service(paths(), GatewayConfig(), LogConfig(), SYSTEM))
    assert (user["WantedBy"], user.get("User")) == (["default.target"], None)
    assert (system["WantedBy"], system["User"]) == (["multi-user.target"], ["root"])
    assert (
        units.service(paths(), GatewayConfig(), LogConfig(), SYSTEM).path
        == "/etc/systemd/system/hermes-gateway.service"
    )


def test_the_path_of_another_shell_is_no_drift_and_anything_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = service()
    there = re.sub(r'"PATH=[^"]*"', '"PATH=/elsewhere"', wanted.text)
    assert keeping_path(wanted, there, units.without_path).text == there != wanted.text
    drifted = wanted.text.replace("RestartSec=1", "RestartSec=60")
    assert keeping_path(wanted, drifted, units.without_path) is wanted
    assert keeping_path(wanted, None, units.without_path) is wanted


def test_what_a_user_added_stays_and_what_a_release_wrote_does_not() -> None:
    wanted = service().text
    edited = wanted.replace("RestartSec=1\n", "RestartSec=60\n# mine\nMemoryMax=1G\nStandardOutput=append:/old\n")
    edited = edited.replace("[Unit]\n", '[Unit]\nAfter=\\\n  network.target\nEnvironment="HERMES_OLD=1"\n')
    edited = (
        edited.replace("KillMode", 'Environment="MINE=a b"\nEnvironment="PATH=/x"\nKillMode') + "Alias=chat.service\n"
    )
    kept = units.keeping(wanted, edited)
    added = [line for line in kept.splitlines() if line not in wanted.splitlines()]
    assert added == ["After=   network.target", "MemoryMax=1G", 'Environment="MINE=a b"', "Alias=chat.service"]
    assert [line for line in kept.splitlines() if line not in added] == wanted.splitlines()
    assert units.keeping(wanted, kept) == kept
    assert units.keeping(wanted, wanted) == wanted

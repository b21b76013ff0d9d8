"""Whose a job is, by what it says of itself; and what a profile's jobs are called."""

import os
from pathlib import Path

import pytest

from hermes_cli.config import GatewayConfig, LogConfig
from hermes_cli.paths import Paths, resolve
from hermes_cli.services.job import names, owner
from hermes_cli.services.job.owner import Said
from hermes_cli.services.launchd import plists
from hermes_cli.services.launchd.manager import Launchd
from hermes_cli.services.registered import Registration
from hermes_cli.services.systemd import shown, units
from hermes_cli.services.systemd.manager import Systemd
from hermes_cli.system import durable

GATEWAY = ("/v/bin/python", "-P", "-m", "hermes_cli", "-p", "default", "gateway", "run")
AGENT = ("/a/python", "-m", "hermes_cli.main", "gateway", "run", "--replace", "--external-supervisor")
WRAPPED = ("/a/python", "-m", "hermes_cli.stderr_timestamp", "--", *AGENT)
SCRIPT = ("/a/bin/hermes", "gateway", "run")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    (place / "state" / "profiles" / "work").mkdir(parents=True)
    return place


def at(home: Path | str, profile: str = "default") -> Paths:
    return Paths(profile, f"{home}/state", str(home), f"{home}/logs", str(home))


def of_the_platform(home: Path) -> Paths:
    return Paths("default", f"{home}/state", str(home), f"{home}/logs")


def restarter(state: str) -> tuple[str, ...]:
    return (f"{state}/restarter/hermes-restarter", "/v/bin/python", "default", state, "/bin/systemctl", "start")


def whose(said: Said, paths: Paths, *, is_installed: bool = False) -> str | None:
    found = owner.stranger("NAME", said, paths, is_installed=is_installed)
    return None if found is None else found.text


@pytest.mark.parametrize("argv", [GATEWAY, ("/bin/nice", *GATEWAY), restarter("/somewhere/else")])
def test_a_definition_says_which_state_directory_it_serves(home: Path, argv: tuple[str, ...]) -> None:
    ours = at(home)
    assert whose(Said(argv, {owner.MARK: ours.state}), ours) is None
    assert whose(Said(argv, {owner.MARK: f"{home}/./state"}), ours) is None
    assert "of another home, /b," in str(whose(Said(argv, {owner.MARK: "/b/state"}), ours))
    other = whose(Said(argv, {owner.MARK: ours.state}), at(home, "work"))
    assert f"of another home, {home}," in str(other)


@pytest.mark.parametrize(
    ("here", "state", "frees"),
    [
        (None, "/b/state", "HERMES_HOME=/b hermes -p default"),
        (None, "/u/.local/state/hermes/profiles/work", "HOME=/u hermes -p work"),
        ("/b", "/u/.local/state/hermes", "env -u HERMES_HOME HOME=/u hermes -p default"),
        ("/b", "~/.local/state/hermes", "env -u HERMES_HOME hermes -p default"),
    ],
)
def test_a_name_of_another_home_is_freed_by_a_command_that_acts_there(
    home: Path, monkeypatch: pytest.MonkeyPatch, here: str | None, state: str, frees: str
) -> None:
    monkeypatch.delenv("HERMES_HOME", raising=False)
    if here is not None:
        monkeypatch.setenv("HERMES_HOME", here)
    shell = ("/bin/sh", "-c", 'exec "$@" >>"$0"', "/logs/gateway.log")
    found = owner.stranger(
        "NAME", Said((*shell, *GATEWAY), {owner.MARK: os.path.expanduser(state)}), at(home), is_installed=False
    )
    assert found is not None
    assert f"; {frees} gateway uninstall frees this one" in found.mend
    assert f"and runs {' '.join(GATEWAY)};" in found.text


def test_what_an_older_release_wrote_is_recognised(home: Path) -> None:
    ours, platform = at(home), of_the_platform(home)
    assert whose(Said(GATEWAY, {"HERMES_HOME": str(home)}), ours) is None
    assert whose(Said(restarter(ours.state), {"HERMES_HOME": str(home)}), ours) is None
    assert whose(Said(watched=ours.pending), ours) is None
    assert whose(Said(GATEWAY, {}, platform.gateway_log), platform) is None
    assert whose(Said(GATEWAY, {}, "/elsewhere/gateway.log"), platform) is not None
    assert whose(Said(GATEWAY, {}, ours.gateway_log), ours) is not None
    assert whose(Said(GATEWAY, {"HERMES_HOME": "/b"}), ours) is not None
    assert whose(Said(restarter("/b/state")), ours) is not None
    assert whose(Said(watched="/b/state/restart-intents/pending"), ours) is not None
    work = (*GATEWAY[:5], "work", *GATEWAY[6:])
    assert whose(Said(work, {"HERMES_HOME": str(home)}), at(home, "work")) is None
    assert f"{home}, profile work," in str(whose(Said(work, {"HERMES_HOME": str(home)}), ours))


@pytest.mark.parametrize("argv", [AGENT, WRAPPED, SCRIPT])
def test_hermes_agent_is_never_ours_though_the_home_is_the_same(home: Path, argv: tuple[str, ...]) -> None:
    found = owner.stranger("NAME", Said(argv, {"HERMES_HOME": str(home)}), at(home), is_installed=True)
    assert found is not None
    assert found.text.startswith(f"NAME is hermes-agent's, which runs {argv[0]}")
    assert found.mend.startswith("hermesctl gateway adopt hermes-agent")


def test_of_an_adopted_hermes_agent_it_is_said_which_profile_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    paths = resolve(None)
    durable.make_private_directory(resolve("agent").state)
    durable.publish(resolve("agent").adopted, {"schema": 1, "name": "NAME"})
    found = owner.stranger("NAME", Said(AGENT, {}), paths, is_installed=False)
    assert found is not None
    assert found.text == "NAME is hermes-agent's, which is kept alive here as profile agent"
    assert found.mend == "hermesctl -p agent gateway status shows it"


def test_what_a_person_wrote_is_named_by_what_it_runs(home: Path) -> None:
    said = Said(("/usr/bin/node", "x\x1b[2J\n", "gateway"))
    assert (
        whose(said, at(home), is_installed=True)
        == "NAME is not hermes's: it runs /usr/bin/node x?[2J? gateway; it was left as it is"
    )


def test_what_says_nothing_belongs_to_who_was_installed_there(home: Path) -> None:
    assert whose(Said(), at(home), is_installed=True) is None
    assert whose(Said(), at(home)) is not None


def test_what_serves_a_home_that_is_gone_belongs_to_who_was_installed_there(home: Path) -> None:
    gone = Said(GATEWAY, {owner.MARK: f"{home}-before/state"})
    assert whose(gone, at(home), is_installed=True) is None
    assert whose(gone, at(home)) is not None


@pytest.mark.parametrize(
    "text", ["", "[Unit", "\x00", "[Service]\nExecStart='unbalanced\n", "<plist", "<plist><dict/></plist>"]
)
def test_any_text_is_read(text: str) -> None:
    assert units.said(text).environment == {}
    assert plists.said(text).is_silent


def test_both_kinds_of_definition_are_read_back(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "launchctl").touch(0o755)
    ours = at(f"{home}/ö 'x' 100%i")
    place = units.UnitDirectory("/units")
    written = [
        plists.said(plists.service(ours, GatewayConfig(), LogConfig()).text),
        plists.said(plists.restarter(ours, "gui/501").text),
        units.said(units.service(ours, GatewayConfig(), LogConfig(), place).text),
        units.said(units.restarter(ours, place, ["/bin/systemctl", "start"]).text),
        units.said(units.watch(ours, place).text),
    ]
    assert [whose(said, ours) for said in written] == [None] * 5
    assert None not in [whose(said, at("/b")) for said in written]


def test_a_loaded_unit_is_read_from_show() -> None:
    text = (
        "Id=hermes-gateway.service\nLoadState=loaded\nActiveState=active\n"
        "ExecStart={ path=/a/python ; argv[]=/a/python -m hermes_cli.main gateway run ; ignore_errors=no ; pid=0 }\n"
        'Environment="HERMES_HOME=/h o" A=b\n'
    )
    said = shown.parse(text)["hermes-gateway.service"].said
    argv = ("/a/python", "-m", "hermes_cli.main", "gateway", "run")
    assert said == Said(argv, {"HERMES_HOME": "/h o", "A": "b"})


# What jobs are called.


def test_the_default_home_has_the_plain_name_and_another_one_a_digest(home: Path) -> None:
    assert names.suffix(of_the_platform(home)) == ""
    suffix = names.suffix(at(home))
    assert len(suffix) == 9
    assert names.suffix(at(home, "work")) == f"{suffix}-work"
    assert names.suffix(at(f"{home}/../home")) == suffix != names.suffix(at("/other"))


def test_no_profile_is_called_like_another_home(home: Path) -> None:
    for profile in ("1a2b3c4d", "x_1a2b3c4d", "Z.y"):
        named = Paths(profile, f"{home}/state", str(home), f"{home}/logs")
        assert names.suffix(named).startswith("-")
    assert names.suffix(at(home)).startswith("_")


def test_the_name_of_a_link_to_a_home_is_that_of_the_home(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    assert names.suffix(at(tmp_path / "link")) == names.suffix(at(home))


def test_what_an_older_release_installed_keeps_the_plain_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    ours = at(home)
    agents, folder = Path(plists.path_of("x")).parent, home / ".config" / "systemd" / "user"
    agents.mkdir(parents=True)
    folder.mkdir(parents=True)
    assert Launchd(ours)._label.startswith("ai.hermes.gateway_")
    assert Systemd(ours, system=False)._names.service.startswith("hermes-gateway_")
    monkeypatch.setenv("HERMES_HOME", str(home))
    text = plists.service(ours, GatewayConfig(), LogConfig(), "ai.hermes.gateway").text.replace(owner.MARK, "IGNORED")
    (agents / "ai.hermes.gateway.plist").write_text(text)
    (folder / "hermes-gateway.service").write_text(
        f'[Service]\nExecStart=:"/v/python" "-P" "-m" "hermes_cli" "-p" "default" "gateway" "run"\nEnvironment="HERMES_HOME={home}"\n'
    )
    assert Launchd(ours)._label == "ai.hermes.gateway"
    assert Systemd(ours, system=False)._names.service == "hermes-gateway.service"
    assert Launchd(at("/b"))._label != "ai.hermes.gateway"
    assert Systemd(at("/b"), system=False)._names.service != "hermes-gateway.service"


def test_a_name_that_is_remembered_counts_only_with_a_definition_that_is_ours(home: Path) -> None:
    ours = at(home)
    os.makedirs(ours.state, exist_ok=True)
    Registration(ours, "launchd").keep(**names.fact("_00000000"))
    kept = Registration(ours, "launchd")
    assert names.in_force(ours, kept, lambda name: name == "_00000000") == "_00000000"
    assert names.in_force(ours, kept, lambda _: False) == names.suffix(ours)

"""The service has its user's environment file and PATH, whatever shell it was installed from; relative homes too."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from support.machines.installation import Installation

from hermes_cli import user_environment

pytestmark = pytest.mark.e2e
SECRET = "sëcret='1 2' $x"


def test_what_is_kept_from_the_shell_reaches_the_terminal_and_an_update_from_the_chat(hermes: Installation) -> None:
    done = hermes.run(
        "gateway", "install", "--keep-env", "http_proxy,MY_TOKEN", http_proxy="http://p:1", MY_TOKEN=SECRET
    )
    assert done.returncode == 0, done.stderr
    place = Path(user_environment.path_of(hermes.paths))
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    before = hermes.ready()
    assert hermes.run("gateway", "restart").returncode == 0
    hermes.ready(other_than=before)
    assert hermes.chat('!printf \'%s|%s\' "$http_proxy" "$MY_TOKEN"').strip().endswith(f"http://p:1|{SECRET}")
    assert SECRET not in done.stdout + done.stderr + hermes.log() + hermes.run("gateway", "install", "--print").stdout


def test_the_file_is_the_users_and_a_second_variable_leaves_the_rest(hermes: Installation) -> None:
    place = Path(user_environment.path_of(hermes.paths))
    place.write_text("# mine\nTZ = Asia/Tokyo\nexport EMPTY=\nQUOTED=' a b '\nhttp_proxy=old\n")
    place.chmod(0o600)
    hermes.install()
    assert hermes.run("gateway", "install", "--keep-env", "http_proxy", http_proxy="new").returncode == 0
    assert place.read_text() == "# mine\nTZ = Asia/Tokyo\nexport EMPTY=\nQUOTED=' a b '\nhttp_proxy=new\n"
    assert "+0900" in hermes.chat("!date +%z")
    assert "[ a b ]" in hermes.chat('!echo "[$QUOTED]"')


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no equals secret\n", "line 1 is not NAME=value"),
        ("A=secret\n1B=secret\n", "line 2 is not NAME=value"),
        ("HERMES_HOME=/secret\n", "HERMES_HOME has no place in"),
        ("PYTHONPATH=/secret\n", "PYTHONPATH has no place in"),
    ],
)
def test_a_broken_file_is_said_with_its_line_and_without_its_values(hermes: Installation, text: str, why: str) -> None:
    place = Path(user_environment.path_of(hermes.paths))
    place.write_text(text)
    place.chmod(0o600)
    done = hermes.run("gateway", "install")
    assert done.returncode == 78
    assert why in done.stderr
    assert "secret" not in done.stderr
    assert hermes.run("gateway", "run", "--check").returncode == 78


@pytest.mark.parametrize(("mode", "code"), [(0o620, 78), (0o602, 78), (0o600, 0)])
def test_a_file_that_others_can_write_is_not_believed(hermes: Installation, mode: int, code: int) -> None:
    place = Path(user_environment.path_of(hermes.paths))
    place.write_text("A=1\n")
    place.chmod(mode)
    assert hermes.run("gateway", "run", "--check").returncode == code


def test_a_variable_that_is_not_set_or_no_name_is_refused_before_anything_is_written(hermes: Installation) -> None:
    for name in ("NOT_SET_HERE", "A-B", "HERMES_PROFILE"):
        assert hermes.run("gateway", "install", "--keep-env", name).returncode == 78
    assert not os.path.exists(user_environment.path_of(hermes.paths))


def test_the_path_is_the_installations_then_the_login_shells_without_doubles(
    hermes: Installation, tmp_path: Path
) -> None:
    shell = tmp_path / "shell"
    shell.write_text(f'#!/bin/sh\nPATH={tmp_path}/mine:/usr/bin:/usr/bin\nexport PATH\nshift\nexec /bin/sh -c "$@"\n')
    shell.chmod(0o755)
    assert hermes.run("gateway", "install", SHELL=str(shell)).returncode == 0
    places = hermes.chat("!echo PATH=$PATH").strip().rpartition("PATH=")[2].split(":")
    assert places[:3] == [os.path.dirname(os.path.abspath(hermes.python)), f"{tmp_path}/mine", "/usr/bin"]
    assert len(places) == len(set(places))


def test_the_doctor_says_what_the_service_cannot_reach_and_the_mend_keeps_it(hermes: Installation) -> None:
    hermes.install()
    assert hermes.run("gateway", "doctor").returncode == 0
    done = hermes.run("gateway", "doctor", https_proxy="http://user:secret@proxy:1")
    assert done.returncode == 1
    assert "does not have https_proxy of this shell" in done.stdout
    assert "gateway install --keep-env https_proxy" in done.stdout
    assert "secret" not in done.stdout
    more = {"https_proxy": "http://user:secret@proxy:1"}
    assert hermes.run("gateway", "install", "--keep-env", "https_proxy", **more).returncode == 0
    assert hermes.run("gateway", "doctor", **more).returncode == 0


@pytest.mark.parametrize("variable", ["HERMES_HOME", "XDG_STATE_HOME"])
def test_a_relative_home_is_the_same_for_everybody(
    make_installation: Callable[..., Installation], variable: str
) -> None:
    hermes = make_installation("home")
    folder = hermes.home.parent
    variables = {variable: "relative"}
    if variable != "HERMES_HOME":
        variables |= {"XDG_CONFIG_HOME": "configuration", "HERMES_HOME": ""}
    import subprocess

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [hermes.python, "-m", "hermes_cli", *words], env={**hermes.environment(), **variables},
            cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    try:
        assert run("gateway", "install").returncode == 0
        done = run("gateway", "restart")
        assert done.returncode == 0, done.stderr
        assert "ready" in run("gateway", "status").stdout
    finally:
        assert run("gateway", "uninstall").returncode == 0

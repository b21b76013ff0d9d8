"""The commands in a text, as a person can paste them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE

from hermes_cli import mends


@pytest.mark.parametrize(
    ("plain", "pasteable"),
    [
        ("it is down: hermes gateway start", "it is down: hermes -p work gateway start"),
        ("hermes update, or install it again", "hermes -p work update, or install it again"),
        (
            "see hermes gateway logs: hermes gateway start",
            "see hermes -p work gateway logs: hermes -p work gateway start",
        ),
        ("as hermes -p work gateway start", "as hermes -p work gateway start"),
        ("/opt/bin/hermes gateway run is another program", "/opt/bin/hermes gateway run is another program"),
        ("the home of hermes is there", "the home of hermes is there"),
    ],
)
def test_each_command_names_the_profile_once(plain: str, pasteable: str) -> None:
    assert mends.pasteable(plain, "work") == pasteable
    assert mends.pasteable(pasteable, "work") == pasteable


def test_the_default_profile_needs_no_name() -> None:
    assert mends.pasteable("hermes gateway start", "default") == "hermes gateway start"


def test_the_program_is_named_as_it_was_called() -> None:
    assert mends.pasteable("hermes gateway start", "work", program="hermesctl") == "hermesctl -p work gateway start"
    assert (
        mends.pasteable("hermes -p NAME gateway start", "work", program="hermesctl")
        == "hermesctl -p NAME gateway start"
    )


def test_a_home_is_named_in_a_way_that_a_shell_reads_back() -> None:
    text = mends.pasteable("hermes gateway start", "work", home="/tmp/a b'c")
    words = subprocess.run(
        ["sh", "-c", f'hermes() {{ echo "$HERMES_HOME|$*"; }}; {text}'],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert words.stdout == "/tmp/a b'c|-p work gateway start\n"


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
@pytest.mark.parametrize(("exported", "named"), [(True, "None"), (False, "/tmp/x")])
def test_a_home_is_named_where_the_shell_would_not_hand_it_on(exported: bool, named: str) -> None:
    code = "from hermes_cli import mends; print(mends.home_to_name())"
    inner = [sys.executable, "-c", code]
    outer = "import os, subprocess, sys; subprocess.run(sys.argv[1:], env={**os.environ, 'HERMES_HOME': '/tmp/x'}, check=True)"
    environment = {"PATH": "/usr/bin:/bin", **({"HERMES_HOME": "/tmp/x"} if exported else {})}
    done = subprocess.run(
        [sys.executable, "-c", outer, *inner],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout.strip() == named


def test_the_home_of_hermes_agent_is_named_by_no_command_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    assert mends.home_to_name(os.getpid()) == str(tmp_path)
    (tmp_path / "gateway_state.json").touch()
    assert mends.home_to_name(os.getpid()) is None

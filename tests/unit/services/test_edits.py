"""What a person changed in a definition is told from what a release changes."""

from pathlib import Path

import pytest

from hermes_cli.paths import Paths
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.edits import Edits
from hermes_cli.services.launchd import plists
from hermes_cli.services.systemd import units

UNIT = '[Service]\nType=notify\nRestartSec=1\nEnvironment="HERMES_HOME=/h"\nEnvironment="PATH=/bin"\n'


@pytest.fixture
def written(tmp_path: Path) -> tuple[Edits, Definition]:
    """A definition that was written."""
    edits = Edits(Paths("default", f"{tmp_path}/state", str(tmp_path), f"{tmp_path}/logs"), units.values)
    one = Definition(f"{tmp_path}/h.service", UNIT)
    edits.note(one)
    Path(one.path).write_text(UNIT)
    return edits, one


def test_what_a_release_changes_is_no_change_of_a_persons(written: tuple[Edits, Definition]) -> None:
    edits, one = written
    assert edits.taken_back(Definition(one.path, UNIT.replace("notify", "exec"))) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("RestartSec=1", "RestartSec = 9", "RestartSec was 9 and is 1 again"),
        ("RestartSec=1\n", "", "RestartSec was not there and is 1 again"),
        ("Type=notify", "Type=notify\nStandardOutput=null", "StandardOutput was null and is not there again"),
        ("HERMES_HOME=/h", "HERMES_HOME=/x", "HERMES_HOME was /x and is /h again"),
        ("RestartSec=1", "RestartSec=\x1b[2J", "RestartSec was "),
    ],
)
def test_what_a_person_changed_is_named_and_kept(
    written: tuple[Edits, Definition], old: str, new: str, said: str
) -> None:
    edits, one = written
    changed = UNIT.replace(old, new)
    Path(one.path).write_text(changed)
    line = edits.taken_back(one)
    assert line is not None
    assert said in line
    assert "\x1b" not in line
    edits.note(one)
    copy = Path(line.partition("the changed text is in ")[2])
    assert copy.read_text() == changed
    assert copy.stat().st_mode & 0o077 == 0
    Path(one.path).write_text(UNIT)
    assert edits.taken_back(one) is None


def test_another_path_or_a_line_that_stays_is_none(written: tuple[Edits, Definition]) -> None:
    edits, one = written
    Path(one.path).write_text(UNIT.replace("PATH=/bin", "PATH=/mine") + "LimitNOFILE=4096\n")
    assert edits.taken_back(Definition(one.path, f"{UNIT}LimitNOFILE=4096\n")) is None


def test_what_an_older_release_wrote_is_not_known_and_nothing_is_said(tmp_path: Path) -> None:
    edits = Edits(Paths("default", f"{tmp_path}/state", str(tmp_path), f"{tmp_path}/logs"), units.values)
    Path(tmp_path, "h.service").write_text(UNIT.replace("=1", "=9"))
    assert edits.taken_back(Definition(f"{tmp_path}/h.service", UNIT)) is None


def test_a_plist_is_taken_apart_by_keys_and_variables() -> None:
    text = (
        '<?xml version="1.0"?><plist version="1.0"><dict><key>KeepAlive</key><true/><key>WatchPaths</key><array>'
        "<string>/a</string></array><key>EnvironmentVariables</key><dict><key>PATH</key><string>/bin</string>"
        "<key>HERMES_HOME</key><string>/h</string></dict></dict></plist>"
    )
    assert plists.values(text) == {"KeepAlive": "True", "WatchPaths": "/a", "HERMES_HOME": "/h"}
    assert plists.values("no plist") == {}

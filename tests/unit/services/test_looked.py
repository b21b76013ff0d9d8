"""A check that passed is not repeated while nothing of what it read has changed, and repeated as soon as anything has."""

import json
import os
from pathlib import Path

import pytest

from hermes_cli.paths import Paths
from hermes_cli.services import ahead, looked

SCRIPT = """#!/bin/sh
echo >>"{folder}/checks"
[ ! -e "{folder}/broken" ] || exit 78
[ -n "$HERMES_CHECK_LISTS" ] && cat "{folder}/list"
exit 0
"""


class Start:
    """A program that lists what it reads, and counts how often it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = Paths("default", f"{folder}/state", str(folder), f"{folder}/logs")
        self.program = folder / "program"
        self.program.write_text(SCRIPT.format(folder=folder))
        self.program.chmod(0o755)
        self.environment = {"PYTHONPATH": "a", "COLUMNS": "80"}
        self.module, self.directory, self.absent = folder / "module.py", folder / "packages", folder / "config.toml"
        self.module.write_text("x = 1\n")
        self.directory.mkdir()
        self.reads(self.module, self.directory, self.absent)

    def reads(self, *files: Path) -> None:
        """What it lists from now on; written before anything that is looked at counts as recent."""
        (self.folder / "list").write_text(json.dumps([str(one) for one in files]))
        for one in filter(Path.exists, files):
            _await_past(one)

    def is_asked(self) -> bool:
        """Whether a look starts the program. It finds no obstacle."""
        before = self.checks()
        found = ahead.NextStart((str(self.program), "run"), self.environment, "a test")
        assert ahead.obstacle(self.paths, found) is None
        return self.checks() > before

    def checks(self) -> int:
        counted = self.folder / "checks"
        return len(counted.read_text().splitlines()) if counted.exists() else 0


def _await_past(path: Path) -> None:
    """Until its last change is no recent one."""
    import time

    while time.time_ns() <= path.stat().st_ctime_ns + looked._RECENT:
        time.sleep(0.01)  # nothing tells that time has passed


@pytest.fixture
def start(tmp_path: Path) -> Start:
    made = Start(tmp_path)
    assert made.is_asked()
    assert not made.is_asked()
    return made


def _rewritten(start: Start) -> None:
    stat = start.module.stat()
    start.module.write_text("x = 2\n")
    os.utime(start.module, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # a time of change is not to be set


CHANGES = {
    "a file has other content of the same length and date": _rewritten,
    "a file is gone": lambda start: start.module.unlink(),
    "a file may not be read": lambda start: start.module.chmod(0),
    "a file is replaced": lambda start: os.replace(_copy(start.module), start.module),
    "a file appears that was not there": lambda start: start.absent.write_text(""),
    "a directory of packages has a new name": lambda start: (start.directory / "click.py").write_text(""),
    "a directory of packages is gone": lambda start: start.directory.rmdir(),
    "another search path": lambda start: start.environment.update(PYTHONPATH="b"),
    "one variable more": lambda start: start.environment.update(HERMES_HOME="/elsewhere"),
}


def _copy(path: Path) -> Path:
    other = path.with_name("copy")
    other.write_bytes(path.read_bytes())
    return other


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_has_the_check_run_again(start, change):
    change(start)
    assert start.is_asked()


def test_what_a_start_does_not_read_changes_nothing(start):
    start.environment["COLUMNS"] = "100"
    os.utime(start.folder, (0, 0))
    assert not start.is_asked()


def test_a_check_that_fails_is_never_kept(start):
    start.module.write_text("x = 2\n")
    (start.folder / "broken").write_text("")
    found = ahead.NextStart((str(start.program), "run"), start.environment, "a test")
    for _ in range(2):
        before = start.checks()
        assert ahead.obstacle(start.paths, found)
        assert start.checks() == before + 1


def test_what_has_changed_while_it_was_read_is_not_kept(start):
    start.module.write_text("x = 2\n")
    assert start.is_asked()  # it was changed a moment ago: nobody knows which of the two was read
    _await_past(start.module)
    assert start.is_asked()
    assert not start.is_asked()


def test_a_directory_that_cannot_be_made_is_an_obstacle_all_the_same(start):
    os.rename(start.paths.state, f"{start.paths.state}.away")
    assert start.is_asked()  # its answers were in it, and it is made
    assert os.path.isdir(start.paths.state)


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '{"files": {}}', '{"files": []}', "x" * 2_000_000])
def test_an_answer_that_is_broken_is_none(start, text):
    (kept,) = Path(start.paths.state, "looked-ahead").iterdir()
    kept.write_text(text)
    assert start.is_asked()


@pytest.mark.parametrize("listed", ["", "nothing", "[]", "[1, null]", "{}"])
def test_a_release_that_lists_nothing_is_asked_each_time(tmp_path, listed):
    start = Start(tmp_path)
    (start.folder / "list").write_text(listed)
    assert start.is_asked()
    assert start.is_asked()


def test_answers_are_kept_in_a_few_files_whatever_is_asked(start):
    for number in range(40):
        start.environment["PYTHONPATH"] = str(number)
        start.is_asked()
    assert len(os.listdir(f"{start.paths.state}/looked-ahead")) <= 8


def test_what_a_check_reads_is_what_python_has_loaded_and_what_could_come_before_it(tmp_path, run_code):
    paths = f"Paths('default', '{tmp_path}/state', '{tmp_path}', '{tmp_path}/logs')"
    listed = run_code(
        "import json, click, _sqlite3\nfrom hermes_cli.paths import Paths\nfrom hermes_cli.services import looked\n"
        f"print(json.dumps([looked.files({paths}), click.__file__, _sqlite3.__file__]))"
    )
    files, *loaded = json.loads(listed)
    assert {f"{tmp_path}/config.toml", f"{tmp_path}/environment", looked.__file__, *loaded} <= set(files)
    assert os.path.dirname(os.path.dirname(loaded[0])) in files
    assert any("libsqlite3" in one for one in files) or not os.path.exists("/proc/self/maps")
    assert not any(one.startswith(f"{tmp_path}/state/gateway") for one in files)

"""What is in the way of a start is seen by looking, with the command that takes it away."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from hermes_cli.intents import request
from hermes_cli.paths import Paths
from hermes_cli.services import ahead, usable
from hermes_cli.system import refusal

NAMES = ("desired.json", "gateway.json", "gateway.lock", "gateway.sock", "messages.sqlite")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    home = str(tmp_path / "a home")
    found = Paths("default", f"{home}/state", home, f"{home}/logs", home)
    os.makedirs(found.state)
    return found


def test_nothing_is_in_the_way_of_a_first_start(paths):
    assert not list(usable.unusable(paths))
    os.rmdir(paths.state)
    assert not list(usable.unusable(paths))


def test_files_as_they_are_written_are_in_nobodys_way(paths):
    for name in NAMES:
        Path(paths.state, name).write_text("{}")
    assert not list(usable.unusable(paths))


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_in_the_place_of_a_file_is_moved_away_by_its_mend(paths, name):
    Path(paths.state, name, "x").mkdir(parents=True)
    (found,) = usable.unusable(paths)
    assert found.text == f"{paths.state}/{name} cannot be used (Is a directory)"
    assert ahead.places(paths) == f"{found.text}: {found.mend}"
    assert found.is_command
    subprocess.run(shlex.split(found.mend), check=True)
    assert not list(usable.unusable(paths))


@pytest.mark.parametrize("name", ["", "pending", "progress", "holds", "settled", "staging", "rejected"])
def test_what_is_no_directory_in_the_place_of_one_of_the_queues_is_moved_away_by_its_mend(paths, name):
    request.make_directories(paths.intents)
    place = Path(paths.intents, name)
    place.rename(f"{place}.was")
    assert not list(usable.unusable(paths))
    place.symlink_to("/nonexistent")
    (found,) = usable.unusable(paths)
    assert found.text == f"{place} cannot be used (Not a directory)"
    subprocess.run(shlex.split(found.mend), check=True)
    assert not list(usable.unusable(paths))


@pytest.mark.parametrize(("name", "is_fit"), [("gateway.lock", False), ("messages.sqlite", True)])
def test_a_link_to_a_file_is_fit_where_it_is_followed(paths, tmp_path, name, is_fit):
    (tmp_path / "elsewhere").touch()
    Path(paths.state, name).symlink_to(tmp_path / "elsewhere")
    assert (not list(usable.unusable(paths))) is is_fit
    (tmp_path / "elsewhere").unlink()
    assert [one.path for one in usable.unusable(paths)] == [f"{paths.state}/{name}"]


@pytest.mark.skipif(os.geteuid() == 0, reason="no mode keeps root out")
@pytest.mark.parametrize("name", ["desired.json", "gateway.lock", "messages.sqlite", ""])
def test_a_mode_that_keeps_its_own_user_out_is_seen_and_mended(paths, name):
    place = Path(paths.state, name) if name else Path(paths.state)
    if name:
        place.touch()
    place.chmod(0)
    found = next(usable.unusable(paths))
    assert found.why == "Permission denied"
    subprocess.run(shlex.split(found.mend), check=True)
    assert not list(usable.unusable(paths))


def test_a_mend_names_what_is_there(tmp_path):
    (tmp_path / "file").touch()
    mend, is_command = refusal.mend(str(tmp_path / "file" / "below" / "it"), 20)
    assert (mend, is_command) == (f"mv {tmp_path}/file {tmp_path}/file.aside", True)

"""What is in the way of a start is seen by looking, with the command that takes it away."""

import errno
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from hermes_cli.intents import request
from hermes_cli.paths import Paths
from hermes_cli.restart import wake
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


def test_a_folder_of_the_queue_on_another_disk_is_in_the_way(paths):
    request.make_directories(paths.intents)
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == Path(paths.intents).stat().st_dev:
        pytest.skip("there is no other disk")
    Path(paths.queue.settled).rmdir()
    Path(paths.queue.settled).symlink_to(other)
    (found,) = usable.unusable(paths)
    assert found.text == f"{paths.queue.settled} cannot be used (Invalid cross-device link)"
    assert found.mend == f"let {paths.queue.settled} be a folder of the disk of {paths.intents}"


def test_a_disk_that_refuses_every_change_is_seen_although_it_calls_itself_writable(paths, monkeypatch):
    request.make_directories(paths.intents)
    refused_to_open(monkeypatch, errno.EROFS, lambda path: path == paths.queue.staging)
    (found,) = usable.unusable(paths)
    assert found.text == f"{paths.state} cannot be used (Read-only file system)"
    assert found.mend == f"mount the disk of {paths.state} writable again"


def test_a_journal_that_cannot_be_read_keeps_every_restart_and_is_named(paths, monkeypatch):
    os.makedirs(paths.updates_under_way)
    journal = Path(paths.updates_under_way, "20261127T175259.298707Z-2530-6f3e.json")
    journal.write_text("no journal")
    assert usable.unread_journal(paths) is None  # set aside by its reader
    refused_to_open(monkeypatch, errno.EACCES, lambda path: path == str(journal))
    found = usable.unread_journal(paths)
    assert found is not None
    assert str(journal) in found.mend
    assert ahead.obstacle(paths, ahead.of_this(paths)) == f"{found.text}: {found.mend}"
    line = wake.look(paths)  # and no driver is started, which would not come past it
    assert line == f"an update was cut off, and {found.text}: {found.mend}"


def refused_to_open(monkeypatch, number, is_refused):
    real = os.open

    def refuse(path, *rest, **named):
        if is_refused(path):
            raise OSError(number, os.strerror(number), path)
        return real(path, *rest, **named)

    monkeypatch.setattr(os, "open", refuse)


@pytest.mark.parametrize(("error", "is_seen"), [(errno.EMFILE, False), (errno.ENOMEM, False), (errno.EIO, True)])
def test_what_this_process_has_run_out_of_is_no_obstacle_for_the_next_one(paths, monkeypatch, error, is_seen):
    Path(paths.config).write_text("")
    refused_to_open(monkeypatch, error, lambda path: path == paths.config)
    assert (ahead.glance(paths, None) is not None) == is_seen

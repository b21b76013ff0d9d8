"""What the queue needs of a file system is tried before anybody relies on it."""

import errno
import os

import pytest

from hermes_cli.intents import file_system
from hermes_cli.intents.request import make_directories
from hermes_cli.system import durable, locks


@pytest.fixture
def root(tmp_path):
    """A queue's directories, empty."""
    make_directories(str(tmp_path / "queue"))
    return str(tmp_path / "queue")


def refuse(monkeypatch, where, name, code):
    def refused(*arguments, **options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(where, name, refused)


def test_nothing_is_refused_here_and_nothing_is_left_behind(root):
    assert file_system.check(root) == file_system.Suitability()
    assert os.listdir(f"{root}/staging") == []


@pytest.mark.parametrize(
    ("where", "name", "what"),
    [
        (durable, "sync", "writing and fsync"),
        (os, "rename", "rename"),
        (durable, "sync_directory", "fsync of a directory"),
        (locks, "take", "flock"),
        (os, "link", "link"),
    ],
)
def test_each_operation_that_is_refused_is_named(root, monkeypatch, where, name, what):
    refuse(monkeypatch, where, name, errno.EIO)
    found = file_system.check(root)
    assert found.refused == what
    assert found.error.errno == errno.EIO
    assert os.listdir(f"{root}/staging") == []


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.ENOTSUP])
def test_links_may_be_refused(root, monkeypatch, code):
    refuse(monkeypatch, os, "link", code)
    assert file_system.check(root) == file_system.Suitability(has_links=False)


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "mount its disk writable"),
        (errno.ENOLCK, "use a home on a local"),
    ],
)
def test_each_refusal_has_its_mend(code, mend):
    assert file_system.mend(OSError(code, os.strerror(code))).startswith(mend)

"""Locks: the kernel says who holds one; a look takes no part, and a dead holder is none."""

import concurrent.futures
import os
import stat
import subprocess
import sys

import pytest

from hermes_cli.system import locks

HOLDER = """
import sys
from hermes_cli.system import locks
lock = locks.take(sys.argv[1])
print("held" if lock else "refused", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path):
    return f"{tmp_path}/locks/x.lock"


@pytest.fixture
def holder(children, path):
    child = children("-c", HOLDER, path)
    assert child.stdout.readline() == "held\n"
    return child


def test_what_nobody_took_is_not_held(path):
    assert not locks.is_held(path)


def test_a_lock_is_held_until_it_is_released(path):
    lock = locks.take(path)
    assert locks.is_held(path)
    lock.release()
    assert not locks.is_held(path)


NO_DESCRIPTOR_LEFT = """
import resource, sys
from hermes_cli.system import locks
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
print(locks.look(sys.argv[1]), locks.is_held(sys.argv[1]), locks.may_be_held(sys.argv[1]))
"""


def test_a_lock_that_cannot_be_looked_at_is_neither_held_nor_free(path, holder):
    looked = subprocess.run(
        [sys.executable, "-c", NO_DESCRIPTOR_LEFT, path], capture_output=True, text=True, timeout=60, check=False
    )
    assert looked.stdout == "None False True\n", looked.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="no mode keeps root out")
def test_a_lock_that_may_not_be_opened_may_be_held(path):
    lock = locks.take(path)
    os.chmod(path, 0)
    lock.release()
    assert locks.look(path) is None


def test_what_is_not_there_or_is_no_file_is_held_by_nobody(path, tmp_path):
    for place in (path, f"{path}/below"):
        assert locks.look(place) is False
    (tmp_path / "link").symlink_to(path)
    assert locks.look(str(tmp_path / "link")) is False


def test_a_lock_of_another_process_is_seen_and_refused(path, holder):
    assert locks.is_held(path)
    assert locks.take(path, timeout=0.05) is None


def test_a_killed_holder_holds_nothing(path, holder):
    holder.kill()
    holder.wait(10)
    assert not locks.is_held(path)
    locks.take(path).release()


def test_a_released_lock_is_taken_by_who_waits(path, holder):
    holder.stdin.write("\n")
    holder.stdin.flush()
    lock = locks.take(path, timeout=10)
    assert lock is not None
    lock.release()


def test_looking_does_not_keep_anybody_from_taking(path):
    locks.take(path).release()
    stop = False

    def look():
        while not stop:
            locks.is_held(path)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        looks = [pool.submit(look) for _ in range(2)]
        taken = [locks.take(path) for _ in range(1)]
        taken[0].release()
        taken += [locks.take(path, timeout=2.0)]
        stop = True
        for one in looks:
            one.result(10)
    assert None not in taken
    taken[1].release()


def test_looking_does_not_release_what_this_very_process_holds(path):
    lock = locks.take(path)
    for _ in range(3):
        assert locks.is_held(path)
    lock.release()


def test_a_child_that_is_executed_does_not_keep_the_lock(path, tmp_path):
    lock = locks.take(path)
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, close_fds=False
    )
    try:
        lock.release()
        assert not locks.is_held(path)
    finally:
        child.stdin.close()
        child.wait(10)


def test_the_lock_file_and_its_directory_are_private_and_stay(path):
    lock = locks.take(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    inode = os.stat(path).st_ino
    lock.release()
    locks.take(path).release()
    assert os.stat(path).st_ino == inode


def test_a_link_in_its_place_is_not_followed_by_a_look(path, holder, tmp_path):
    os.symlink(path, f"{tmp_path}/link")
    assert not locks.is_held(f"{tmp_path}/link")


def test_a_fifo_in_its_place_does_not_hang_a_look(tmp_path, in_time):
    os.mkfifo(f"{tmp_path}/fifo")
    assert in_time(locks.is_held, f"{tmp_path}/fifo") is False


def test_only_one_of_many_takes_it(path, children):
    takers = [children("-c", HOLDER, path) for _ in range(4)]
    said = [one.stdout.readline().strip() for one in takers]
    assert sorted(said) == ["held", "refused", "refused", "refused"]


FILELOCK = """
import sys
from filelock import UnixFileLock
lock = UnixFileLock(sys.argv[1], timeout=0)
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_release_that_takes_it_with_filelock_is_seen_and_refused(path, children):
    locks.take(path).release()
    child = children("-c", FILELOCK, path)
    assert child.stdout.readline() == "held\n"
    assert locks.is_held(path)
    assert locks.take(path) is None
    child.stdin.write("\n")
    child.stdin.flush()
    locks.take(path, timeout=10).release()


def test_a_release_that_takes_it_with_filelock_is_kept_out(path, children):
    lock = locks.take(path)
    child = children("-c", FILELOCK, path)
    assert child.stdout.readline() == ""
    lock.release()


def test_a_lock_whose_file_was_removed_is_taken_under_a_new_name(path):
    old = locks.take(path)
    os.unlink(path)
    new = locks.take(path)
    assert os.fstat(new.descriptor).st_ino == os.stat(path).st_ino
    assert locks.is_held(path)
    old.release()
    assert locks.is_held(path)
    new.release()


def test_whoever_waits_for_a_file_that_is_removed_gets_the_lock_of_the_name(path, monkeypatch):
    before = locks.take(path)
    opened, really = [], os.open

    def remove_after_opening(name, *arguments):
        descriptor = really(name, *arguments)
        if name == path and not opened:
            opened.append(descriptor)
            os.unlink(path)
            before.release()
        return descriptor

    monkeypatch.setattr(os, "open", remove_after_opening)
    lock = locks.take(path, timeout=10)
    assert opened
    assert os.fstat(lock.descriptor).st_ino == os.stat(path).st_ino
    lock.release()


@pytest.mark.parametrize("make", [os.mkdir, lambda path: os.symlink("/etc/hostname", path)], ids=["directory", "link"])
def test_what_is_no_lock_file_is_an_error(path, make):
    os.mkdir(os.path.dirname(path))
    make(path)
    with pytest.raises(OSError, match=path):
        locks.take(path)

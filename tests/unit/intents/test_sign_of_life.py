"""A lock that is held says that somebody is there; the sign of life says that something is done."""

import json
import os
import signal
import subprocess
import sys

import pytest
from support import PATIENCE

from hermes_cli.intents import sign_of_life
from hermes_cli.intents.request import boot_time
from hermes_cli.intents.sign_of_life import SignOfLife
from hermes_cli.system import locks

HOLDER = """
import signal, sys
from hermes_cli.intents.sign_of_life import SignOfLife
from hermes_cli.system import locks
lock = locks.take(sys.argv[1])
SignOfLife(lock).give(float(sys.argv[2]))
print("held", flush=True)
signal.pause()
"""


@pytest.fixture
def path(tmp_path):
    """The lock's file."""
    return str(tmp_path / "driver.lock")


@pytest.fixture
def holder(path):
    """Start a process that holds the lock and says when it is heard of again."""
    started = []

    def start(seconds):
        child = subprocess.Popen([sys.executable, "-c", HOLDER, path, str(seconds)], stdout=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout.readline() == "held\n"
        return child

    yield start
    for child in started:
        child.kill()
        child.wait(PATIENCE)
        child.stdout.close()


def test_who_was_heard_of_in_time_is_left_at_work(path, holder):
    child = holder(60)
    assert sign_of_life.silent(path) is None
    assert sign_of_life.take(path) is None
    assert child.poll() is None


def test_who_was_not_heard_of_in_time_is_ended_and_the_lock_is_taken(path, holder):
    child = holder(-1)
    child.send_signal(signal.SIGSTOP)
    silent = sign_of_life.silent(path)
    assert silent is not None
    assert silent.pid == child.pid
    lock = sign_of_life.take(path)
    assert lock is not None
    lock.release()
    assert child.wait(PATIENCE) == -signal.SIGKILL


@pytest.mark.parametrize(
    "said",
    [
        b"",  # as releases before this one hold it
        b"half a li",
        b"[]\n",
        b'{"pid": 1}\n',
        b'{"pid": 1, "heard_by": 0.0}\n',  # another process has that pid
        b'{"pid": 99999999, "heard_by": 0.0}\n',
        b'{"heard_by": 0.0}\n',
    ],
)
def test_what_says_nothing_of_who_holds_it_is_no_reason_to_end_anybody(path, holder, said):
    child = holder(60)
    with open(path, "wb") as file:
        file.write(said)
    assert sign_of_life.silent(path) is None
    assert sign_of_life.take(path) is None
    assert child.poll() is None


def test_a_process_that_has_let_go_of_the_lock_is_not_taken_for_its_next_holder(path, holder):
    lock = locks.take(path)
    sign = SignOfLife(lock)
    sign.give(-1)
    with open(path, encoding="ascii") as file:
        document = json.loads(file.readline())
    assert document["pid"] == os.getpid()
    assert document["heard_by"] < boot_time()
    assert sign_of_life.silent(path) is None  # nobody ends itself
    sign.withdraw()
    lock.release()
    assert os.path.getsize(path) == 0
    assert sign_of_life.silent(path) is None

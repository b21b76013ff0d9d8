"""The hold: kept by the kernel for a living updater, and by nobody else."""

import os
import signal

import pytest

from hermes_cli.errors import TryAgainError
from hermes_cli.system.process import Identity

ID = "20261123T160511.123456Z-4321-9f3a"
HOLDER = f"""
import sys
from hermes_cli.intents.queue import Queue
with Queue(sys.argv[1] + "/state/restart-intents", "default").hold("{ID}"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(children, tmp_path):
    child = children("-c", HOLDER, str(tmp_path))
    assert child.stdout.readline() == "held\n"
    return child


def test_nobody_holds_anything_at_first(paths):
    assert paths.queue.holders() == ()


def test_a_holder_is_seen_and_named(paths, holder):
    assert paths.queue.holders() == (Identity.of(holder.pid),)


def test_what_is_held_cannot_be_held_again(paths, holder):
    with pytest.raises(TryAgainError, match="try again"), paths.queue.hold(ID):
        pass


def test_a_hold_ends_with_its_block_and_leaves_nothing(paths):
    with paths.queue.hold(ID):
        assert len(paths.queue.holders()) == 1
    assert paths.queue.holders() == ()
    assert os.listdir(paths.queue.holds) == []


def test_a_hold_ends_with_an_error_too(paths):
    with pytest.raises(RuntimeError), paths.queue.hold(ID):
        raise RuntimeError
    assert paths.queue.holders() == ()


def test_a_killed_holder_holds_nothing(paths, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    assert paths.queue.holders() == ()
    with paths.queue.hold(ID):
        assert paths.queue.holders() == (Identity.of(os.getpid()),)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": -1}'])
def test_a_holder_that_does_not_say_who_it_is_holds_all_the_same(paths, text):
    with paths.queue.hold(ID):
        with open(f"{paths.queue.holds}/{ID}.lock", "w", encoding="utf-8") as file:
            file.write(text)
        assert paths.queue.holders() == (None,)


def test_a_lock_file_without_a_lock_is_no_hold(paths):
    with open(f"{paths.queue.holds}/{ID}.lock", "w", encoding="utf-8"):
        pass
    assert paths.queue.holders() == ()

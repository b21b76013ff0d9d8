"""One owner of the state, and only the moves that are true."""

import os

import pytest

from hermes_cli.gateway.lifecycle import IllegalMoveError, Lifecycle
from hermes_cli.intents.instance import DrainState
from hermes_cli.programs import own


@pytest.fixture
def lifecycle(paths):
    return Lifecycle(paths, own.new(1, "abc", "1.0", 1000.0))


def test_from_the_first_moment_the_file_says_that_the_signal_is_handled(lifecycle, paths):
    found = own.read(paths)
    assert (found.state, found.handles_signal) == ("starting", True)


def test_the_file_follows_every_move(lifecycle, paths):
    lifecycle.ready()
    assert own.read(paths).ready
    lifecycle.running(2)
    lifecycle.draining(DrainState(1.0, 2.0, 2))
    assert own.read(paths).drain == DrainState(1.0, 2.0, 2)
    lifecycle.draining(DrainState(1.0, 2.0, 1))
    assert own.read(paths).drain.turns == 1
    lifecycle.exited(75)
    found = own.read(paths)
    assert (found.state, found.exit_code, found.drain, found.active_turns) == ("exited", 75, None, 0)


def test_a_drain_needs_a_ready_instance(lifecycle):
    with pytest.raises(IllegalMoveError, match="from starting to draining"):
        lifecycle.draining(DrainState(1.0, 2.0))


def test_nothing_comes_after_the_exit(lifecycle):
    lifecycle.exited(1)
    for move in (lifecycle.ready, lambda: lifecycle.exited(0), lambda: lifecycle.draining(DrainState(1.0, 2.0))):
        with pytest.raises(IllegalMoveError, match="from exited"):
            move()


def test_readiness_is_said_once(lifecycle):
    lifecycle.ready()
    with pytest.raises(IllegalMoveError):
        lifecycle.ready()


def test_a_file_that_cannot_be_written_later_is_no_reason_to_end(lifecycle, paths, caplog):
    os.unlink(paths.instance)
    os.mkdir(paths.instance)
    lifecycle.ready()
    assert lifecycle.state == "ready"
    assert "cannot be written" in caplog.text

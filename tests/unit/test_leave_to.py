"""Who goes on when a gateway has exited: nobody is left to, who may not be there."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from hermes_cli.programs.own import RESTART_EXIT_CODE
from hermes_cli.restart import wake
from hermes_cli.system import locks

if TYPE_CHECKING:
    from hermes_cli.services.base import ServiceManager


class Manager:
    """A service manager that gives this answer to a poke, and notes what it is asked for besides."""

    def __init__(self, answer: bool | None) -> None:
        self.answer = answer
        self.completed = 0

    def poke(self, trigger: str) -> bool | None:
        assert trigger == "exit"
        return self.answer

    def forgive_exit(self) -> None:
        """Nothing is counted."""

    def complete_exit(self) -> None:
        self.completed += 1


def completed(paths, answer: bool | None, code: int) -> bool:
    manager = Manager(answer)
    wake.leave_to(paths, cast("ServiceManager", manager), code)
    return manager.completed == 1


@pytest.mark.parametrize(("answer", "driven"), [*itertools.product([True, False, None], [True, False])])
def test_what_is_pending_is_left_to_a_driver_that_is_seen_and_to_no_other(paths, monkeypatch, answer, driven):
    monkeypatch.setattr(wake, "_LAST_LOOK", 0.1)
    Path(paths.pending, "one.json").write_text("{}")
    lock = locks.take(paths.queue.driver_lock) if driven else None
    assert (lock is not None) == driven
    assert completed(paths, answer, RESTART_EXIT_CODE) == (answer is False or not driven)


@pytest.mark.parametrize("answer", [True, False, None])
def test_a_bare_signal_leaves_a_restarter_nothing_to_do(paths, answer):
    assert completed(paths, answer, RESTART_EXIT_CODE)


@pytest.mark.parametrize("answer", [True, False, None])
def test_a_stop_is_completed_by_nobody(paths, answer):
    assert not completed(paths, answer, 0)


def test_a_crash_keeps_the_pause_that_its_manager_makes(paths):
    assert not completed(paths, True, 1)

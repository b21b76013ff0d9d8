"""What a pending intent is said to wait for."""

import os

import pytest

from hermes_cli.intents.instance import DrainState, Instance
from hermes_cli.intents.progress import Progress
from hermes_cli.restart.waiting import waiting
from hermes_cli.system.process import Identity

NOW = 1_000_000.0
DRAINING = Instance(Identity.of(os.getpid()), "draining", drain=DrainState(NOW - 3, NOW + 177, 1))
READY = Instance(Identity.of(os.getpid()), "ready")


@pytest.mark.parametrize(
    ("noted", "running", "said"),
    [
        ("", None, "a driver"),
        ("", READY, "a driver"),
        ("", DRAINING, "drain: 1 turn, 3 s of 180 s"),
        ("drain: 1 turn, 0 s of 180 s", DRAINING, "drain: 1 turn, 3 s of 180 s"),
        ("drain: 1 turn, 0 s of 180 s", READY, "a driver to look again: the drain is over"),
        ("drain: 1 turn, 0 s of 180 s", None, "a driver to look again: the drain is over"),
        ("the old process to exit", DRAINING, "the old process to exit"),
    ],
)
def test_a_drain_is_what_is_waited_for_also_before_a_driver_has_noted_it(noted, running, said):
    assert waiting(Progress(waiting_for=noted), running, NOW).text == said

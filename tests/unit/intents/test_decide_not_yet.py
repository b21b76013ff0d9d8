"""A restart that is to wait: for its time, for an idle gateway, and for nothing else."""

import pytest
from support.values import replace

from hermes_cli.intents.decide import decide
from hermes_cli.intents.facts import Facts, Observation, Policy
from hermes_cli.intents.instance import Instance
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import Intent, Requester
from hermes_cli.intents.service import Service
from hermes_cli.intents.step import Settle, Signal, Start, Wait
from hermes_cli.system.process import Identity

NOW = 1_800_000_000.0
OLD, FRESH = Identity(4242, NOW - 9000, 1000, "boot"), Identity(4300, NOW - 1, 9000, "boot")
ASKED = Intent(
    "20270115T080000.000000Z-4321-9f3a", "restart", "manual", NOW - 10, "default", "boot", OLD, "old", Requester(), None,
    False, None, NOW + 90000, {},
)  # fmt: skip
LATER = replace(ASKED, not_before=NOW + 3600)
IDLE = replace(ASKED, when_idle=True)


def step(asked, instance, progress=None, **world):
    seen = replace(Observation(now=NOW, instance=instance, service=Service("stopped"), looked_ahead=True), **world)
    return decide(Facts(asked, progress or Progress(), seen, Policy()))


def running(identity=OLD, **changes):
    return Instance(identity, "ready", "old", identity.create_time or 0.0, handles_signal=True, **changes)


@pytest.mark.parametrize(
    ("asked", "turns", "found"),
    [
        (LATER, 0, Wait("its time, 2027-01-15T09:00 UTC", NOW + 3600)),
        (replace(LATER, not_before=NOW), 3, Signal(OLD)),  # those turns have the usual drain
        (IDLE, 1, Wait("the gateway to be idle: 1 turn", NOW + 60)),
        (IDLE, 0, Signal(OLD)),
        (replace(LATER, when_idle=True), 0, Wait("its time, 2027-01-15T09:00 UTC", NOW + 3600)),
        (replace(IDLE, not_before=NOW - 1), 2, Wait("the gateway to be idle: 2 turns", NOW + 60)),
        (replace(IDLE, expires_at=NOW - 1), 0, None),
    ],
)
def test_nothing_is_signalled_before_its_time(asked, turns, found):
    took = step(asked, running(active_turns=turns))
    if found is None:
        assert isinstance(took, Settle)
        assert took.outcome == "expired"
    else:
        assert took == found


def test_once_it_was_signalled_nothing_is_waited_for_but_the_drain():
    begun = Progress(since=NOW - 5, signals=1, signalled_pid=OLD.pid, signalled_at=NOW - 1)
    found = step(IDLE, running(active_turns=1), begun)
    assert isinstance(found, Wait)
    assert found.rule == "old_instance_was_signalled"


def test_a_gateway_that_has_gone_for_another_reason_has_carried_it_out():
    assert step(LATER, running(FRESH)).outcome == "restarted"
    assert isinstance(step(LATER, None), Start)
    assert step(LATER, running(), desired="stopped").outcome == "cancelled"

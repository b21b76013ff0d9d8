"""Who may run until when: the decision, without processes."""

import pytest

from hermes_cli.gateway.conversations.message import Message, MessageOrigin, asked_by
from hermes_cli.gateway.drain import Named, deadline_of, names, overall
from hermes_cli.intents.record import Intent, Origin, Requester
from hermes_cli.system.process import Identity

ME = Identity(4242, 1000.0, 777, "boot")


def intent(**changes) -> Intent:
    fields = {
        "id": "20261123T160511.123456Z-4321-9f3a",
        "action": "restart",
        "reason": "manual",
        "requested_at": 0.0,
        "profile": "default",
        "boot_id": "boot",
        "target": ME,
        "revision": None,
        "requester": Requester(),
        "origin": None,
        "force": False,
        "drain_timeout": None,
        "expires_at": None,
        "document": {},
    }
    return Intent(**{**fields, **changes})


def origin(**changes) -> Origin:
    return Origin(**{"channel": "local", "chat": "main", "message": "m1", "session": "main", **changes})


def message(identifier="m1", session="main", at=None) -> Message:
    return Message(1, session, identifier, "user", "text", 0.0, at or MessageOrigin.local(session))


def test_without_any_intent_the_configured_limit_holds():
    assert overall(100.0, 280.0, []) == 280.0


def test_the_smallest_drain_timeout_ends_the_drain():
    intents = [Named(intent(drain_timeout=60.0), 100.0), Named(intent(drain_timeout=20.0), 110.0)]
    assert overall(100.0, 280.0, intents) == 130.0


def test_an_intent_never_prolongs_the_drain_beyond_the_configured_limit():
    assert overall(100.0, 280.0, [Named(intent(drain_timeout=3600.0), 100.0)]) == 280.0


def test_a_forced_restart_ends_the_drain_when_it_is_seen():
    assert overall(100.0, 280.0, [Named(intent(force=True, drain_timeout=60.0), 150.0)]) == 150.0


def test_the_turn_that_asked_gets_the_grace_and_others_the_whole_drain():
    intents = [Named(intent(origin=origin()), 100.0)]
    assert deadline_of(message("m1"), 280.0, 3.0, intents, runs=True) == 103.0
    assert deadline_of(message("m2"), 280.0, 3.0, intents, runs=True) == 280.0


@pytest.mark.parametrize(("end", "until"), [(280.0, 130.0), (120.0, 120.0), (100.0, 103.0)])
def test_the_turn_that_asked_may_wait_for_its_agents_words_while_it_runs_no_command(end, until):
    intents = [Named(intent(origin=origin()), 100.0)]
    assert deadline_of(message("m1"), end, 3.0, intents, runs=False) == until


def test_the_turn_that_asked_keeps_its_grace_in_a_forced_restart():
    intents = [Named(intent(origin=origin(), force=True), 100.0)]
    for runs in (True, False):
        assert deadline_of(message("m1"), overall(100.0, 280.0, intents), 3.0, intents, runs=runs) == 103.0


def test_a_turn_that_asked_twice_gets_one_grace():
    intents = [Named(intent(origin=origin()), 100.0), Named(intent(origin=origin()), 102.0)]
    assert deadline_of(message("m1"), 280.0, 3.0, intents, runs=True) == 103.0


def test_a_turn_id_names_the_turn_as_well_as_a_message_id():
    assert asked_by(intent(origin=origin(message=None, turn="m1")), message())


@pytest.mark.parametrize("other", [{"channel": "telegram"}, {"message": "m2"}, {"session": "x", "chat": "x"}], ids=str)
def test_another_conversation_or_message_is_not_the_turn_that_asked(other):
    assert not asked_by(intent(origin=origin(**other)), message())


TOPIC = MessageOrigin("telegram", account="99", chat="-100", thread="7", external="5")


@pytest.mark.parametrize(
    "named", [{"session": "telegram:99:-100:7", "chat": "-100"}, {"session": None, "chat": "-100"}], ids=str
)
def test_a_turn_of_another_channel_is_known_by_what_that_channel_calls_it(named):
    asked = intent(origin=origin(channel="telegram", message="telegram.99.-100.5", **named))
    assert asked_by(asked, message("telegram.99.-100.5", "telegram:99:-100:7", TOPIC))
    assert not asked_by(asked, message("telegram.99.-100.5", "telegram:99:-100:7"))


def test_an_intent_without_origin_excepts_no_turn():
    assert not asked_by(intent(), message())


@pytest.mark.parametrize("target", [None, Identity(4242, 1000.0, 778, "boot"), Identity(4243, 1000.0, 777, "boot")])
def test_an_intent_for_another_instance_has_no_say(target):
    assert not names(intent(target=target), ME)


def test_an_intent_for_this_instance_has_its_say():
    assert names(intent(), ME)

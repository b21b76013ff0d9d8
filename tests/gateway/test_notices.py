"""The outcome in the chat that asked: once, in the right place, in honest words."""

import signal

import pytest

from hermes_cli.gateway.conversations.store import Store

pytestmark = pytest.mark.e2e


def origin(message="m1", session="main", channel="local"):
    return {"channel": channel, "chat": session, "session": session, "message": message, "turn": message}


def notice(client):
    return client.until(lambda event: event.get("role") == "notice")[-1]


def ask(client, text="hello", identifier="m1"):
    client.say(text, identifier)
    return client.reply_to(identifier)


def restart(gateway, start):
    gateway.signal(signal.SIGUSR1)
    assert gateway.exit_code() == 75
    return start().ready()


def test_a_restart_is_told_by_the_instance_that_came_of_it(start):
    first = start().ready()
    seq = ask(first.following())["seq"]
    intent = first.restart_intent(origin=origin())
    second = restart(first, start)
    client = second.following(after=seq)
    second.settle(intent, "restarted", "pid old to new")
    told = notice(client)
    described = second.described()
    assert told["text"].startswith(f"restarted: gateway is back as pid {second.pid}, revision {described.revision}, ")
    assert (told["id"], told["restart"], told["outcome"]) == (f"outcome:{intent}", intent, "restarted")


def test_what_was_settled_while_no_gateway_ran_is_told_at_the_start(start):
    first = start().ready()
    seq = ask(first.following())["seq"]
    intent = first.restart_intent(origin=origin())
    first.signal(signal.SIGUSR1)
    first.exit_code()
    first.settle(intent, "failed", "the new code does not start")
    assert notice(start().ready().following(after=seq))["text"] == "restart failed: the new code does not start"


def test_an_outcome_is_told_once_over_many_starts(start):
    gateway = start().ready()
    ask(gateway.following())
    intent = gateway.restart_intent(origin=origin())
    gateway.settle(intent, "cancelled", "by hand")
    for _ in range(3):
        gateway = restart(gateway, start)
        other = gateway.restart_intent()
        gateway.settle(other, "cancelled", "")
    client = gateway.following()
    ask(client, "end", "m2")
    assert [one["id"] for one in client.history() if one["role"] == "notice"] == [f"outcome:{intent}"]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("failed", "restart failed: why"),
        ("expired", "restart expired, it was not carried out: why"),
        ("cancelled", "restart cancelled: why"),
        ("already-satisfied", "no restart was needed any more: why"),
        ("rejected", "restart rejected: why"),
    ],
)
def test_only_a_restart_is_called_one(gateway, outcome, words):
    client = gateway.following()
    ask(client)
    gateway.settle(gateway.restart_intent(origin=origin()), outcome, "why")
    assert notice(client)["text"] == words


def test_outcomes_of_other_channels_and_unknown_sessions_are_not_told(gateway, paths):
    client = gateway.following()
    ask(client)
    gateway.settle(gateway.restart_intent(origin=origin(channel="telegram")), "cancelled")
    gateway.settle(gateway.restart_intent(origin=origin(session="never-seen")), "cancelled")
    gateway.settle(gateway.restart_intent(), "cancelled")
    last = gateway.restart_intent(origin=origin())
    gateway.settle(last, "cancelled")
    assert notice(client)["id"] == f"outcome:{last}"
    gateway.signal(signal.SIGTERM)
    gateway.exit_code()
    store = Store(paths.messages)
    assert not store.history("never-seen", 10)
    store.close()


def test_an_outcome_older_than_the_session_is_not_told(gateway):
    old = gateway.restart_intent(origin=origin())
    gateway.settle(old, "cancelled")
    client = gateway.following()
    ask(client)
    last = gateway.restart_intent(origin=origin())
    gateway.settle(last, "cancelled")
    assert notice(client)["id"] == f"outcome:{last}"


def test_restart_in_the_chat_records_answers_and_restarts(start):
    first = start().ready()
    client = first.following()
    reply = ask(client, "/restart")
    assert reply["text"].startswith("recorded, will be completed by ")
    assert reply["restart"] in reply["text"]
    assert first.exit_code() == 75
    second = start().ready()
    second.settle(reply["restart"], "restarted")
    assert notice(second.following(after=reply["seq"]))["restart"] == reply["restart"]


def test_a_turn_killed_with_its_gateway_still_names_the_restart_it_asked_for(start):
    first = start().ready()
    client = first.following()
    client.say("!echo begun; sleep 600", "m1")
    client.chunk_of("m1")
    intent = first.restart_intent(origin=origin())
    first.signal(signal.SIGKILL)
    first.exit_code()
    assert start().ready().following().reply_to("m1")["restart"] == intent

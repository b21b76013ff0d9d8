"""The client that outlives a gateway: nothing lost, nothing twice, and no waiting without hope."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hermes_cli.errors import NotInstalledError
from hermes_cli.gateway.channels.local.client import Conversation
from hermes_cli.intents import desired

pytestmark = pytest.mark.e2e


@pytest.fixture
def conversation(paths):
    with Conversation(paths, "main") as conversation:
        yield conversation


def reply_to(conversation, identifier):
    seen = []
    for event in conversation.events(deadline=time.monotonic() + 20):
        seen.append(event)
        if event.get("reply_to") == identifier and event["event"] == "message":
            return seen
    raise AssertionError(seen)


def test_a_message_the_gateway_never_read_is_sent_again(start, conversation):
    first = start().ready()
    conversation.open()
    first.signal(signal.SIGSTOP)
    identifier = conversation.say("!echo x")
    first.process.kill()
    first.exit_code()
    start().ready()
    assert reply_to(conversation, identifier)[-1]["text"] == "x"


def test_a_message_said_while_no_gateway_runs_is_sent_when_one_does(start, conversation):
    first = start().ready()
    conversation.open()
    reply_to(conversation, conversation.say("one"))
    first.process.kill()
    first.exit_code()
    identifier = conversation.say("two")
    start().ready()
    assert reply_to(conversation, identifier)[-1]["text"].startswith("You said: two")


def test_nothing_is_shown_twice_over_a_restart(start, conversation):
    first = start().ready()
    conversation.open()
    reply_to(conversation, conversation.say("one"))
    first.signal(signal.SIGUSR1)
    first.exit_code()
    start().ready()
    identifier = conversation.say("two")
    seen = [event["id"] for event in reply_to(conversation, identifier) if event["event"] == "message"]
    assert seen == [identifier, f"reply:{identifier}"]


def test_the_past_is_history_and_not_news(gateway, paths, conversation):
    with Conversation(paths, "main") as other:
        other.open()
        first = other.say("one")
        reply_to(other, first)
    assert [event["id"] for event in conversation.open(history=10)] == [first, f"reply:{first}"]
    identifier = conversation.say("two")
    seen = [event["id"] for event in reply_to(conversation, identifier) if event["event"] == "message"]
    assert seen == [identifier, f"reply:{identifier}"]


def test_a_gateway_that_is_starting_is_waited_for(start, conversation):
    gateway = start()
    gateway.await_state(lambda found: found.state in {"starting", "ready"})
    conversation.open()


def test_a_pending_restart_is_waited_for(start, conversation):
    first = start().ready()
    first.restart_intent()
    first.signal(signal.SIGUSR1)
    first.exit_code()
    with ThreadPoolExecutor() as pool:
        opened = pool.submit(conversation.open)
        start().ready()
        assert opened.result(20) == []


def test_a_stopped_gateway_is_not_waited_for(gateway, paths, conversation):
    conversation.open()
    desired.write(paths.desired, "stopped", "test")
    gateway.signal(signal.SIGTERM)
    gateway.exit_code()
    with pytest.raises(NotInstalledError, match="was stopped, what was accepted stays"):
        next(conversation.events())


def test_a_wish_to_stop_waiting_is_heard_while_no_gateway_runs(start, conversation):
    gateway = start().ready()
    conversation.open()
    gateway.process.kill()
    gateway.exit_code()
    wake, rouse = os.pipe()
    os.close(rouse)
    assert list(conversation.events(wake=wake)) == []
    os.close(wake)

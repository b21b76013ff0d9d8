"""Messages of another channel than the local one: what knows a conversation takes it from the message.

There is no other channel in these processes: the messages are in the store, as one leaves them there.
"""

import json
import signal
import sys

import pytest

from hermes_cli.gateway.conversations.message import MessageOrigin
from hermes_cli.gateway.conversations.store import Store

pytestmark = pytest.mark.e2e

SESSION, ID = "telegram:99:-100:7", "telegram.99.-100.5"
TOPIC = MessageOrigin("telegram", "99", "-100", "7", "4711", "5")
ORIGIN = {"channel": "telegram", "chat": "-100", "thread": "7", "message": ID, "turn": ID, "session": SESSION}
HERMES = f"'{sys.executable}' -m hermes_cli"


@pytest.fixture
def start_with(start, paths, configure):
    """Start a gateway that finds a message of that channel in its store, by somebody who may use the terminal."""
    configure("[telegram]\nterminal = [4711]")

    def begin(text, **variables):
        first = start(**variables).ready()
        first.signal(signal.SIGTERM)
        assert first.exit_code() == 0
        store = Store(paths.messages)
        assert store.accept(SESSION, ID, text, TOPIC) is not None
        store.close()
        return start(**variables).ready()

    return begin


def notice_of(gateway, paths):
    """The first notice of the session, as the store has it."""
    told = gateway.following(SESSION).until(lambda event: event.get("role") == "notice")[-1]
    store = Store(paths.messages)
    try:
        return next(message for message in store.history(SESSION, 10) if message.id == told["id"])
    finally:
        store.close()


def test_a_command_knows_the_chat_and_the_topic(start_with):
    script = (
        "import json, os; print(json.dumps({n: v for n, v in os.environ.items() if n.startswith('HERMES_SESSION_')}))"
    )
    reply = start_with(f'!"{sys.executable}" -c "{script}"').following(SESSION).reply_to(ID)
    assert json.loads(reply["text"]) == {
        "HERMES_SESSION_PLATFORM": "telegram",
        "HERMES_SESSION_CHAT_ID": "-100",
        "HERMES_SESSION_THREAD_ID": "7",
        "HERMES_SESSION_MESSAGE_ID": ID,
        "HERMES_SESSION_KEY": SESSION,
    }


def test_a_restart_in_its_terminal_does_not_wait_for_the_turn_and_is_told_to_the_topic(start_with, start, paths):
    first = start_with(f"!{HERMES} gateway restart; sleep 600")
    assert first.exit_code() == 75  # by the requester's grace; the drain itself would last for 180 s
    (intent,) = paths.queue.unsettled()
    assert intent.document["origin"] == ORIGIN
    second = start().ready()
    reply = second.following(SESSION).reply_to(ID)
    assert "cut off by the restart" in reply["text"]
    assert reply["restart"] == intent.id
    second.settle(intent.id, "restarted")
    notice = notice_of(second, paths)
    assert (notice.id, notice.origin) == (f"outcome:{intent.id}", MessageOrigin("telegram", "99", "-100", "7"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("!echo hi", "[not run: who asked may not use the terminal]"),
        ("/restart", "/restart is for those who may use the terminal"),
    ],
)
def test_who_is_not_named_may_not_use_the_terminal(start_with, configure, text, said):
    configure("[telegram]\nterminal = [4712]")
    assert start_with(text).following(SESSION).reply_to(ID)["text"] == said


def test_restart_is_recorded_for_the_topic(start_with, start, paths):
    first = start_with("/restart")
    assert first.exit_code() == 75
    (intent,) = paths.queue.unsettled()
    assert intent.document["origin"] == ORIGIN
    second = start().ready()
    second.settle(intent.id, "failed", "why")
    notice = notice_of(second, paths)
    assert (notice.text, notice.origin) == ("restart failed: why", MessageOrigin("telegram", "99", "-100", "7"))


def test_its_conversation_can_be_followed_by_the_local_channel(start_with):
    gateway = start_with("hello")
    client = gateway.following(SESSION)
    assert client.reply_to(ID)["text"] == "You said: hello. Type /help."
    client.send(op="status")
    assert client.until(lambda event: event["event"] == "status")[-1]["channels"] == {"local": {"clients": 1}}

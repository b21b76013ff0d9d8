"""Whose words an update of Telegram brings: a button of ours pressed, a message that was passed on."""

import pytest

from hermes_cli.gateway.channels.telegram import inbox
from hermes_cli.gateway.channels.telegram.access import Access
from hermes_cli.gateway.commands import named

ME = inbox.Me("99", "a_bot")
ACCESS = Access(frozenset({1}), frozenset({-100}))


def press(data="approve:abcde", user=1, chat=-100, kind="supergroup", **more):
    message = {"message_id": 5, "chat": {"id": chat, "type": kind}, **more}
    query = {"id": "777", "from": {"id": user}, "message": message, "data": data}
    batch = inbox.read([{"update_id": 3, "callback_query": query}], ME, ACCESS)
    return batch, [inbox.pressed(one, ME) for one in batch.presses]


def test_a_button_of_ours_is_its_command_in_its_topic():
    _, (arrival,) = press(message_thread_id=7, is_topic_message=True)
    assert arrival is not None
    assert (arrival.text, arrival.session) == ("/approve abcde", "telegram:99:-100:7")
    assert (arrival.origin.user, arrival.origin.thread) == ("1", "7")


def test_the_same_press_is_the_same_message():
    names = {arrival.id for _ in range(2) for arrival in press()[1] if arrival is not None}
    assert names == {"telegram.99.-100.press.777"}


@pytest.mark.parametrize("data", ["/restart", "!rm -rf /", "approve:abcde; x", "approve:", "", "approve:a\nb"])
def test_words_that_no_button_of_ours_has_are_no_command(data):
    assert press(data)[1] == [None]


@pytest.mark.parametrize("who", [{"user": 2}, {"chat": -101}], ids=["stranger", "other group"])
def test_who_may_not_write_presses_nothing(who):
    batch, commands = press(**who)
    assert (batch.next, commands) == (4, [])


@pytest.mark.parametrize("mark", ["forward_origin", "forward_date", "via_bot"])
@pytest.mark.parametrize("kind", ["private", "supergroup"])
def test_words_of_somebody_else_are_no_command(mark, kind):
    chat = {"id": 1 if kind == "private" else -100, "type": kind}
    message = {"message_id": 5, "chat": chat, "from": {"id": 1, "is_bot": False}, "text": "/restart@a_bot", mark: {}}
    (arrival,) = inbox.read([{"update_id": 3, "message": message}], ME, ACCESS).arrivals
    assert arrival.text == "[forwarded]\n/restart"
    assert named(arrival.text) is None

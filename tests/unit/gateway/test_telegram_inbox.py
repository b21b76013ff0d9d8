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


def said(text=None, *, kind="private", **more):
    """What is taken of one message of somebody who may write."""
    chat = {"id": 1 if kind == "private" else -100, "type": kind}
    words = {} if text is None else {"text": text}
    message = {"message_id": 5, "chat": chat, "from": {"id": 1, "is_bot": False}, **words, **more}
    return [one.text for one in inbox.read([{"update_id": 3, "message": message}], ME, ACCESS).arrivals]


TO_THE_BOT = {"reply_to_message": {"message_id": 4, "from": {"id": 99, "is_bot": True}}}


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("/approve abcde", ["/approve abcde"]),  # as the question says that it is typed
        ("/deny abcde", ["/deny abcde"]),
        ("/deny@a_bot abcde", ["/deny abcde"]),
        ("/approve@another_bot abcde", []),
        ("/status", []),
        ("/status@A_Bot", ["/status"]),
        ("/update@a_bot\n--to v2", ["/update\n--to v2"]),
        ("/start@a_bot", ["/help"]),
    ],
)
def test_a_command_in_a_group_is_for_the_bot_that_it_names_and_a_decision_for_who_asked(text, taken):
    assert said(text, kind="supergroup") == taken


@pytest.mark.parametrize(
    ("text", "taken"), [("/status", ["/status"]), ("/status@another_bot", []), ("and you?", ["and you?"])]
)
def test_a_reply_to_the_bot_is_for_it_unless_it_names_another(text, taken):
    assert said(text, kind="group", **TO_THE_BOT) == taken


@pytest.mark.parametrize("text", ["/start", "/start a-link-had-this", "/start@a_bot"])
def test_what_telegram_sends_for_everybody_who_opens_a_bot_is_answered_with_what_it_can(text):
    assert said(text) == ["/help"]


def test_what_is_no_command_of_ours_stays_as_it_was_typed():
    for text in ("/etc/hosts: what is in it?", "/", "/started", "/status@another_bot"):
        assert said(text) == [text]


def test_words_that_no_store_can_keep_are_kept_as_well_as_can_be():
    assert said("a \ud83d b") == ["a ? b"]
    assert said("\u202ea\0b") == ["\u202ea\0b"]


@pytest.mark.parametrize("captioned", [None, 0, 2])
def test_an_album_is_one_message_with_its_words(captioned):
    def picture(number):
        caption = {"caption": "look"} if number == captioned else {}
        return {
            "update_id": number,
            "message": {
                "message_id": number,
                "chat": {"id": 1, "type": "private"},
                "from": {"id": 1, "is_bot": False},
                "photo": [],
                "media_group_id": "7",
                **caption,
            },
        }

    batch = inbox.read([picture(number) for number in range(4)], ME, ACCESS)
    assert batch.next == 4
    words = "" if captioned is None else "\nlook"
    assert [one.text for one in batch.arrivals] == [f"[photo, which cannot be read here]{words}"]


@pytest.mark.parametrize("kind", ["sticker", "voice", "video_note", "paid_media"])
def test_what_cannot_be_read_is_named(kind):
    assert said(**{kind: {}}) == [f"[{kind.replace('_', ' ')}, which cannot be read here]"]
    assert said(kind="group", **{kind: {}}) == []


NONSENSE = (None, True, 7, "x", [], {}, [[]], {"from": 1}, {"chat": []}, {"from": {"id": []}, "chat": {"id": {}}})


@pytest.mark.parametrize("document", NONSENSE)
@pytest.mark.parametrize("kind", ["message", "callback_query", "edited_message", "channel_post", "my_chat_member"])
def test_an_update_of_another_form_is_confirmed_and_nothing_else(kind, document):
    updates = [{"update_id": 3, kind: document}, document]
    batch = inbox.read(updates, ME, ACCESS)
    assert (batch.next, batch.arrivals, batch.presses, batch.strangers) == (4, (), (), ())
    assert inbox.names(updates) == {}
    assert inbox.moves(updates) == {}


def test_a_group_that_is_a_supergroup_now_is_admitted_under_its_new_id():
    def moved(old, new):
        return {"update_id": 3, "message": {"chat": {"id": old, "type": "group"}, "migrate_to_chat_id": new}}

    moves = inbox.moves([moved(-5, -1005), moved(-6, -1006)])
    access = Access.of([1], [-5, -100], moves)
    assert [access.admits(1, chat, private=False) for chat in (-5, -100, -1005, -1006)] == [True, True, True, False]


@pytest.mark.parametrize("mark", ["forward_origin", "forward_date", "via_bot"])
@pytest.mark.parametrize("kind", ["private", "supergroup"])
def test_words_of_somebody_else_are_no_command(mark, kind):
    chat = {"id": 1 if kind == "private" else -100, "type": kind}
    message = {"message_id": 5, "chat": chat, "from": {"id": 1, "is_bot": False}, "text": "/restart@a_bot", mark: {}}
    (arrival,) = inbox.read([{"update_id": 3, "message": message}], ME, ACCESS).arrivals
    assert arrival.text == "[forwarded]\n/restart"
    assert named(arrival.text) is None

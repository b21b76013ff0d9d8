"""What is kept of deliveries: enough to make none twice, and no more."""

import pytest

from hermes_cli.gateway.approvals import PREFIX
from hermes_cli.gateway.channels.telegram.ledger import Ledger
from hermes_cli.gateway.conversations.message import TELEGRAM, MessageOrigin, Reply
from hermes_cli.gateway.conversations.store import Store

BOT, OTHER = "11", "22"


@pytest.fixture
def store(tmp_path):
    made = Store(str(tmp_path / "messages.sqlite"))
    yield made
    made.close()


def rows(store):
    return store.beside("").execute("SELECT seq, part, state FROM deliveries ORDER BY seq, part").fetchall()


def asked(store, name, bot=BOT):
    message = store.accept(f"s{name}", name, "?", MessageOrigin(TELEGRAM, bot, "5", None, "5", name))
    assert message is not None
    return message


def answered(store, name, bot=BOT):
    message = asked(store, name, bot)
    assert store.finish(message, Reply("!"), "answered") is not None
    return message.seq


def test_what_is_delivered_leaves_nothing_once_nothing_is_owed(store):
    ledger = Ledger(store, BOT, "api")
    for number in range(3):
        key = answered(store, f"m{number}")
        ledger.placed(key, 0, "7")
        ledger.done(key, 0, "7", last=0)
    assert [owed.key for owed in ledger.owed()] == []
    ledger.settle()
    assert rows(store) == []
    assert [owed.key for owed in ledger.owed()] == []


def test_what_is_still_to_come_what_never_will_and_another_bots_stays(store):
    ledger, other = Ledger(store, BOT, "api"), Ledger(store, OTHER, "api")
    preview, lost, theirs = asked(store, "running").seq, answered(store, "lost"), answered(store, "theirs", OTHER)
    ledger.placed(preview, 0, "7")
    ledger.undeliverable(lost, "blocked")
    other.done(theirs, 0, "8", last=0)
    ledger.settle()
    assert rows(store) == [
        (preview, 0, "placed"),
        (lost, -1, "undeliverable: blocked"),
        (theirs, -1, "done"),
        (theirs, 0, "done"),
    ]
    assert ledger.count_undeliverable() == 1
    assert list(other.owed()) == []


def test_what_can_still_be_changed_keeps_its_place_for_a_while(store):
    ledger = Ledger(store, BOT, "api")
    question = store.notice("s", f"{PREFIX}abcde:1", "?", origin=MessageOrigin(TELEGRAM, BOT, "5"))
    ledger.placed(question.seq, 0, "7")
    ledger.done(question.seq, 0, "7", last=0)
    ledger.settle()
    store.changes.replace(question.seq, "denied")
    (owed,) = ledger.owed()
    assert (owed.key, owed.is_change, ledger.whole(owed.key).text) == (question.seq, True, "denied")
    ledger.done(question.seq, 0, "7", last=ledger.whole(owed.key).n)
    ledger.settle()
    assert list(ledger.owed()) == []
    for number in range(1001):
        store.notice("s", f"n{number}", "!", origin=MessageOrigin(TELEGRAM, OTHER, "5"))
    ledger.settle()
    assert rows(store) == [(question.seq, -1, "done")]
    assert list(ledger.owed()) == []


def test_a_change_of_what_cannot_be_edited_any_more_repeats_nothing(store):
    ledger = Ledger(store, BOT, "api")
    key = answered(store, "m")
    ledger.done(key, 0, "7", last=0)
    ledger.settle()
    assert rows(store) == []
    store.notice("sm", "update:1:1", "more", origin=MessageOrigin(TELEGRAM, BOT, "5"), of=key)
    assert [(owed.key, ledger.whole(owed.key).text) for owed in ledger.owed()] == [(key, "more")]
    store.changes.replace(key, "other words")
    assert ledger.whole(key).text == ""

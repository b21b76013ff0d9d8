"""What is kept of deliveries: enough to make none twice, and no more."""

import pytest

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
        ledger.done(key, 0, "7", last=True)
    assert [owed.key for owed in ledger.owed()] == []
    ledger.settle()
    assert rows(store) == []
    assert [owed.key for owed in ledger.owed()] == []


def test_what_is_still_to_come_what_never_will_and_another_bots_stays(store):
    ledger, other = Ledger(store, BOT, "api"), Ledger(store, OTHER, "api")
    preview, lost, theirs = asked(store, "running").seq, answered(store, "lost"), answered(store, "theirs", OTHER)
    ledger.placed(preview, 0, "7")
    ledger.undeliverable(lost, "blocked")
    other.done(theirs, 0, "8", last=True)
    ledger.settle()
    assert rows(store) == [
        (preview, 0, "placed"),
        (lost, -1, "undeliverable: blocked"),
        (theirs, -1, "done"),
        (theirs, 0, "done"),
    ]
    assert ledger.count_undeliverable() == 1
    assert list(other.owed()) == []

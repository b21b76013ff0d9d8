"""Telegram's own tables beside the messages: from where to poll, and which parts of a message are where in its chat.

`polls.next` is kept for each server and bot: another server counts anew. A delivery's `seq` is that of the message that
was answered, or of the notice: so the preview of a running turn becomes its reply. A row with `part` -1 says that the
whole is over, one with -2 that it goes without a file. Everything above `horizons.seq` may still be to deliver.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hermes_cli.gateway.conversations.message import TELEGRAM
from hermes_cli.gateway.conversations.store import Store

_SCHEMA = """
CREATE TABLE IF NOT EXISTS polls (
    account TEXT NOT NULL,
    api TEXT NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (account, api)
);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER NOT NULL,
    part INTEGER NOT NULL,
    state TEXT NOT NULL,
    external TEXT,
    PRIMARY KEY (seq, part)
);
CREATE TABLE IF NOT EXISTS horizons (
    account TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
);
"""
_WHOLE, _NO_FILE = -1, -2  # rows that are no part: that it is over, and that its file is refused


@dataclass(frozen=True, slots=True)
class Owed:
    """A message that is to be delivered: its `seq`, the one that its delivery is kept under, and the chat."""

    seq: int
    key: int
    chat: str


class Ledger:
    """The tables of one bot at one server. Raises sqlite3.Error when the disk does not take a change."""

    def __init__(self, store: Store, account: str, api: str) -> None:
        self._store = store
        self._database = store.beside(_SCHEMA)
        self._account = account
        self._api = api

    def next(self) -> int:
        """Return the offset to poll with."""
        row = self._one("SELECT next FROM polls WHERE account = ? AND api = ?", self._account, self._api)
        return 0 if row is None else int(row[0])

    def polled(self, following: int) -> None:
        """Note the offset that confirms what was just stored; part of that transaction."""
        self._database.execute("INSERT OR REPLACE INTO polls VALUES (?, ?, ?)", (self._account, self._api, following))

    def key_of(self, seq: int) -> int:
        """Return what a message's delivery is kept under: for a reply the `seq` of what it answers."""
        row = self._one(
            "SELECT asked.seq FROM messages JOIN messages AS asked ON asked.id = messages.reply_to WHERE messages.seq = ?",
            seq,
        )
        return seq if row is None else int(row[0])

    def place(self, key: int, part: int) -> tuple[str, str | None]:
        """Return the state of a part ("" if nothing is known) and its message in the chat."""
        row = self._one("SELECT state, external FROM deliveries WHERE seq = ? AND part = ?", key, part)
        return ("", None) if row is None else (str(row[0]), row[1])

    def placed(self, key: int, part: int, external: str) -> None:
        """Commit that a part has a message in the chat, which holds no answer yet."""
        self._put(key, part, "placed", external)

    def lost(self, key: int, part: int) -> None:
        """Commit that the part's message is not there any more."""
        self._database.execute("DELETE FROM deliveries WHERE seq = ? AND part = ?", (key, part))

    def done(self, key: int, part: int, external: str, *, last: bool) -> None:
        """Commit that a part stands in the chat, and with the last one the whole."""
        with self._store.transaction():
            self._put(key, part, "done", external)
            if last:
                self._put(key, _WHOLE, "done", None)

    def without_file(self, key: int) -> None:
        """Commit that a message goes as text, however long it is: its file is refused."""
        self._put(key, _NO_FILE, "refused", None)

    def is_without_file(self, key: int) -> bool:
        """Tell whether the message's file was refused."""
        return self.place(key, _NO_FILE)[0] != ""

    def undeliverable(self, key: int, why: str) -> None:
        """Commit that a message will never be delivered."""
        self._put(key, _WHOLE, f"undeliverable: {why}", None)

    def is_over(self, key: int) -> bool:
        """Tell whether a message was delivered, or never will be."""
        return self.place(key, _WHOLE)[0] != ""

    def count_undeliverable(self) -> int:
        """Return how many messages will never be delivered."""
        row = self._one("SELECT count(*) FROM deliveries WHERE part = -1 AND state LIKE 'undeliverable%'")
        return 0 if row is None else int(row[0])

    def owed(self) -> Iterator[Owed]:
        """List what is to be delivered, oldest first."""
        rows = self._database.execute(
            "SELECT messages.seq, coalesce(asked.seq, messages.seq), origins.chat FROM messages"
            " LEFT JOIN messages AS asked ON asked.id = messages.reply_to"
            " JOIN origins ON origins.message = coalesce(messages.reply_to, messages.id)"
            " WHERE messages.seq > ? AND messages.role != 'user' AND origins.channel = ? AND origins.account = ?"
            " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE part = -1"
            " AND deliveries.seq = coalesce(asked.seq, messages.seq)) ORDER BY messages.seq",
            (self._horizon(), TELEGRAM, self._account),
        )
        for seq, key, chat in rows.fetchall():
            yield Owed(int(seq), int(key), str(chat))

    def settle(self) -> None:
        """Note that nothing is owed at this moment, so that the next start need not look through old messages."""
        with self._store.transaction():
            last = self._store.last_seq()
            self._database.execute("INSERT OR REPLACE INTO horizons VALUES (?, ?)", (self._account, last))
            # What is over needs no row any more once nothing before it is looked at. Edits of its message are not ours;
            # another bot of this home has a horizon of its own, and what cannot be delivered is counted in status.
            self._database.execute(
                "DELETE FROM deliveries WHERE seq <= ? AND NOT EXISTS (SELECT 1 FROM messages"
                " LEFT JOIN origins ON origins.message = messages.id WHERE messages.seq = deliveries.seq"
                " AND (messages.state IN ('queued', 'running') OR origins.account != ?"
                " OR (deliveries.part = -1 AND deliveries.state LIKE 'undeliverable%')))",
                (last, self._account),
            )

    def _horizon(self) -> int:
        row = self._one("SELECT seq FROM horizons WHERE account = ?", self._account)
        return 0 if row is None else int(row[0])

    def _put(self, key: int, part: int, state: str, external: str | None) -> None:
        self._database.execute("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?)", (key, part, state, external))

    def _one(self, query: str, *values: str | int) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        return row


@contextmanager
def suppressed() -> Iterator[None]:
    """Go on without a note that the disk does not take: it is made again when it is needed."""
    try:
        yield
    except sqlite3.Error:
        return

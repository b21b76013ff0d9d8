"""Telegram's own tables beside the messages: from where to poll, and which parts of a message are where in its chat.

`polls.next` is kept for each server and bot: another server counts anew. A delivery's `seq` is that of the message that
was answered, or of the notice: so the preview of a running turn becomes its reply, and what goes on with it an edit of
that. A row with `part` -1 says that the whole is over, and by `external` which was the last change in it; one with -2
that it goes without a file. `moves` is of the groups that became supergroups: only those that are allowed are kept.
Everything above `horizons.seq` may still be to deliver, and so may every change.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hermes_cli.gateway.approvals import PREFIX
from hermes_cli.gateway.conversations.changes import Whole
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
CREATE TABLE IF NOT EXISTS moves (
    old TEXT PRIMARY KEY,
    new TEXT NOT NULL
);
"""
_WHOLE, _NO_FILE = -1, -2  # rows that are no part: that it is over, and that its file is refused
_EDITABLE = 1000  # messages after which one that stands is not edited any more


@dataclass(frozen=True, slots=True)
class Owed:
    """A message that is to be delivered, or a change of it: what its delivery is kept under, and the chat."""

    key: int
    chat: str
    is_change: bool = False


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

    def moved(self, moves: Mapping[str, str]) -> None:
        """Note groups that have another id now; part of the transaction that stores what was said there."""
        self._database.executemany("INSERT OR REPLACE INTO moves VALUES (?, ?)", moves.items())

    def moves(self) -> dict[str, str]:
        """Return the new ids of the groups that have one, by their old ones."""
        return {str(old): str(new) for old, new in self._database.execute("SELECT old, new FROM moves")}

    def key_of(self, seq: int) -> int:
        """Return what a message's delivery is kept under: for a reply the `seq` of what it answers."""
        target = self._store.changes.changed_by(seq)
        if target is not None:
            return target
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

    def done(self, key: int, part: int, external: str, mark: str = "done", *, last: int | None) -> None:
        """Commit that a part stands in the chat: `mark` tells as what. With the last one the whole does: `last` change."""
        with self._store.transaction():
            self._put(key, part, mark, external)
            if last is not None:
                self._put(key, _WHOLE, "done", str(last))

    def current(self, key: int, last: int) -> None:
        """Commit that the whole stands as of that change."""
        self._put(key, _WHOLE, "done", str(last))

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
        """Tell whether a message was delivered with all its changes, or never will be."""
        state, last = self.place(key, _WHOLE)
        return state.startswith("undeliverable") or (state != "" and int(last or 0) >= self._store.changes.last(key))

    def whole(self, key: int) -> Whole | None:
        """Return what is to stand in the chat, None if nothing is. What cannot be edited any more is only gone on with."""
        base = self._store.changes.base(key)
        if base is None:
            return None
        state, last = self.place(key, _WHOLE)
        is_lost = (state == "done" or base.seq <= self._horizon()) and self.place(key, 0)[1] is None
        return self._store.changes.whole(key, base, above=int(last or 0) if is_lost else None)

    def parts(self, key: int) -> list[str]:
        """List the messages in the chat that hold the parts."""
        rows = self._database.execute(
            "SELECT external FROM deliveries WHERE seq = ? AND part >= 0 ORDER BY part", (key,)
        )
        return [str(row[0]) for row in rows.fetchall()]

    def count_undeliverable(self) -> int:
        """Return how many messages will never be delivered."""
        row = self._one("SELECT count(*) FROM deliveries WHERE part = -1 AND state LIKE 'undeliverable%'")
        return 0 if row is None else int(row[0])

    def owed(self) -> Iterator[Owed]:
        """List what is to be delivered, oldest first, and then what is to be changed."""
        rows = self._database.execute(
            "SELECT coalesce(asked.seq, messages.seq), origins.chat FROM messages"
            " LEFT JOIN messages AS asked ON asked.id = messages.reply_to"
            " JOIN origins ON origins.message = coalesce(messages.reply_to, messages.id)"
            " WHERE messages.seq > ? AND messages.role != 'user' AND origins.channel = ? AND origins.account = ?"
            " AND messages.seq NOT IN (SELECT message FROM changes WHERE message IS NOT NULL)"
            " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE part = -1"
            " AND deliveries.seq = coalesce(asked.seq, messages.seq)) ORDER BY messages.seq",
            (self._horizon(), TELEGRAM, self._account),
        )
        for key, chat in rows.fetchall():
            yield Owed(int(key), str(chat))
        rows = self._database.execute(
            "SELECT target, origins.chat FROM changes JOIN messages ON messages.seq = target"
            " JOIN origins ON origins.message = messages.id LEFT JOIN deliveries ON deliveries.seq = target AND part = -1"
            " WHERE origins.channel = ? AND origins.account = ? AND coalesce(deliveries.state, '') NOT LIKE 'undeliverable%'"
            " GROUP BY target HAVING max(n) > coalesce(CAST(deliveries.external AS INTEGER), 0) ORDER BY target",
            (TELEGRAM, self._account),
        )
        for key, chat in rows.fetchall():
            yield Owed(int(key), str(chat), is_change=True)

    def settle(self) -> None:
        """Note that nothing is owed at this moment, so that the next start need not look through old messages."""
        with self._store.transaction():
            last = self._store.last_seq()
            self._database.execute("INSERT OR REPLACE INTO horizons VALUES (?, ?)", (self._account, last))
            # What is over needs no row any more once nothing before it is looked at, and nothing changes it, as it does a
            # question and the answer to /update. Another bot of this home has a horizon of its own, and what cannot be delivered is counted in status.
            self._database.execute(
                "DELETE FROM deliveries WHERE seq <= ? AND NOT EXISTS (SELECT 1 FROM messages"
                " LEFT JOIN origins ON origins.message = messages.id WHERE messages.seq = deliveries.seq"
                " AND (messages.state IN ('queued', 'running') OR origins.account != ?"
                " OR (deliveries.part = -1 AND deliveries.state LIKE 'undeliverable%')))"
                " AND NOT (part = -1 AND EXISTS (SELECT 1 FROM changes WHERE target = deliveries.seq))"
                " AND NOT (seq > ? AND EXISTS (SELECT 1 FROM messages WHERE messages.seq = deliveries.seq"
                " AND (id LIKE ? OR text LIKE '/update%')))",
                (last, self._account, last - _EDITABLE, f"{PREFIX}%"),
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

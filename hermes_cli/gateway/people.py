"""People who were let in by a code, and the codes that wait: two tables beside the messages, for every channel.

    stranger writes → a code, told in the chat → `hermes pairing approve CODE` → a person who may write

The gateway makes codes, the command line approves and revokes; both work on the same file, and the gateway reads it at
each message. Of what a stranger wrote nothing is kept. All limits are here: what a stranger can make grow is bounded.
"""

import hmac
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from hermes_cli.gateway.conversations.message import Message, MessageOrigin
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.system.printable import printable

CODE_LIFE = 3600.0  # seconds
MOST_CODES = 20  # that are open for one bot
MOST_ANSWERS = 3  # to one stranger, for one code; then nothing is said until it is over
MOST_WRONG = 10  # wrong codes that an open one outlives
MOST_PEOPLE = 1000
LONGEST_NAME = 64  # letters
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without what is read as another character
_LENGTH = 8  # 31^8: 40 bits
_SCHEMA = """
CREATE TABLE IF NOT EXISTS people (
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    user TEXT NOT NULL,
    chat TEXT NOT NULL,
    name TEXT NOT NULL,
    terminal INTEGER NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (channel, account, user)
);
CREATE TABLE IF NOT EXISTS pairing (
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    user TEXT NOT NULL,
    chat TEXT NOT NULL,
    name TEXT NOT NULL,
    code TEXT NOT NULL,
    since REAL NOT NULL,
    answers INTEGER NOT NULL,
    wrong INTEGER NOT NULL,
    PRIMARY KEY (channel, account, user)
);
"""


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who may not write and did, in private. `account` is ours at the channel; `name` is what they say."""

    channel: str
    account: str
    user: str
    chat: str
    name: str

    @property
    def session(self) -> str:
        """Where they are told: beside the conversation, of which a model should know nothing of this."""
        return f"{self.channel}:{self.account}:{self.chat}:pairing"

    @property
    def origin(self) -> MessageOrigin:
        """Where what they are told goes."""
        return MessageOrigin(self.channel, self.account, self.chat)


@dataclass(frozen=True, slots=True)
class Person(Stranger):
    """Somebody who was let in at `since` (epoch seconds)."""

    terminal: bool
    since: float


@dataclass(frozen=True, slots=True)
class Waiting(Stranger):
    """Somebody who has a code since `since` (epoch seconds)."""

    code: str
    since: float
    answers: int

    @property
    def expires(self) -> float:
        """When the code is over (epoch seconds)."""
        return self.since + CODE_LIFE

    def is_open(self, now: float) -> bool:
        """Tell whether the code counts. One from the future does not: the clock was set back."""
        return self.since <= now < self.expires


class FullError(Exception):
    """So many people were let in that nobody else is."""


class People:
    """The tables. Raises sqlite3.Error when the disk does not take a change; then nothing changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.beside(_SCHEMA)
        self._version = self._data_version()

    def is_changed(self) -> bool:
        """Tell whether another process has written into the file since this was asked last."""
        before, self._version = self._version, self._data_version()
        return before != self._version

    def users(self, channel: str, account: str | None = None, *, terminal: bool = False) -> frozenset[str]:
        """Return the ids of those who were let in; with `terminal`, of those who may use it. Without an account: to any."""
        rows = self._database.execute(
            "SELECT user FROM people WHERE channel = ? AND ? IN (account, '') AND terminal >= ?",
            (channel, account or "", int(terminal)),
        )
        return frozenset(str(row[0]) for row in rows)

    def all(self) -> list[Person]:
        """List who was let in, the longest first."""
        rows = self._database.execute(
            "SELECT channel, account, user, chat, name, terminal, since FROM people ORDER BY since, user"
        )
        return [_person(*row) for row in rows.fetchall()]

    def waiting(self, now: float) -> list[Waiting]:
        """List whose code is open, the oldest first."""
        rows = self._database.execute(
            "SELECT channel, account, user, chat, name, code, since, answers FROM pairing ORDER BY since, user"
        )
        return [found for row in rows.fetchall() if (found := Waiting(*row)).is_open(now)]

    def ask(self, stranger: Stranger, now: float) -> str | None:
        """Return the code to tell a stranger, or None to say nothing. Part of the caller's transaction."""
        self._forget(now)
        theirs = [
            one for one in self.waiting(now) if (one.channel, one.account) == (stranger.channel, stranger.account)
        ]
        mine = next((one for one in theirs if one.user == stranger.user), None)
        if mine is None and len(theirs) >= MOST_CODES:
            return None
        if mine is not None and mine.answers >= MOST_ANSWERS:
            return None
        key = (stranger.channel, stranger.account, stranger.user)
        if mine is not None:
            self._database.execute(
                "UPDATE pairing SET answers = answers + 1 WHERE channel = ? AND account = ? AND user = ?", key
            )
            return mine.code
        import secrets  # with OpenSSL, which few gateways need

        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        self._database.execute(
            "INSERT OR REPLACE INTO pairing VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0)",
            (*key, stranger.chat, printable(stranger.name, LONGEST_NAME), code, now),
        )
        return code

    def approve(self, typed: str, now: float, *, terminal: bool, welcome: str) -> Person | None:
        """Let in whose open code this is, and leave `welcome` for them. Return None if there is none. Raises FullError."""
        wanted = plain(typed).encode()
        with self._store.transaction():
            self._forget(now)
            found = [one for one in self.waiting(now) if hmac.compare_digest(one.code.encode(), wanted)]
            if not found:
                self._database.execute("UPDATE pairing SET wrong = wrong + 1")
                self._database.execute("DELETE FROM pairing WHERE wrong >= ?", (MOST_WRONG,))
                return None
            if len(self.all()) >= MOST_PEOPLE:
                raise FullError
            one = found[0]
            person = Person(one.channel, one.account, one.user, one.chat, one.name, terminal=terminal, since=now)
            self._database.execute(
                "INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?, ?, ?, ?)",
                (one.channel, one.account, one.user, one.chat, one.name, int(terminal), now),
            )
            self._drop("pairing", one.user)
            self._store.put_notice(
                one.session, f"paired:{one.channel}:{one.account}:{one.user}:{now}", welcome, one.origin
            )
        return person

    def revoke(self, user: str) -> bool:
        """End what a user may, and their open code. Return whether there was any of it."""
        with self._store.transaction():
            return self._drop("people", user) + self._drop("pairing", user) > 0

    def _drop(self, table: str, user: str) -> int:
        return self._database.execute(f"DELETE FROM {table} WHERE user = ?", (user,)).rowcount  # noqa: S608  a literal

    def _forget(self, now: float) -> None:
        """Remove codes that are over."""
        self._database.execute("DELETE FROM pairing WHERE NOT (since <= ? AND ? < since + ?)", (now, now, CODE_LIFE))

    def _data_version(self) -> int:
        return int(self._database.execute("PRAGMA data_version").fetchone()[0])


def _person(channel: str, account: str, user: str, chat: str, name: str, terminal: int, since: float) -> Person:  # noqa: PLR0917  a row
    return Person(channel, account, user, chat, name, bool(terminal), since)


def tell(people: People, store: Store, strangers: Iterable[Stranger], now: float, text: str) -> list[Message]:
    """Give strangers their codes, within the caller's transaction. Return what to tell them; `text` has {code} in it."""
    told = {}
    for stranger in {one.user: one for one in strangers}.values():
        code = people.ask(stranger, now)
        if code is not None:
            identifier = f"pairing:{stranger.channel}:{stranger.account}:{stranger.user}:{now}"
            told[identifier] = store.put_notice(
                stranger.session, identifier, text.format(code=shown(code)), stranger.origin
            )
    return [message for message in told.values() if message is not None]


def plain(typed: str) -> str:
    """Return a code as it is kept: however it was typed."""
    return "".join(letter for letter in typed.upper() if letter not in "- ")


def shown(code: str) -> str:
    """Return a code as people read it."""
    return f"{code[:4]}-{code[4:]}"


def is_code(typed: str) -> bool:
    """Tell whether this can be a code at all."""
    found = plain(typed)
    return len(found) == _LENGTH and set(found) <= set(_ALPHABET)


def opened(path: str) -> tuple[Store, People]:
    """Open the tables of the profile whose messages are at `path`. Raises sqlite3.Error, database.CorruptError, OSError."""
    store = Store(path)
    try:
        return store, People(store)
    except sqlite3.Error:
        store.close()
        raise

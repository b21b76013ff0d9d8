"""Sessions and messages on stable storage: what was acknowledged is answered exactly once, whatever dies in between.

A user's message goes queued → running → answered | interrupted. `running` is committed before the turn starts, and a
message found running at start-up is never run again: at most one execution, exactly one reply. Every commit is an
fsync (a millisecond or so); calls come from the event loop's thread only.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["user", "assistant", "notice"]
Ended = Literal["answered", "interrupted"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'notice')),
    text TEXT NOT NULL,
    at REAL NOT NULL,
    reply_to TEXT UNIQUE,
    state TEXT CHECK (state IN ('queued', 'running', 'answered', 'interrupted')),
    instance TEXT,
    streamed INTEGER NOT NULL DEFAULT 0,
    rest TEXT NOT NULL DEFAULT '',
    restart TEXT,
    outcome TEXT
);
CREATE INDEX IF NOT EXISTS by_session ON messages (session, seq);
CREATE INDEX IF NOT EXISTS unfinished ON messages (state) WHERE state IN ('queued', 'running');
"""
_COLUMNS = "seq, session, id, role, text, at, reply_to, state, streamed, rest, restart, outcome"
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# A check of every page costs a few milliseconds for this much; beyond it SQLite finds damage when it meets it.
_CHECKED_SIZE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """One row. `streamed`: how many characters went out as chunks; `rest`: what of a reply came after them."""

    seq: int
    session: str
    id: str
    role: Role
    text: str
    at: float
    reply_to: str | None = None
    state: str | None = None
    streamed: int = 0
    rest: str = ""
    restart: str | None = None
    outcome: str | None = None

    def event(self) -> dict[str, Any]:
        """As the local channel's `message` event."""
        event: dict[str, Any] = {
            "event": "message",
            "seq": self.seq,
            "role": self.role,
            "id": self.id,
            "reply_to": self.reply_to,
            "text": self.text,
            "at": self.at,
            "state": self.state,
            "streamed": self.streamed,
            "rest": self.rest,
        }
        if self.restart is not None:
            event["restart"] = self.restart
        if self.outcome is not None:
            event["outcome"] = self.outcome
        return event


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a turn; see `Message` for the fields."""

    text: str
    streamed: int = 0
    rest: str = ""
    restart: str | None = None


class Store:
    """The open database. Raises sqlite3.Error when the disk does not take a change; then nothing changed."""

    def __init__(self, path: str) -> None:
        # SQLite gives its -wal and -shm files the mode of the database, so this one decides for all three.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        self._database = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON"):
                self._database.execute(f"PRAGMA {pragma}")
            if os.path.getsize(path) <= _CHECKED_SIZE:
                self._check()
            self._database.executescript(_SCHEMA)
            self._check_shape()
        except BaseException:
            self._database.close()
            raise

    def accept(self, session: str, identifier: str, text: str) -> Message | None:
        """Store a user's message, queued; None when this id is stored already."""
        return self._insert(session, identifier, "user", text, state="queued")

    def queued_sessions(self) -> list[str]:
        """Sessions with a message that waits for its turn, the longest waiting first."""
        rows = self._database.execute(
            "SELECT session FROM messages WHERE state = 'queued' GROUP BY session ORDER BY min(seq)"
        )
        return [row[0] for row in rows]

    def next_queued(self, session: str) -> Message | None:
        """The session's oldest message that waits for its turn."""
        found = self._select("session = ? AND state = 'queued' ORDER BY seq LIMIT 1", session)
        return found[0] if found else None

    def begin(self, message: Message, instance: str) -> None:
        """Commit that the turn starts now, in `instance`: from here on it is never run again."""
        self._database.execute(
            "UPDATE messages SET state = 'running', instance = ? WHERE id = ? AND state = 'queued'",
            (instance, message.id),
        )

    def finish(self, message: Message, reply: Reply, ended: Ended) -> Message | None:
        """Store the reply and the message's end in one transaction; None when it has a reply already."""
        with self._transaction():
            self._database.execute("UPDATE messages SET state = ? WHERE id = ?", (ended, message.id))
            return self._insert(
                message.session,
                f"reply:{message.id}",
                "assistant",
                reply.text,
                reply_to=message.id,
                streamed=reply.streamed,
                rest=reply.rest,
                restart=reply.restart,
            )

    def running(self) -> list[Message]:
        """Messages whose turn was begun and not finished: at start-up, those of dead instances."""
        return self._select("state = 'running' ORDER BY seq")

    def notice(
        self, session: str, identifier: str, text: str, restart: str | None, outcome: str | None
    ) -> Message | None:
        """Store an outcome, or what an update says; None when it is stored already, by this instance or an earlier one."""
        return self._insert(session, identifier, "notice", text, restart=restart, outcome=outcome)

    def reply_to(self, identifier: str) -> Message | None:
        """The reply to the message with this id."""
        found = self._select("reply_to = ?", identifier)
        return found[0] if found else None

    def last_with_prefix(self, prefix: str) -> str | None:
        """The greatest id that begins like this."""
        query = "SELECT max(id) FROM messages WHERE id >= ? AND id < ?"
        found = self._database.execute(query, (prefix, f"{prefix}~")).fetchone()[0]
        return None if found is None else str(found)

    def knows(self, session: str, before: float) -> bool:
        """Whether the session had a message at the time `before` (epoch seconds)."""
        query = "SELECT 1 FROM messages WHERE session = ? AND role = 'user' AND at <= ? LIMIT 1"
        return self._database.execute(query, (session, before)).fetchone() is not None

    def has(self, identifier: str) -> bool:
        """Whether a message with this id is stored."""
        return self._database.execute("SELECT 1 FROM messages WHERE id = ?", (identifier,)).fetchone() is not None

    def after(self, session: str, seq: int, limit: int) -> list[Message]:
        """The session's messages with a higher `seq`, oldest first."""
        return self._select("session = ? AND seq > ? ORDER BY seq LIMIT ?", session, seq, limit)

    def history(self, session: str, limit: int) -> list[Message]:
        """The session's last messages, oldest first."""
        return self._select("session = ? ORDER BY seq DESC LIMIT ?", session, limit)[::-1]

    def last_seq(self) -> int:
        """The highest `seq` of the database; 0 when it is empty."""
        return int(self._database.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0])

    def close(self) -> None:
        """Write everything back and close."""
        self._database.close()

    def _insert(
        self,
        session: str,
        identifier: str,
        role: Role,
        text: str,
        *,
        reply_to: str | None = None,
        state: str | None = None,
        streamed: int = 0,
        rest: str = "",
        restart: str | None = None,
        outcome: str | None = None,
    ) -> Message | None:
        now = time.time()
        cursor = self._database.execute(
            "INSERT INTO messages (session, id, role, text, at, reply_to, state, streamed, rest, restart,"
            " outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (session, identifier, role, text, now, reply_to, state, streamed, rest, restart, outcome),
        )
        if cursor.rowcount != 1 or cursor.lastrowid is None:
            return None
        seq = cursor.lastrowid
        return Message(seq, session, identifier, role, text, now, reply_to, state, streamed, rest, restart, outcome)

    def _select(self, where: str, *values: str | float) -> list[Message]:
        query = f"SELECT {_COLUMNS} FROM messages WHERE {where}"  # noqa: S608  `where` is a literal in this class
        return [Message(*row) for row in self._database.execute(query, values)]

    def _check(self) -> None:
        found = self._database.execute("PRAGMA quick_check(1)").fetchone()
        if found is None or found[0] != "ok":
            raise CorruptError(str(found and found[0]))

    def _check_shape(self) -> None:
        # A database that some other program or release made: unusable is as good as corrupt.
        try:
            self._database.execute(f"SELECT {_COLUMNS}, instance FROM messages LIMIT 0")  # noqa: S608  both literals
        except sqlite3.OperationalError as error:
            raise CorruptError(str(error)) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


class CorruptError(Exception):
    """The file is no database of ours."""


def open_store(path: str) -> tuple[Store, str | None]:
    """The store at `path`, and the new name of a corrupt file that had to make way, if there was one.

    Raises sqlite3.Error or OSError when the disk is full or not ours: then the file is not to blame and stays.
    """
    try:
        return Store(path), None
    except CorruptError:
        pass
    except sqlite3.DatabaseError as error:
        # The low byte is the primary code (sqlite.org/rescode.html); locked, full and the like are not corruption.
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _BROKEN:
            raise
    aside = f"{path}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}"
    os.rename(path, aside)
    for suffix in ("-wal", "-shm"):
        if os.path.exists(path + suffix):  # a log of the old file would be replayed into the new one
            os.rename(path + suffix, aside + suffix)
    return Store(path), aside

"""Sessions and messages on stable storage: what was acknowledged is answered exactly once, whatever dies in between.

A user's message goes queued → running → answered | interrupted. `running` is committed before the turn starts, and a
message that is running at start-up is never run again: at most one execution, exactly one reply. Every commit is an
fsync (a millisecond or so); calls come from the event loop's thread only.

A message that has no row in `origins` is the local channel's; a reply has the origin of the message that it answers.

An id is unique within its session, and `messages.id` over all of them: where another session has it already, what is
stored is the id and the session (`_qualified`). A `Message` has the id as its sender knows it, and is found by its `seq`.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from hermes_cli.gateway.conversations.changes import Changes
from hermes_cli.gateway.conversations.database import (
    COLUMNS,
    ORIGIN,
    CorruptError,
    connect,
    is_damage,
    read_through,
    set_aside,
    transaction,
)
from hermes_cli.gateway.conversations.forms import Span
from hermes_cli.gateway.conversations.message import LOCAL, Ended, Message, MessageOrigin, Reply, Role
from hermes_cli.gateway.conversations.room import FullError, Room, make_room


class Arrival(NamedTuple):
    """A user's message that has come in."""

    session: str
    id: str
    text: str
    origin: MessageOrigin


# The words of the index `unfinished`: only who repeats them is served by it (sqlite.org/partialindex.html), and everybody
# else reads every message there ever was. A `+` keeps a session's own index, which has all of its messages, out of it.
_UNFINISHED = "state IN ('queued', 'running')"
_QUEUED = f"{_UNFINISHED} AND state = 'queued'"
_COUNT_QUEUED = f"SELECT count(*) FROM messages WHERE {_QUEUED}"  # noqa: S608  a literal


class Store:
    """The open database. Raises sqlite3.Error when the disk does not take a change; then nothing changed."""

    def __init__(self, path: str, room: Room | None = None) -> None:
        """Open the file. Raises CorruptError, OSError and sqlite3.Error."""
        self._room = room or Room()
        self._database = connect(path)
        self.changes = Changes(self, self._database)

    def accept(self, session: str, identifier: str, text: str, origin: MessageOrigin | None = None) -> Message | None:
        """Store a user's message, queued. Return None if a message with this id is stored already.

        Without an origin it is the local channel's. Raises FullError.
        """
        waiting = self._database.execute(_COUNT_QUEUED).fetchone()[0]
        known, free = self._place(session, identifier)
        if known is not None:
            return None
        if waiting >= self._room.queued:
            raise FullError(f"{waiting} messages wait for their turn already: repeat later")
        make_room(self._database, self._room)
        with self.transaction():
            return self._insert(session, free, "user", text, origin, state="queued")

    def accept_batch(self, arrivals: Sequence[Arrival], beside: Callable[[], None]) -> list[Message]:
        """Store messages, queued, and what `beside` writes into other tables of this file, in one commit.

        Return those that were not stored already. There must be `room` for them.
        """
        make_room(self._database, self._room)
        stored = []
        with self.transaction():
            for one in arrivals:
                known, free = self._place(one.session, one.id)
                if known is None:
                    stored.append(self._insert(one.session, free, "user", one.text, one.origin, state="queued"))
            beside()
        return [message for message in stored if message is not None]

    def room(self) -> int:
        """Return how many more messages may wait for their turn."""
        waiting = self._database.execute(_COUNT_QUEUED).fetchone()[0]
        return max(0, self._room.queued - int(waiting))

    def beside(self, schema: str) -> sqlite3.Connection:
        """Return the connection, for tables of a channel's own that `schema` makes where they are missing.

        What belongs together with a message is written within `transaction`.
        """
        self._database.executescript(schema)
        return self._database

    def message(self, seq: int) -> Message | None:
        """Return the message with this `seq`."""
        return self._first("seq = ?", seq)

    def waiting_in(self, channel: str) -> list[Message]:
        """List a channel's messages that wait for their turn or are in it, oldest first."""
        return self._select(f"{_UNFINISHED} AND channel = ? ORDER BY seq", channel)

    def queued_sessions(self) -> list[str]:
        """List the sessions with a message that waits for its turn, the longest waiting first."""
        rows = self._database.execute(
            f"SELECT session FROM messages WHERE {_QUEUED} GROUP BY +session ORDER BY min(seq)"  # noqa: S608  a literal
        )
        return [row[0] for row in rows]

    def next_queued(self, session: str) -> Message | None:
        """Return the session's oldest message that waits for its turn."""
        return self._first(f"{_QUEUED} AND +session = ? ORDER BY seq LIMIT 1", session)

    def begin(self, message: Message, instance: str) -> None:
        """Commit that the turn starts now, in `instance`: from here on it is never run again."""
        self._database.execute(
            "UPDATE messages SET state = 'running', instance = ? WHERE seq = ? AND state = 'queued'",
            (instance, message.seq),
        )

    def finish(self, message: Message, reply: Reply, ended: Ended) -> Message | None:
        """Store the reply and the message's end in one transaction. Return None if it has a reply already."""
        with self.transaction():
            self._database.execute("UPDATE messages SET state = ? WHERE seq = ?", (ended, message.seq))
            row = self._database.execute("SELECT id FROM messages WHERE seq = ?", (message.seq,)).fetchone()
            stored = message.id if row is None else str(row[0])
            inserted = self._insert(
                message.session,
                f"reply:{stored}",
                "assistant",
                reply.text,
                message.origin,
                reply_to=stored,
                streamed=reply.streamed,
                rest=reply.rest,
                restart=reply.restart,
            )
            if inserted is not None and reply.spans:
                spans = json.dumps(reply.spans)
                self._database.execute("INSERT OR REPLACE INTO forms VALUES (?, ?)", (inserted.seq, spans))
            return inserted

    def spans(self, seq: int) -> tuple[Span, ...]:
        """Return which stretches of a reply's text are of which form."""
        row = self._database.execute("SELECT spans FROM forms WHERE seq = ?", (seq,)).fetchone()
        return () if row is None else tuple(Span(*span) for span in json.loads(row[0]))

    def drop_queued(self, session: str, why: str) -> list[Message]:
        """Answer everything that waits in a session with `why`, and run none of it. Return the replies."""
        waiting = self._select(f"{_QUEUED} AND +session = ? ORDER BY seq", session)
        replies = [self.finish(message, Reply(why), "interrupted") for message in waiting]
        return [reply for reply in replies if reply is not None]

    def count_queued(self, session: str) -> int:
        """Return how many messages of a session wait for their turn."""
        return int(self._database.execute(f"{_COUNT_QUEUED} AND +session = ?", (session,)).fetchone()[0])

    def renew(self, message: Message) -> None:
        """Begin a new conversation in the message's session, behind that message."""
        self._database.execute("INSERT OR REPLACE INTO beginnings VALUES (?, ?)", (message.session, message.seq))

    def beginning(self, session: str) -> int:
        """Return the `seq` that the session's conversation begins behind, 0 if it is all one."""
        row = self._database.execute("SELECT seq FROM beginnings WHERE session = ?", (session,)).fetchone()
        return 0 if row is None else int(row[0])

    def running(self) -> list[Message]:
        """List the messages whose turn was begun and not finished: at start-up, those of dead instances."""
        return self._select(f"{_UNFINISHED} AND state = 'running' ORDER BY seq")

    def notice(
        self,
        session: str,
        identifier: str,
        text: str,
        restart: str | None = None,
        outcome: str | None = None,
        *,
        origin: MessageOrigin | None = None,
        of: int | None = None,
    ) -> Message | None:
        """Store an outcome, or what an update says, for the place that `origin` names.

        `of`: the `seq` of what it goes on with, see `changes`. Return None if it is stored already, by this instance or
        an earlier one.
        """
        with self.transaction():
            stored = self._insert(session, identifier, "notice", text, origin, restart=restart, outcome=outcome)
            if stored is not None and of is not None:
                self.changes.go_on(of, stored.seq)
            return stored

    def put_notice(self, session: str, identifier: str, text: str, origin: MessageOrigin) -> Message | None:
        """Store a notice as part of the caller's `transaction`. Return None if it is stored already."""
        return self._insert(session, identifier, "notice", text, origin)

    def reply_to(self, identifier: str, session: str | None = None) -> Message | None:
        """Return the reply to the message with this id; of that session, if it is known."""
        if session is None:
            return self._first("reply_to = ?", identifier)
        return self._first("reply_to IN (?, ?) AND session = ?", identifier, _qualified(session, identifier), session)

    def reply_of(self, seq: int) -> Message | None:
        """Return the reply to the message with this `seq`."""
        return self._first("reply_to = (SELECT id FROM messages WHERE seq = ?)", seq)

    def asked(self, session: str, identifier: str) -> Message | None:
        """Return the user's message with this id."""
        names = (identifier, _qualified(session, identifier))
        return self._first("id IN (?, ?) AND session = ? AND role = 'user'", *names, session)

    def unchanged(self, prefix: str) -> list[Message]:
        """List the messages whose id begins with `prefix` and of which nothing became."""
        where = "id >= ? AND id < ? AND seq NOT IN (SELECT target FROM changes) ORDER BY seq"
        return self._select(where, prefix, f"{prefix}~")

    def last_with_prefix(self, prefix: str) -> str | None:
        """Return the greatest id that begins with `prefix`."""
        query = "SELECT max(id) FROM messages WHERE id >= ? AND id < ?"
        greatest = self._database.execute(query, (prefix, f"{prefix}~")).fetchone()[0]
        return None if greatest is None else str(greatest)

    def origin_in(self, session: str, channel: str, before: float) -> MessageOrigin | None:
        """Return where the session's last user message of `channel` came from.

        None if the session had no message of that channel at the time `before` (epoch seconds).
        """
        where = f"session = ? AND role = 'user' AND at <= ? AND coalesce(channel, '{LOCAL}') = ?"
        message = self._first(f"{where} ORDER BY seq DESC LIMIT 1", session, before, channel)
        return None if message is None else message.origin

    def has(self, identifier: str) -> bool:
        """Tell whether a message with this id is stored."""
        return self._database.execute("SELECT 1 FROM messages WHERE id = ?", (identifier,)).fetchone() is not None

    def after(self, session: str, seq: int, limit: int) -> list[Message]:
        """List the session's messages with a higher `seq`, oldest first."""
        return self._select("session = ? AND seq > ? ORDER BY seq LIMIT ?", session, seq, limit)

    def history(self, session: str, limit: int, characters: int = 1 << 30) -> list[Message]:
        """List the session's last messages, oldest first: at most `limit`, with so many characters of text."""
        found: list[Message] = []
        for message in self._rows("session = ? ORDER BY seq DESC LIMIT ?", session, limit):
            characters -= len(message.text)
            if characters < 0:
                break
            found.append(message)
        return found[::-1]

    def last_seq(self) -> int:
        """Return the highest `seq` of the database, 0 if it is empty."""
        return int(self._database.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0])

    def transaction(self) -> AbstractContextManager[None]:
        """Commit what is done within, or nothing of it. Raises sqlite3.Error."""
        return transaction(self._database)

    def close(self) -> None:
        """Write everything back and close the file."""
        self._database.close()

    def _place(self, session: str, identifier: str) -> tuple[str | None, str]:
        """Return what the session has this id stored as, or None, and what a new message would be stored as."""
        names = (identifier, _qualified(session, identifier))
        rows = self._database.execute("SELECT id, session FROM messages WHERE id IN (?, ?)", names).fetchall()
        known = next((str(name) for name, owner in rows if owner == session), None)
        return known, names[1] if rows else identifier

    def _insert(
        self,
        session: str,
        identifier: str,
        role: Role,
        text: str,
        origin: MessageOrigin | None,
        *,
        reply_to: str | None = None,
        state: str | None = None,
        streamed: int = 0,
        rest: str = "",
        restart: str | None = None,
        outcome: str | None = None,
    ) -> Message | None:
        now = time.time()
        origin = origin or MessageOrigin.local(session)
        cursor = self._database.execute(
            "INSERT INTO messages (session, id, role, text, at, reply_to, state, streamed, rest, restart,"
            " outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (session, identifier, role, text, now, reply_to, state, streamed, rest, restart, outcome),
        )
        if cursor.rowcount != 1 or cursor.lastrowid is None:
            return None
        seq = cursor.lastrowid
        if reply_to is None and origin.channel != LOCAL:
            self._database.execute(
                f"INSERT OR REPLACE INTO origins (message, {ORIGIN}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  a literal
                (identifier, *origin),
            )
        name, answered = _plain(session, identifier), None if reply_to is None else _plain(session, reply_to)
        return Message(seq, session, name, role, text, now, origin, answered, state, streamed, rest, restart, outcome)

    def _first(self, where: str, *values: str | float) -> Message | None:
        messages = self._select(where, *values)
        return messages[0] if messages else None

    def _select(self, where: str, *values: str | float) -> list[Message]:
        return list(self._rows(where, *values))

    def _rows(self, where: str, *values: str | float) -> Iterator[Message]:
        origins = "LEFT JOIN origins ON origins.message = coalesce(reply_to, id)"
        query = f"SELECT {COLUMNS}, {ORIGIN} FROM messages {origins} WHERE {where}"  # noqa: S608  `where` is a literal in this class
        return map(_message, self._database.execute(query, values))


def _qualified(session: str, identifier: str) -> str:
    """Return the stored id of a message whose own id another session has already."""
    return f"{identifier}\x1f{session}"


def _plain(session: str, stored: str) -> str:
    """Return the id as the message's sender knows it."""
    return stored.removesuffix(f"\x1f{session}")


def _message(row: tuple[Any, ...]) -> Message:
    seq, session, identifier, role, text, at, reply_to, *rest = row
    end, channel = rest[:5], rest[5]
    origin = MessageOrigin.local(session) if channel is None else MessageOrigin(*rest[5:])
    answered = None if reply_to is None else _plain(session, reply_to)
    return Message(seq, session, _plain(session, identifier), role, text, at, origin, answered, *end)


def open_store(path: str, room: Room | None = None) -> tuple[Store, str | None]:
    """Open the store at `path`. Return it, and the new name of a corrupt file that had to make way, if there was one.

    Raises sqlite3.Error or OSError when the file cannot be read, or the disk is full or not ours: then nothing is known
    against the file, and it stays. It is set aside only when two looks call it corrupt and every byte can be read.
    """
    for _ in range(2):
        try:
            return Store(path, room), None
        except CorruptError:
            pass
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
        read_through(path)
    aside = set_aside(path)
    return Store(path, room), aside

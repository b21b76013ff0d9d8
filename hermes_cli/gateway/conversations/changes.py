"""What became of a message that was shown already: more of it, or other words in its place.

Each is a row of `changes`. Its target is the message that began it: a question, or what a person asked, whose reply it then is.
A channel that can edit what it has shown shows a change that way; in others what was added is a message like any other.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from hermes_cli.gateway.conversations.forms import Span
from hermes_cli.gateway.conversations.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.gateway.conversations.store import Store


class Change(NamedTuple):
    """The `n`th change of this store: a stored `message` goes on with what it changes, or `text` replaces it."""

    n: int
    text: str | None
    message: Message | None


class Whole(NamedTuple):
    """A message as it reads now. `n`: of the last change in it, 0 without any."""

    base: Message
    text: str
    n: int = 0
    spans: tuple[Span, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether it reads otherwise than when it was stored."""
        return self.n > 0


def whole(base: Message, changes: Sequence[Change], above: int | None = None) -> Whole:
    """Put a message and its changes together; with `above` only the changes after that one, for what cannot be edited.

    The outcome of a restart ends it. A line of an update that says the same outcome in other words makes way for it.
    """
    n = max((one.n for one in changes), default=0)
    pieces = [] if above is not None else [base.text]
    outcomes: list[Message] = []
    for one in changes:
        if above is not None and one.n <= above:
            continue
        if one.text is not None:
            pieces = [one.text] if above is None else []
        elif one.message is not None and one.message.outcome is not None:
            outcomes.append(one.message)
        elif one.message is not None:
            pieces.append(one.message.text)
    said = tuple(f"{one.outcome}: " for one in outcomes)
    lines = [line for piece in pieces if piece for line in piece.split("\n") if not said or not line.startswith(said)]
    return Whole(base, "\n".join([*lines, *(one.text for one in outcomes)]), n)


class Changes:
    """The table. Raises sqlite3.Error."""

    def __init__(self, store: "Store", database: sqlite3.Connection) -> None:
        self._store = store
        self._database = database

    def go_on(self, of: int, message: int) -> None:
        """Note that a stored message goes on with another. Part of the caller's transaction."""
        self._database.execute("INSERT INTO changes (target, message) VALUES (?, ?)", (of, message))

    def replace(self, of: int, text: str) -> None:
        """Commit what a message reads from now on."""
        self._database.execute("INSERT INTO changes (target, text) VALUES (?, ?)", (of, text))

    def changed_by(self, message: int) -> int | None:
        """Return the message that this one goes on with."""
        row = self._database.execute("SELECT target FROM changes WHERE message = ?", (message,)).fetchone()
        return None if row is None else int(row[0])

    def last(self, of: int) -> int:
        """Return the number of the last change of a message, 0 without any."""
        return int(
            self._database.execute("SELECT coalesce(max(n), 0) FROM changes WHERE target = ?", (of,)).fetchone()[0]
        )

    def base(self, of: int) -> Message | None:
        """Return what is changed: a message, or the reply to what a person asked; None while there is none."""
        found = self._store.message(of)
        return self._store.reply_of(of) if found is not None and found.role == "user" else found

    def whole(self, of: int, base: Message, above: int | None = None) -> Whole:
        """Return how `base` reads now; see the function `whole`."""
        rows = self._database.execute(
            "SELECT n, text, message FROM changes WHERE target = ? ORDER BY n", (of,)
        ).fetchall()
        if not rows:
            return Whole(base, base.text, spans=self._store.spans(base.seq))
        changes = [Change(n, text, None if seq is None else self._store.message(seq)) for n, text, seq in rows]
        return whole(base, changes, above)

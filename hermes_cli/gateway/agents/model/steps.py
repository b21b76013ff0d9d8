"""What a turn of the model did, on stable storage: its calls before they are run, each result before the next request.

A table of its own in messages.sqlite, which an older release does not know and leaves alone.
"""

import json
from typing import Any

from hermes_cli.gateway.conversations.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

_SCHEMA = """
CREATE TABLE IF NOT EXISTS steps (
    seq INTEGER NOT NULL,
    n INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (seq, n)
) WITHOUT ROWID;
"""


class Steps:
    """The steps of every turn that is still stored, by the message's `seq`. Raises sqlite3.Error."""

    def __init__(self, store: Store) -> None:
        self._database: sqlite3.Connection = store.beside(_SCHEMA)

    def add(self, seq: int, document: dict[str, Any]) -> None:
        """Commit the next step of a turn, in the words of the API: an assistant's message or a tool's."""
        self._database.execute(
            "INSERT INTO steps SELECT ?, coalesce(max(n) + 1, 0), ? FROM steps WHERE seq = ?",
            (seq, json.dumps(document), seq),
        )

    def of(self, seq: int) -> list[dict[str, Any]]:
        """List a turn's steps in their order."""
        rows = self._database.execute("SELECT document FROM steps WHERE seq = ? ORDER BY n", (seq,))
        return [json.loads(row[0]) for row in rows]

    def tidy(self) -> None:
        """Forget the steps of turns whose messages have made room for newer ones."""
        self._database.execute("DELETE FROM steps WHERE seq < (SELECT coalesce(min(seq), 0) FROM messages)")

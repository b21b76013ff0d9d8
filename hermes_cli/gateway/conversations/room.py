"""How much the store may hold, and what makes room in it: the oldest messages that are over go first."""

import sqlite3
from typing import NamedTuple

from hermes_cli.gateway.conversations.database import transaction

_OUTCOMES = 2000  # far more than the queue remembers
_AT_ONCE = 10  # messages that make room in one transaction
_SPARE = 512  # free pages of a full file, or an eighth of it: room for the next messages


class Room(NamedTuple):
    """`queued` messages may wait for their turn, and the file may have so many `bytes`."""

    queued: int = 1000
    bytes: int = 256 * 1024 * 1024


class FullError(sqlite3.OperationalError):
    """So many messages wait already that no more is accepted."""


def make_room(database: sqlite3.Connection, room: Room) -> None:
    """Remove the oldest messages that are over, while the file has no room left. Their pages are used again."""
    most = room.bytes // _pragma(database, "page_size")
    while _pragma(database, "page_count") >= most and _pragma(database, "freelist_count") < min(_SPARE, most // 8):
        with transaction(database):
            old = database.execute(
                "SELECT seq, id FROM messages WHERE (state IS NULL OR state IN ('answered', 'interrupted'))"
                " AND NOT (id > ? AND id < 'outcome;') ORDER BY seq LIMIT ?",
                (_oldest_outcome(database), _AT_ONCE),
            ).fetchall()
            database.executemany("DELETE FROM messages WHERE seq = ?", [(seq,) for seq, _ in old])
            database.executemany("DELETE FROM forms WHERE seq = ?", [(seq,) for seq, _ in old])
            database.executemany("DELETE FROM origins WHERE message = ?", [(name,) for _, name in old])
            database.executemany("DELETE FROM changes WHERE target = ? OR message = ?", [(seq, seq) for seq, _ in old])
        if len(old) < _AT_ONCE:
            return


def _oldest_outcome(database: sqlite3.Connection) -> str:
    """Return the id after which outcomes of restarts are kept: one that is not there would be told again."""
    found = database.execute(
        "SELECT id FROM messages WHERE id > 'outcome:' AND id < 'outcome;' ORDER BY id DESC LIMIT 1 OFFSET ?",
        (_OUTCOMES,),
    ).fetchone()
    return "outcome:" if found is None else str(found[0])


def _pragma(database: sqlite3.Connection, pragma: str) -> int:
    return int(database.execute(f"PRAGMA {pragma}").fetchone()[0])

"""The file that holds the messages: its tables, how it is opened and checked, and what makes way when it is corrupt.

Other releases open the same file, so a change may add tables and nothing else: a release that misses a column of
`messages` sets the file aside as corrupt, and tables that it does not know it leaves alone.
"""

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hermes_cli.system import durable

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
CREATE TABLE IF NOT EXISTS origins (
    message TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    account TEXT,
    chat TEXT,
    thread TEXT,
    user TEXT,
    external TEXT
);
CREATE TABLE IF NOT EXISTS beginnings (
    session TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS changes (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    target INTEGER NOT NULL,
    message INTEGER,
    text TEXT
);
CREATE INDEX IF NOT EXISTS changes_of ON changes (target);
CREATE INDEX IF NOT EXISTS changes_by ON changes (message) WHERE message IS NOT NULL;
CREATE TABLE IF NOT EXISTS forms (
    seq INTEGER PRIMARY KEY,
    spans TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_session ON messages (session, seq);
CREATE INDEX IF NOT EXISTS unfinished ON messages (state) WHERE state IN ('queued', 'running');
"""
COLUMNS = "seq, session, id, role, text, at, reply_to, state, streamed, rest, restart, outcome"
ORIGIN = "channel, account, chat, thread, user, external"
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# A check of the pages reports a page that could not be read as a row, like a page that is wrong (sqlite.org/rescode.html).
_CODE = re.compile(r"error code[ =]+(\d+)")
# A check of every page costs a few milliseconds for this much; beyond it SQLite finds damage when it meets it.
_CHECKED_SIZE = 8 * 1024 * 1024
# Bytes of pages that SQLite may keep. By itself it keeps 2 MB, and the check at the start would fill them.
_CACHE = 256 * 1024
_ASIDE = 3  # corrupt files that are kept


class CorruptError(Exception):
    """The file is no database of ours."""


def connect(path: str) -> sqlite3.Connection:
    """Open the file, which is made where it is missing. Raises sqlite3.Error, OSError and CorruptError."""
    # SQLite gives its -wal and -shm files the mode of the database, so this one decides for all three.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON", f"cache_size={-_CACHE // 1024}"):
            database.execute(f"PRAGMA {pragma}")
        if os.path.getsize(path) <= _CHECKED_SIZE:
            _check(database)
        database.executescript(_SCHEMA)
        _check_shape(database)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done within, or nothing of it. Raises sqlite3.Error."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # on a full disk SQLite may have rolled back by itself
            database.execute("ROLLBACK")
        raise


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Tell whether SQLite calls the file corrupt: locked, full and the like are not corruption."""
    # The low byte is the primary code (sqlite.org/rescode.html).
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _BROKEN


def read_through(path: str) -> None:
    """Read every byte of the database and its log. Raises OSError where one cannot be read."""
    for name in (path, f"{path}-wal"):
        with suppress(FileNotFoundError), open(name, "rb", buffering=0, opener=durable.prompt_opener) as file:
            while file.read(1 << 20):
                pass


def set_aside(path: str) -> str:
    """Rename the database and its log, and return the new name. Of what was set aside, the newest few are kept."""
    aside = f"{path}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}"
    os.rename(path, aside)
    for suffix in ("-wal", "-shm"):
        if os.path.exists(path + suffix):  # a log of the old file would be replayed into the new one
            os.rename(path + suffix, aside + suffix)
    _forget_oldest(path)
    return aside


def _forget_oldest(path: str) -> None:
    """Remove all but the newest few files that were set aside: each is a whole database."""
    folder, name = os.path.split(path)
    aside = sorted(one for one in os.listdir(folder) if one.startswith(f"{name}.corrupt-") and one[-1].isdigit())
    for one in aside[:-_ASIDE]:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                os.unlink(f"{folder}/{one}{suffix}")


def _check(database: sqlite3.Connection) -> None:
    answer = database.execute("PRAGMA quick_check(1)").fetchone()
    if answer is not None and answer[0] == "ok":
        return
    text = str(answer and answer[0])
    code = _CODE.search(text)
    if code is not None and int(code[1]) & 0xFF not in _BROKEN:
        raise sqlite3.OperationalError(f"disk I/O error: {text.splitlines()[-1]}")
    raise CorruptError(text)


def _check_shape(database: sqlite3.Connection) -> None:
    # Another program or release may have made the database. If it cannot be used, it is as good as corrupt.
    try:
        database.execute(f"SELECT {COLUMNS}, instance FROM messages LIMIT 0")  # noqa: S608  both literals
        database.execute(f"SELECT message, {ORIGIN} FROM origins LIMIT 0")  # noqa: S608  both literals
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR:  # it could not be read: nothing is known of it
            raise
        raise CorruptError(str(error)) from None

"""What an update says after the turn that asked for it has ended, in the conversation that asked, across restarts.

Until a drain begins, the turn streams the output (`tools/update`); its reply then says how many characters it streamed.
What comes after that is delivered as notices by whichever instance runs. The id of a notice ends with the number of
characters delivered so far, and ids are unique in the database, so nothing is lost and nothing comes twice.
"""

import asyncio
import codecs
import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from typing import NamedTuple

from hermes_cli.gateway.conversations.message import Message
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.paths import Paths
from hermes_cli.system import durable, locks
from hermes_cli.update import chat_job

_log = logging.getLogger("hermes.updates")
LOOK = 0.2  # seconds; kqueue watches directories, so a file that grows wakes nobody on macOS
STARTS = 30.0  # seconds for a service manager to start the update
_READ = 1024 * 1024  # bytes of what an update says that are told; the rest is in update.log
_ORPHAN = 86400.0  # seconds after which what belongs to no conversation any more goes
_MOST = 100  # updates that are followed at once


class ChatUpdate(NamedTuple):
    """An update that a message asked for."""

    id: str
    session: str
    message: str
    out: str

    @property
    def record(self) -> str:
        """The file that says which message asked."""
        return self.out.removesuffix(".out") + ".json"

    def output(self) -> tuple[str, bool] | None:
        """Return everything that it said so far and whether that is all, or None before it has begun."""
        running = locks.may_be_held(self.out)  # first: what is written before the lock goes is read below
        try:
            with open(self.out, "rb", opener=durable.prompt_opener) as file:
                data = file.read(_READ)
        except OSError:
            return None
        return codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=not running), not running


def chat_updates(paths: Paths) -> dict[str, ChatUpdate]:
    """Return the updates whose output is not delivered whole, by id."""
    updates = {}
    folder = chat_job.folder(paths)
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return {}
    for name in names[:_MOST]:
        document = durable.read_json(f"{folder}/{name}") or {}
        session, message = document.get("session"), document.get("message")
        if isinstance(session, str) and isinstance(message, str):
            identifier = name.removesuffix(".json")
            updates[identifier] = ChatUpdate(identifier, session, message, f"{folder}/{identifier}.out")
    return updates


class Updates:
    """Delivers the output of this profile's updates. Everything happens on the event loop's thread."""

    def __init__(self, paths: Paths, store: Store, publish: Callable[[Message], None]) -> None:
        self._paths = paths
        self._store = store
        self._publish = publish
        self._task: asyncio.Task[None] | None = None

    def follow(self) -> None:
        """Deliver what no turn streams, beside the turns, until no update is left."""
        if self._task is None or self._task.done():
            self._forget_orphans()
            self._task = asyncio.get_running_loop().create_task(self._follow(), name="updates")

    def _forget_orphans(self) -> None:
        """Remove output without a record, and records of messages that the store does not know, once they are old."""
        folder = chat_job.folder(self._paths)
        horizon = time.time() - _ORPHAN
        known = {f"{update.id}{end}" for update in chat_updates(self._paths).values() for end in (".json", ".out")}
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                if entry.name not in known and entry.stat(follow_symlinks=False).st_mtime < horizon:
                    os.unlink(entry.path)

    async def _follow(self) -> None:
        while updates := chat_updates(self._paths):
            for update in updates.values():
                try:
                    self._deliver(update)
                except (OSError, sqlite3.Error) as error:
                    _log.warning("what update %s says is not delivered yet: %s", update.id, error)
            await asyncio.sleep(LOOK)  # for what another process writes into a file

    def _deliver(self, update: ChatUpdate) -> None:
        """Deliver whole lines that the conversation has not got yet; remove the files once it has everything."""
        reply = self._store.reply_to(update.message, update.session)
        if reply is None:  # its turn streams, or has just ended
            if time.time() - os.stat(update.record).st_mtime > _ORPHAN:
                self._forget(update)
            return
        output = update.output()
        if output is None:
            if time.time() - os.stat(update.record).st_mtime > STARTS:
                self._forget(update)
            return
        text, is_all = output
        delivered = self._delivered(update, reply)
        end = len(text) if is_all else text.rfind("\n") + 1
        if end > delivered:
            identifier, lines = f"update:{update.id}:{end:010}", text[delivered:end].rstrip("\n")
            asked = self._store.asked(update.session, update.message)
            of = None if asked is None else asked.seq
            stored = self._store.notice(update.session, identifier, lines, origin=reply.origin.of_notice(), of=of)
            if stored is not None:
                self._publish(stored)
        elif is_all:
            self._forget(update)

    def _delivered(self, update: ChatUpdate, reply: Message) -> int:
        """Return how many characters the conversation has, by notices or else by the reply."""
        last = self._store.last_with_prefix(f"update:{update.id}:")
        if last is not None:
            return int(last.rpartition(":")[2])
        return reply.streamed

    def _forget(self, update: ChatUpdate) -> None:
        for path in (update.record, update.out):
            try:
                os.unlink(path)
            except OSError as error:
                _log.warning("%s: %s", path, error.strerror)

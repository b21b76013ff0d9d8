"""`/update`: an update outside the gateway's tree, and its output in the conversation that asked, across the restart.

Until the drain it is streamed by the turn that asked; the reply then says how many characters went out. What comes
after that is delivered as notices by whichever instance runs: a notice's id ends with how far it reaches, and ids are
unique in the database, so nothing is lost and nothing comes twice.
"""

import asyncio
import codecs
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hermes_cli.errors import HermesError
from hermes_cli.gateway.channels.local.server import CHANNEL
from hermes_cli.gateway.conversations.store import Message, Store
from hermes_cli.gateway.conversations.turns import Turn
from hermes_cli.intents.request import new_id
from hermes_cli.paths import Paths
from hermes_cli.services import choose
from hermes_cli.system import durable, locks
from hermes_cli.update import chat_job

_log = logging.getLogger("hermes.updates")
_LOOK = 0.2  # seconds; a file that grows wakes nobody on macOS, where kqueue watches directories
_STARTS = 30.0  # seconds for a service manager to start the update


@dataclass(frozen=True, slots=True)
class _Job:
    """One update that a message asked for."""

    id: str
    session: str
    message: str
    out: str

    def said(self) -> tuple[str, bool] | None:
        """Everything so far, and whether that is all; None when it has not begun."""
        running = locks.is_held(self.out)  # first: what is written before the lock goes is read below
        try:
            with open(self.out, "rb") as file:
                data = file.read()
        except OSError:
            return None
        return codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=not running), not running


class Updates:
    """The updates of this profile's conversations. Everything happens on the event loop's thread."""

    def __init__(
        self, paths: Paths, store: Store, publish: Callable[[Message], None], is_draining: Callable[[], bool]
    ) -> None:
        self._paths = paths
        self._store = store
        self._publish = publish
        self._is_draining = is_draining

    async def run(self, turn: Turn, options: Sequence[str]) -> str:
        """Start an update for this turn and stream what it says; the closing line. Returns when a drain begins."""
        job = _Job(new_id(time.time()), turn.message.session, turn.message.id, "")
        try:
            await asyncio.to_thread(self._start, job, options)
            return await self._stream(turn, self._jobs()[job.id])
        except (HermesError, OSError, KeyError) as error:
            return f"no update: {error}"

    async def follow(self) -> None:
        """Deliver what no turn streams, until no job is left."""
        while jobs := self._jobs():
            for job in jobs.values():
                try:
                    self._deliver(job)
                except (OSError, sqlite3.Error) as error:
                    _log.warning("what update %s says is not delivered yet: %s", job.id, error)
            await asyncio.sleep(_LOOK)  # what another process writes into a file

    def _start(self, job: _Job, options: Sequence[str]) -> None:
        document = {"session": job.session, "message": job.message, "at": time.time()}
        durable.publish(f"{chat_job.folder(self._paths)}/{job.id}.json", document)
        session = {
            "HERMES_SESSION_PLATFORM": CHANNEL,
            "HERMES_SESSION_CHAT_ID": job.session,
            "HERMES_SESSION_MESSAGE_ID": job.message,
            "HERMES_SESSION_KEY": job.session,
        }
        try:
            choose(self._paths).run_outside("update", chat_job.argv(self._paths, job.id, options), session)
        except HermesError:
            os.unlink(f"{chat_job.folder(self._paths)}/{job.id}.json")
            raise

    async def _stream(self, turn: Turn, job: _Job) -> str:
        given, began = 0, time.monotonic()
        while True:
            draining = self._is_draining()  # first: what was said before it began is still to be read
            text, is_all = job.said() or ("", False)
            if len(text) > given:
                turn.emit(text[given:])
                given = len(text)
            if is_all or draining:
                return ""
            if not given and time.monotonic() - began > _STARTS:
                raise HermesError(f"it did not begin within {_STARTS:.0f} s: hermes gateway status")
            await asyncio.sleep(_LOOK)  # what another process writes into a file

    def _deliver(self, job: _Job) -> None:
        """What the conversation has not got yet, in whole lines. Files go when it has everything."""
        reply = self._store.reply_to(job.message)
        if reply is None:  # its turn streams, or has just ended
            return
        said = job.said()
        if said is None:
            if time.time() - os.stat(job.out.removesuffix(".out") + ".json").st_mtime > _STARTS:
                self._forget(job)
            return
        text, is_all = said
        given = self._given(job, reply)
        end = len(text) if is_all else text.rfind("\n") + 1
        if end > given:
            identifier = f"update:{job.id}:{end:010}"
            stored = self._store.notice(job.session, identifier, text[given:end].rstrip("\n"), None, None)
            if stored is not None:
                self._publish(stored)
        elif is_all:
            self._forget(job)

    def _given(self, job: _Job, reply: Message) -> int:
        """How many characters the conversation has: of notices, or of the reply."""
        last = self._store.last_with_prefix(f"update:{job.id}:")
        if last is not None:
            return int(last.rpartition(":")[2])
        return reply.streamed

    def _forget(self, job: _Job) -> None:
        for path in (job.out.removesuffix(".out") + ".json", job.out):
            try:
                os.unlink(path)
            except OSError as error:
                _log.warning("%s: %s", path, error.strerror)

    def _jobs(self) -> dict[str, _Job]:
        found = {}
        where = chat_job.folder(self._paths)
        try:
            names = sorted(name for name in os.listdir(where) if name.endswith(".json"))
        except OSError:
            return {}
        for name in names:
            document = durable.read_json(f"{where}/{name}") or {}
            session, message = document.get("session"), document.get("message")
            if isinstance(session, str) and isinstance(message, str):
                identifier = name.removesuffix(".json")
                found[identifier] = _Job(identifier, session, message, f"{where}/{identifier}.out")
        return found

"""One message for each settled intent, in the conversation that asked for it, success or failure.

A rollback that no conversation asked for is told where the release was asked for: it was said there to be running.

Its id is `outcome:<intent>`, unique in the database: it is stored once across instances, crashes and repeated looks.
"""

import asyncio
import logging
import os
from collections.abc import Callable

from hermes_cli import mends
from hermes_cli.gateway.conversations.message import Message, asked_by, is_update
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.intents.instance import Instance
from hermes_cli.intents.record import Origin
from hermes_cli.intents.request import UPDATE
from hermes_cli.intents.settled import Settled
from hermes_cli.paths import Paths
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.durable import make_private_directory
from hermes_cli.update import journal

_log = logging.getLogger("hermes.notices")


def text_of(settled: Settled, me: Instance) -> str:
    """Return the words for an outcome. Only `restarted` is called a restart, and only a ready instance writes a notice."""
    detail = settled.detail or "no reason is recorded"
    if settled.outcome == "restarted":
        return (
            f"restarted: gateway is back as pid {me.identity.pid}, revision {me.revision}, after {settled.took:.1f} s"
        )
    if settled.outcome == "failed":
        return f"restart failed: {detail}"
    if settled.outcome == "expired":
        return f"restart expired, it was not carried out: {detail}"
    if settled.outcome == "already-satisfied":
        return f"no restart was needed any more: {detail}"
    if settled.outcome == "cancelled":
        return f"restart cancelled: {detail}"
    return f"restart {settled.outcome}: {detail}"


class Notices:
    """Stores a notice for each intent that is in settled/, and hands the new ones to `publish`."""

    def __init__(
        self, paths: Paths, store: Store, me: Callable[[], Instance], publish: Callable[[Message], None]
    ) -> None:
        self._paths = paths
        self._store = store
        self._me = me
        self._publish = publish
        self._directory = paths.queue.settled
        self._names: frozenset[str] = frozenset()
        self._settled: list[Settled] = []

    def follow(self) -> None:
        """Look now and whenever an intent is settled, for as long as the event loop runs."""
        watch = self._watch()
        if watch is None:
            self.look()
            return

        def changed() -> None:
            watch.drain()
            self.look()

        asyncio.get_running_loop().add_reader(watch.fileno(), changed)
        self._look_again(watch.patience(None))

    def look(self) -> None:
        """Store and publish a notice for each settled intent that has none. Never raises."""
        try:
            for settled in self._read():
                self._note(settled)
        except Exception:  # noqa: BLE001  logged; a notice must not end the gateway
            _log.exception("outcomes could not be shown")

    def restart_of(self, message: Message) -> str | None:
        """Return the id of the latest intent that this message's turn made, pending or settled."""
        intents = [*self._paths.queue.unsettled(), *(settled.intent for settled in reversed(self._read()))]
        return max((intent.id for intent in intents if asked_by(intent, message)), default=None)

    def _watch(self) -> DirectoryWatch | None:
        """Watch settled/, or return None when the kernel has no watch left: then notices come at start-ups only."""
        try:
            make_private_directory(self._directory)
            return DirectoryWatch(self._directory)
        except OSError as error:
            _log.warning("outcomes are shown at the next start only: %s", error.strerror)
            return None

    def _look_again(self, interval: float | None) -> None:
        """Look now, and every `interval` seconds if the watch cannot see every change."""
        self.look()
        if interval is not None:
            asyncio.get_running_loop().call_later(interval, self._look_again, interval)

    def _read(self) -> list[Settled]:
        try:
            names = frozenset(os.listdir(self._directory))
        except OSError:
            return []
        if names != self._names:  # records are immutable, so the names tell
            self._settled = self._paths.queue.history()[::-1]
            self._names = names
        return self._settled

    def _note(self, settled: Settled) -> None:
        intent, words, origin = settled.intent, "", settled.intent.origin
        identifier = f"outcome:{intent.id}"
        if self._store.has(identifier):
            return
        if origin is None and intent.reason == UPDATE:
            words, origin = self._taken_back(intent.id)
        if origin is None or origin.channel is None:
            return
        session = origin.session or origin.chat
        if not session:
            return
        # The record is a claim. Notices go to the conversations that were there before it was settled, and to no others.
        place = self._store.origin_in(session, origin.channel, settled.settled_at)
        if place is None:
            return
        text = words + mends.pasteable(text_of(settled, self._me()), self._paths.profile)
        # An edit does not ring: what its own outcome is added to is not what a later rollback is added to.
        asked = self._store.asked(session, origin.message) if origin.message and not words else None
        of = asked.seq if asked is not None and is_update(asked) else None
        told = place.of_notice()
        stored = self._store.notice(session, identifier, text, intent.id, settled.outcome, origin=told, of=of)
        if stored is not None:
            _log.info("outcome of %s shown: %s", intent.id, settled.outcome)
            self._publish(stored)

    def _taken_back(self, identifier: str) -> tuple[str, Origin | None]:
        """Return what a rollback that no conversation asked for takes back, and the conversation that had brought it in."""
        back = journal.find(self._paths, identifier)
        update = self._paths.queue.find(back.rolls_back) if back is not None and back.rolls_back else None
        if back is None or update is None:
            return "", None
        return f"rollback of {back.old_shown} ({back.command}): ", update.intent.origin

"""One message for each settled intent, in the conversation that asked for it, success or failure.

Its id is `outcome:<intent>`, unique in the database: once across instances, crashes and repeated looks.
"""

import logging
import os
from collections.abc import Callable

from hermes_cli.gateway.channels.local.server import CHANNEL
from hermes_cli.gateway.conversations.store import Message, Store
from hermes_cli.gateway.drain import asked_by
from hermes_cli.intents.settled import Settled
from hermes_cli.paths import Paths
from hermes_cli.programs.own import GatewayInstance
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.durable import make_private_directory

_log = logging.getLogger("hermes.notices")


def text_of(settled: Settled, me: GatewayInstance) -> str:
    """The words for an outcome. Only `restarted` says so, and only a fresh, ready instance can write it."""
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
    """Looks at settled/ when told to, and hands what is new to `publish`."""

    def __init__(
        self, paths: Paths, store: Store, me: Callable[[], GatewayInstance], publish: Callable[[Message], None]
    ) -> None:
        self._paths = paths
        self._store = store
        self._me = me
        self._publish = publish
        self._directory = paths.queue.settled
        self._names: frozenset[str] = frozenset()
        self._settled: list[Settled] = []

    def watch(self) -> DirectoryWatch | None:
        """Readable when something was settled; None when the kernel has no watch left, and then start-ups must do."""
        try:
            make_private_directory(self._directory)
            return DirectoryWatch(self._directory)
        except OSError as error:
            _log.warning("outcomes are shown at the next start only: %s", error.strerror)
            return None

    def look(self) -> None:
        """Store and publish a notice for each settled intent that has none. Never raises."""
        try:
            for settled in self._read():
                self._note(settled)
        except Exception:  # noqa: BLE001  logged; a notice must not end the gateway
            _log.exception("outcomes could not be shown")

    def restart_of(self, message: Message) -> str | None:
        """The intent that this message's turn made, pending or settled; the latest if there are more."""
        intents = [*self._paths.queue.unsettled(), *(settled.intent for settled in reversed(self._read()))]
        asked = [intent for intent in intents if asked_by(intent, message.session, message.id)]
        return max(asked, key=lambda intent: intent.id).id if asked else None

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
        origin = settled.intent.origin
        if origin is None or origin.channel != CHANNEL:
            return
        session = origin.session or origin.chat
        identifier = f"outcome:{settled.intent.id}"
        if not session or self._store.has(identifier) or not self._store.knows(session, settled.settled_at):
            return
        text = text_of(settled, self._me())
        stored = self._store.notice(session, identifier, text, settled.intent.id, settled.outcome)
        if stored is not None:
            _log.info("outcome of %s shown: %s", settled.intent.id, settled.outcome)
            self._publish(stored)

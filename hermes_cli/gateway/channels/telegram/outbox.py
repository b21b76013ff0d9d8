"""The lanes of a bot: one task for each chat that has something to be told, and none for a chat that has not."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable

from hermes_cli.gateway.channels.telegram.lane import Calls, Due, Lane, Shared
from hermes_cli.gateway.channels.telegram.ledger import Ledger, suppressed
from hermes_cli.gateway.channels.telegram.preview import Preview
from hermes_cli.gateway.conversations.forms import Form
from hermes_cli.gateway.conversations.message import TELEGRAM, Message
from hermes_cli.gateway.conversations.store import Store

_SETTLE_AFTER = 50  # deliveries between two notes that nothing is owed
_LAST_WORDS = 1.0  # seconds at the end for what is due; what is not said by then the next instance says
_log = logging.getLogger("hermes.telegram")


class Outbox:
    """Delivers what the store has for the chats of a bot, whenever and by whomever it was written."""

    def __init__(self, api: Calls, ledger: Ledger, store: Store, changed: Callable[[], None]) -> None:
        self._store = store
        self._ledger = ledger
        self._shared = Shared(api, ledger, self._over)
        self._changed = changed
        self._lanes: dict[str, Lane] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._known: set[int] = set()  # the keys of what is due
        self._delivered = 0

    def open(self) -> None:
        """Take up what earlier instances, and older releases, have left. Raises sqlite3.Error."""
        self.look()
        for message in self._store.waiting_in(TELEGRAM):
            self.expect(message)
        if not self._lanes:
            with suppressed():
                self._ledger.settle()

    def look(self) -> None:
        """Take up what others have left to be delivered. Raises sqlite3.Error."""
        for owed in self._ledger.owed():
            self._add(owed.chat, Due(owed.key, owed.is_change))

    @property
    def undelivered(self) -> int:
        """How many messages wait to be delivered."""
        return sum(len(lane.due) for lane in self._lanes.values())

    @property
    def held_up(self) -> list[str]:
        """What keeps chats from getting their messages."""
        return sorted({lane.why for lane in self._lanes.values() if lane.why and lane.due})

    def expect(self, message: Message) -> None:
        """Show that somebody works on a user's message, until it is answered."""
        if message.origin.chat is not None:
            self._lane(message.origin.chat).waiting[message.seq] = message.origin.thread
            self._run(message.origin.chat)

    def stream(self, message: Message, text: str, form: Form | None) -> None:
        """Show output of a turn."""
        chat = message.origin.chat
        if chat is None:
            return
        previews = self._lane(chat).previews
        if message.seq not in previews:
            previews[message.seq] = Preview(asyncio.get_running_loop().time())
        previews[message.seq].grow(text, form)
        self._run(chat)

    def deliver(self, message: Message, key: int, *, is_change: bool = False) -> None:
        """Have a stored reply or notice stand in its chat, with what it was changed into."""
        if message.origin.chat is not None:
            self._add(message.origin.chat, Due(key, is_change))

    def retry_now(self) -> None:
        """Try again at once what the network had held up."""
        for lane in self._lanes.values():
            lane.retry_now()

    async def finish(self) -> None:
        """Say what is due within a second, begin nothing after half of it, and leave no call in the air if that can be."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _LAST_WORDS
        loop.call_later(_LAST_WORDS / 2, self._close)
        for lane in self._lanes.values():
            lane.waiting.clear()
            lane.previews.clear()
            lane.wake.set()
        busy = {self._tasks[chat] for chat, lane in self._lanes.items() if lane.due or lane.busy}
        if busy:
            await asyncio.wait(busy, timeout=max(0.0, end - loop.time()))
        self._close()

    def close(self) -> None:
        """Stop at once."""
        self._close()
        for task in self._tasks.values():
            task.cancel()

    def _close(self) -> None:
        self._shared.closing = True

    def _lane(self, chat: str) -> Lane:
        if chat not in self._lanes:
            self._lanes[chat] = Lane(chat, self._shared)
        return self._lanes[chat]

    def _add(self, chat: str, due: Due) -> None:
        if due.key not in self._known:
            self._known.add(due.key)
            self._lane(chat).due.append(due)
        self._run(chat)

    def _run(self, chat: str) -> None:
        self._lanes[chat].wake.set()
        if chat not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._serve(chat), name=f"telegram {chat}")
            self._tasks[chat] = task
        self._changed()

    async def _serve(self, chat: str) -> None:
        lane = self._lanes[chat]
        try:
            while not lane.is_idle and not self._shared.closing:
                try:
                    await lane.run()
                except sqlite3.Error as error:  # a full disk: nothing was noted, so it is done again
                    _log.error("a delivery could not be noted: %s", error)
                    await asyncio.sleep(1.0)  # a disk tells nobody that it has room again
        except Exception:  # noqa: BLE001  logged; a chat's trouble must not reach other chats
            _log.exception("nothing more goes out to a chat until something new is to be said there")
        finally:
            del self._tasks[chat]
            if lane.is_idle:
                del self._lanes[chat]
                self._known = {due.key for lane in self._lanes.values() for due in lane.due}
            self._changed()

    def _over(self, key: int) -> None:
        self._known.discard(key)
        self._delivered += 1
        if self._delivered >= _SETTLE_AFTER and not self.undelivered:
            self._delivered = 0
            with suppressed():
                self._ledger.settle()
        self._changed()
